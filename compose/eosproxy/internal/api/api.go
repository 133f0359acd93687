// Package api serves the HTTP API: /eos/… is the frame-aware part, everything else Toxiproxy's own API.
package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/hop"
	"eosproxy/internal/loopback"
)

const (
	// bodyLimit bounds what a request to the API may send.
	bodyLimit = 4 << 20
	// releasePatience is how long a release waits for its verdict to be carried out.
	releasePatience = time.Second
	// waitLimit is the longest wait_ms of a poll for events.
	waitLimit = time.Hour
)

// A Server is what the API works on.
type Server struct {
	Version   string
	Engine    *engine.Engine
	Hops      *hop.Set
	Policy    loopback.Policy
	Toxiproxy http.Handler
}

// Handler serves the whole API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(*http.Request) (int, any, error){
		"GET /eos/health":              s.health,
		"GET /eos/hops":                s.listHops,
		"POST /eos/hops":               s.createHops,
		"PATCH /eos/hops/{name}":       s.changeHop,
		"POST /eos/rtt/reset":          s.resetRTT,
		"GET /eos/rules":               s.listRules,
		"POST /eos/rules":              s.addRule,
		"DELETE /eos/rules/{id}":       s.removeRule,
		"POST /eos/holds/{id}/release": s.release,
		"/eos/":                        notFound,
	} {
		mux.HandleFunc(pattern, answer(handle))
	}
	mux.HandleFunc("GET /eos/events", s.events)
	mux.Handle("/", guard(s.Policy, s.Toxiproxy))
	return mux
}

// answer writes what a handler returns: a status and a value, or an error as {"error": "…"}.
func answer(handle func(*http.Request) (int, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		status, value, err := handle(r)
		if err != nil {
			refuse(w, statusOf(err), err)
			return
		}
		write(w, status, value)
	}
}

func write(w http.ResponseWriter, status int, value any) {
	if value == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func refuse(w http.ResponseWriter, status int, err error) {
	write(w, status, map[string]string{"error": err.Error()})
}

// errBadRequest marks what the caller got wrong.
var errBadRequest = errors.New("bad request")

var errNotFound = errors.New("not found")

func statusOf(err error) int {
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case is(errBadRequest, hop.ErrInvalid):
		return http.StatusBadRequest
	case is(errNotFound, hop.ErrNoHop, engine.ErrNoRule, engine.ErrNoHold):
		return http.StatusNotFound
	default: // what exists already, a port that is taken, a frame that cannot be delivered
		return http.StatusConflict
	}
}

// decode reads a JSON body strictly: an unknown field or anything behind the value is refused.
func decode(r *http.Request, into any) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("%w: %w", errBadRequest, err)
	}
	if string(bytes.TrimSpace(raw)) == "null" {
		return fmt.Errorf("%w: null instead of a value", errBadRequest)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the body is empty")
		}
		return fmt.Errorf("%w: %w", errBadRequest, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the JSON value", errBadRequest)
	}
	return nil
}

func notFound(r *http.Request) (int, any, error) {
	return 0, nil, fmt.Errorf("%w: %s %s", errNotFound, r.Method, r.URL.Path)
}

func (s *Server) health(*http.Request) (int, any, error) {
	events, lost := s.Engine.Log.Counts()
	return http.StatusOK, map[string]any{
		"version": s.Version, "events": events, "events_lost": lost, "open_connections": s.Hops.OpenConnections(),
	}, nil
}

func (s *Server) listHops(*http.Request) (int, any, error) {
	return http.StatusOK, s.Hops.States(), nil
}

func (s *Server) createHops(r *http.Request) (int, any, error) {
	var configs []hop.Config
	if err := decode(r, &configs); err != nil {
		return 0, nil, err
	}
	states, err := s.Hops.Create(configs)
	return http.StatusCreated, states, err
}

func (s *Server) changeHop(r *http.Request) (int, any, error) {
	h, err := s.Hops.Get(r.PathValue("name"))
	if err != nil {
		return 0, nil, err
	}
	var change hop.Change
	if err := decode(r, &change); err != nil {
		return 0, nil, err
	}
	if err := h.Apply(change); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, h.State(), nil
}

func (s *Server) resetRTT(r *http.Request) (int, any, error) {
	var of struct {
		Lane string `json:"lane"`
	}
	if err := decode(r, &of); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, s.Hops.ResetRTT(of.Lane)
}

func (s *Server) listRules(*http.Request) (int, any, error) {
	return http.StatusOK, s.Engine.Rules(), nil
}

func (s *Server) addRule(r *http.Request) (int, any, error) {
	rule := engine.NewRule()
	if err := decode(r, &rule); err != nil {
		return 0, nil, err
	}
	if err := rule.Check(); err != nil {
		return 0, nil, fmt.Errorf("%w: rule %q: %w", errBadRequest, rule.ID, err)
	}
	return http.StatusCreated, rule, s.Engine.AddRule(rule)
}

func (s *Server) removeRule(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, s.Engine.RemoveRule(r.PathValue("id"))
}

func (s *Server) release(r *http.Request) (int, any, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: hold %q is no number", errBadRequest, r.PathValue("id"))
	}
	wish := struct {
		Action     string      `json:"action"`
		Connection engine.Fate `json:"connection"` // matters only for a drop
	}{Connection: engine.Close}
	if err := decode(r, &wish); err != nil {
		return 0, nil, err
	}
	if wish.Action != "deliver" && wish.Action != "drop" {
		return 0, nil, fmt.Errorf("%w: action: %q is neither \"deliver\" nor \"drop\"", errBadRequest, wish.Action)
	}
	if err := wish.Connection.Check(); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	done, err := s.Engine.Release(id, engine.Verdict{Deliver: wish.Action == "deliver", Fate: wish.Connection}, releasePatience)
	return http.StatusOK, map[string]any{"hold": id, "action": wish.Action, "carried_out": done}, err
}
