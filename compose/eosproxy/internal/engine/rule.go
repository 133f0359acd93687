package engine

import (
	"errors"
	"fmt"
	"slices"

	"eosproxy/internal/wire"
)

// Where a rule acts.
const (
	Request = "request"
	Reply   = "reply"
)

// What a rule does.
const (
	ActionHold    = "hold"
	ActionLose    = "lose"
	ActionNote    = "note"
	ActionRefuse  = "refuse"  // a request: its client gets an error
	ActionReplace = "replace" // a reply: an error takes its place
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

// A Rule acts on the Nth request (and on the Times-1 behind it; -1: on all behind it) that any of Match describes, or
// on its reply, counted over all connections of all hops of its lanes and links.
type Rule struct {
	ID         string   `json:"id"`
	Lanes      []string `json:"lanes,omitempty"`
	Links      []string `json:"links,omitempty"`
	Match      []Match  `json:"match"`
	At         string   `json:"at"`
	Nth        int      `json:"nth"`
	Times      int      `json:"times"`
	Action     string   `json:"action"`
	Connection Fate     `json:"connection"`
	Error      string   `json:"error,omitempty"`
	HoldMSMax  int      `json:"hold_ms_max"`
}

// NewRule gives the values of the fields that may be left out.
func NewRule() Rule { return Rule{Nth: 1, Times: 1, Connection: Close} }

// Check says what is wrong with a rule, all of it at once.
func (r *Rule) Check() error {
	errs := []error{
		oneOf("at", r.At, Request, Reply),
		oneOf("action", r.Action, ActionHold, ActionLose, ActionNote, ActionRefuse, ActionReplace),
		r.Connection.Check(),
	}
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(r.ID == "", "id: missing")
	wrong(len(r.Lanes)+len(r.Links) == 0, "lanes, links: at least one is needed")
	wrong(slices.Contains(r.Lanes, ""), "lanes: a lane without name")
	wrong(slices.Contains(r.Links, ""), "links: a link without name")
	wrong(len(r.Match) == 0, "match: at least one is needed")
	wrong(r.Nth < 1, "nth: %d is less than 1", r.Nth)
	wrong(r.Times < 1 && r.Times != -1, "times: %d is neither -1 nor at least 1", r.Times)
	wrong(r.Action == ActionRefuse && r.At == Reply, "at: a reply cannot be refused, only replaced")
	wrong(r.Action == ActionReplace && r.At == Request, "at: a request cannot be replaced, only refused")
	wrong(r.answers() && r.Error == "", "error: missing, to %s with", r.Action)
	wrong(!r.answers() && r.Error != "", "error: of no use to %s", r.Action)
	wrong(r.HoldMSMax < 0 || r.HoldMSMax > maxHoldMS, "hold_ms_max: %d is not within 0 and %d", r.HoldMSMax, maxHoldMS)
	for i := range r.Match {
		if err := r.Match[i].check(r.Error); err != nil {
			errs = append(errs, fmt.Errorf("match[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// answers says whether the rule has an error reply made.
func (r *Rule) answers() bool { return r.Action == ActionRefuse || r.Action == ActionReplace }

// covers says whether the rule looks at what passes there.
func (r *Rule) covers(s Source) bool {
	return s.Lane != "" && slices.Contains(r.Lanes, s.Lane) || s.Link != "" && slices.Contains(r.Links, s.Link)
}

func (r *Rule) hits(request *wire.Request) bool {
	return slices.ContainsFunc(r.Match, func(m Match) bool { return m.hits(request) })
}

func oneOf(field, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %q", field, value, allowed)
}
