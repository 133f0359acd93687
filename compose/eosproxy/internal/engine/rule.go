package engine

import (
	"errors"
	"fmt"
	"slices"

	"eosproxy/internal/kafka"
)

// Where a rule acts.
const (
	Request = "request"
	Reply   = "reply"
)

// What a rule does.
const (
	ActionHold = "hold"
	ActionLose = "lose"
	ActionNote = "note"
)

// A Fate is what becomes of the connection whose frame was lost or dropped.
type Fate string

// The fates. Close ends both sides with FIN, Reset sends the client an RST. Open leaves the connection open, but
// nothing flows any more in the direction of the lost frame: TCP could not go on behind a gap.
const (
	Close Fate = "close"
	Reset Fate = "reset"
	Open  Fate = "open"
)

// Check refuses anything but a fate.
func (f Fate) Check() error {
	return oneOf("connection", string(f), string(Close), string(Reset), string(Open))
}

// maxHoldMS bounds hold_ms_max: a day.
const maxHoldMS = 24 * 60 * 60 * 1000

// A Match describes requests; fields that are absent match anything. Topic may be a name or, for the versions that
// carry ids, an id.
type Match struct {
	API             string  `json:"api"`
	Committed       *bool   `json:"committed,omitempty"`
	TransactionalID *string `json:"transactional_id,omitempty"`
	Topic           *string `json:"topic,omitempty"`
	Partition       *int32  `json:"partition,omitempty"`
}

// A Rule acts on the Nth request (and on the Times-1 behind it; -1: on all behind it) that any of Match describes, or
// on its reply, counted over all connections of all hops of its lanes.
type Rule struct {
	ID         string   `json:"id"`
	Lanes      []string `json:"lanes"`
	Match      []Match  `json:"match"`
	At         string   `json:"at"`
	Nth        int      `json:"nth"`
	Times      int      `json:"times"`
	Action     string   `json:"action"`
	Connection Fate     `json:"connection"`
	HoldMSMax  int      `json:"hold_ms_max"`
}

// NewRule gives the values of the fields that may be left out.
func NewRule() Rule { return Rule{Nth: 1, Times: 1, Connection: Close} }

// Check says what is wrong with a rule, all of it at once.
func (r *Rule) Check() error {
	errs := []error{
		oneOf("at", r.At, Request, Reply),
		oneOf("action", r.Action, ActionHold, ActionLose, ActionNote),
		r.Connection.Check(),
	}
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(r.ID == "", "id: missing")
	wrong(len(r.Lanes) == 0, "lanes: at least one is needed")
	wrong(slices.Contains(r.Lanes, ""), "lanes: a lane without name")
	wrong(len(r.Match) == 0, "match: at least one is needed")
	wrong(r.Nth < 1, "nth: %d is less than 1", r.Nth)
	wrong(r.Times < 1 && r.Times != -1, "times: %d is neither -1 nor at least 1", r.Times)
	wrong(r.HoldMSMax < 0 || r.HoldMSMax > maxHoldMS, "hold_ms_max: %d is not within 0 and %d", r.HoldMSMax, maxHoldMS)
	for i := range r.Match {
		if err := r.Match[i].check(); err != nil {
			errs = append(errs, fmt.Errorf("match[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// check refuses what never could match: a fault that silently never fires is worse than an error.
func (m *Match) check() error {
	api, ok := kafka.LookupName(m.API)
	if !ok {
		return fmt.Errorf("api: Kafka has no API %q", m.API)
	}
	given := map[kafka.Field]bool{
		kafka.FieldCommitted:       m.Committed != nil,
		kafka.FieldTransactionalID: m.TransactionalID != nil,
		kafka.FieldTopic:           m.Topic != nil,
		kafka.FieldPartition:       m.Partition != nil,
	}
	var errs []error
	for _, field := range kafka.Fields {
		if given[field] && !api.Carries(field) {
			errs = append(errs, fmt.Errorf("%s: a request of %s has none", field, m.API))
		}
	}
	return errors.Join(errs...)
}

func (m *Match) hits(h *kafka.RequestHeader, body *kafka.Body) bool {
	return m.API == h.API.Name &&
		(m.Committed == nil || body.Committed != nil && *m.Committed == *body.Committed) &&
		(m.TransactionalID == nil || slices.Contains(body.TransactionalIDs, *m.TransactionalID)) &&
		(m.Topic == nil && m.Partition == nil || slices.ContainsFunc(body.Topics, m.hitsTopic))
}

func (m *Match) hitsTopic(t kafka.Topic) bool {
	return (m.Topic == nil || *m.Topic == t.Topic || t.ID != "" && *m.Topic == t.ID) &&
		(m.Partition == nil || slices.Contains(t.Partitions, *m.Partition))
}

func (r *Rule) hits(h *kafka.RequestHeader, body *kafka.Body) bool {
	return slices.ContainsFunc(r.Match, func(m Match) bool { return m.hits(h, body) })
}

func oneOf(field, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %q", field, value, allowed)
}
