// Package hop relays TCP connections frame by frame, and asks the engine about every Kafka frame.
package hop

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/loopback"
)

// The settings of a direction.
const (
	Pass     = "pass"
	Withhold = "withhold"
)

// A Config is what a hop is made of.
type Config struct {
	Name     string `json:"name"`
	Lane     string `json:"lane"`
	Link     string `json:"link"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Protocol string `json:"protocol"`
}

// A Change is what can be changed of a running hop; what is nil stays as it is.
type Change struct {
	Enabled  *bool   `json:"enabled"`
	Upstream *string `json:"upstream"`
	Requests *string `json:"requests"`
	Replies  *string `json:"replies"`
}

// A State is a hop as it is now.
type State struct {
	Config
	Enabled         bool   `json:"enabled"`
	Requests        string `json:"requests"`
	Replies         string `json:"replies"`
	OpenConnections int    `json:"open_connections"`
	Accepted        int64  `json:"accepted"`
	RefusedUpstream int64  `json:"refused_upstream"`
	BytesUp         int64  `json:"bytes_up"`
	BytesDown       int64  `json:"bytes_down"`
	WithheldUp      int64  `json:"withheld_up"`
	WithheldDown    int64  `json:"withheld_down"`
	RTT             Window `json:"rtt"`
}

// Options are common to all hops.
type Options struct {
	Engine      *engine.Engine
	Policy      loopback.Policy
	DialTimeout time.Duration
}

// ErrInvalid marks what the caller got wrong, as opposed to what the machine refuses (a port that is taken).
var ErrInvalid = errors.New("invalid")

// A Hop listens and relays every connection it accepts to one upstream.
type Hop struct {
	name, lane, link, listen, protocol string

	opts     Options
	requests *gate // for what goes up
	replies  *gate // for what comes down
	counters counters
	rtt      window

	mu       sync.Mutex
	upstream string
	listener net.Listener // nil while disabled
	retired  bool         // it never listens again
	conns    map[*conn]struct{}
	running  sync.WaitGroup // accept loops and connections
}

var lastConnection atomic.Uint64

func (c *Config) check(p loopback.Policy) error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name: missing"))
	}
	errs = append(errs, checkProtocol(c.Protocol))
	for field, address := range map[string]string{"listen": c.Listen, "upstream": c.Upstream} {
		if err := p.Check(address); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: hop %q: %w", ErrInvalid, c.Name, err)
	}
	return nil
}

func newHop(c Config, opts Options) *Hop {
	return &Hop{
		name: c.Name, lane: c.Lane, link: c.Link, listen: c.Listen, protocol: c.Protocol, upstream: c.Upstream,
		opts: opts, requests: newGate(), replies: newGate(), conns: map[*conn]struct{}{},
	}
}

// Apply changes a running hop, all or nothing. It never waits for a connection, so a stalled peer cannot block it.
func (h *Hop) Apply(change Change) error {
	if err := change.check(h.opts.Policy); err != nil {
		return err
	}
	if change.Enabled != nil && !*change.Enabled {
		defer h.close("hop disabled")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if change.Enabled != nil && *change.Enabled && h.listener == nil {
		if err := h.start(); err != nil { // may fail, so it comes first
			return err
		}
	}
	if change.Upstream != nil {
		h.upstream = *change.Upstream
	}
	if change.Requests != nil {
		h.requests.set(*change.Requests == Withhold)
	}
	if change.Replies != nil {
		h.replies.set(*change.Replies == Withhold)
	}
	return nil
}

func (c *Change) check(p loopback.Policy) error {
	var errs []error
	for field, value := range map[string]*string{"requests": c.Requests, "replies": c.Replies} {
		if value != nil && *value != Pass && *value != Withhold {
			errs = append(errs, fmt.Errorf("%s: %q is neither %q nor %q", field, *value, Pass, Withhold))
		}
	}
	if c.Upstream != nil {
		if err := p.Check(*c.Upstream); err != nil {
			errs = append(errs, fmt.Errorf("upstream: %w", err))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", ErrInvalid, errors.Join(errs...))
	}
	return nil
}

// State tells how the hop is.
func (h *Hop) State() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return State{
		Config: Config{
			Name: h.name, Lane: h.lane, Link: h.link, Listen: h.listen, Upstream: h.upstream, Protocol: h.protocol,
		},
		Enabled: h.listener != nil, Requests: setting(h.requests), Replies: setting(h.replies),
		OpenConnections: len(h.conns), Accepted: h.counters.accepted.Load(),
		RefusedUpstream: h.counters.refusedUpstream.Load(),
		BytesUp:         h.counters.bytesUp.Load(), BytesDown: h.counters.bytesDown.Load(),
		WithheldUp: h.requests.withheld.Load(), WithheldDown: h.replies.withheld.Load(), RTT: h.rtt.get(),
	}
}

func setting(g *gate) string {
	if g.isShut() {
		return Withhold
	}
	return Pass
}

// start begins to listen; the hop is locked.
func (h *Hop) start() error {
	if h.retired {
		return errStopping
	}
	listener, err := net.Listen("tcp", h.listen)
	if err != nil {
		return fmt.Errorf("hop %q: %w", h.name, err)
	}
	h.listener = listener
	h.listen = listener.Addr().String() // a port 0 has become a real one
	h.running.Add(1)
	go h.accept(listener)
	return nil
}

// close closes the listener and all connections.
func (h *Hop) close(why string) {
	h.mu.Lock()
	if h.listener != nil {
		_ = h.listener.Close()
		h.listener = nil
	}
	conns := slices.Collect(maps.Keys(h.conns))
	h.mu.Unlock()
	for _, c := range conns { // each takes itself off the hop
		c.end(engine.Close, why)
	}
}

// retire closes the hop for ever.
func (h *Hop) retire(why string) {
	h.mu.Lock()
	h.retired = true
	h.mu.Unlock()
	h.close(why)
}

// accept never dials and never waits for a connection, so that neither can keep others from being accepted.
func (h *Hop) accept(listener net.Listener) {
	defer h.running.Done()
	for {
		client, err := listener.Accept()
		switch {
		case err == nil:
			h.serve(listener, client.(*net.TCPConn))
		case errors.Is(err, net.ErrClosed):
			return
		default: // out of file descriptors: it may pass
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func (h *Hop) serve(listener net.Listener, client *net.TCPConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listener != listener { // disabled between the two
		abort(client)
		return
	}
	h.counters.accepted.Add(1)
	c := newConn(h, client)
	h.conns[c] = struct{}{}
	h.running.Add(1)
	go func() {
		defer h.running.Done()
		c.run(h.upstreamNow())
	}()
}

func (h *Hop) upstreamNow() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.upstream
}

func (h *Hop) remove(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

// abort closes a connection with an RST.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
