// Package engine decides what happens to frames: it counts requests against rules, keeps track of the frames that are
// held and logs events. It knows nothing about sockets.
package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"eosproxy/internal/kafka"
	"eosproxy/internal/wire"
)

// The errors that callers tell apart.
var (
	ErrRuleExists = errors.New("there is already a rule of this id")
	ErrNoRule     = errors.New("there is no rule of this id")
)

// An Engine is the state of all rules, holds and events of one process.
type Engine struct {
	Log *Log

	names topicNames

	mu       sync.Mutex
	rules    []*activeRule // in the order they were added
	holds    map[uint64]*Hold
	lastHold uint64
	gone     []uint64 // holds that ended without being released, oldest first

	watched atomic.Pointer[map[watch]bool] // replaced as a whole, so that relaying frames takes no lock
}

type activeRule struct {
	Rule
	seen, fired int
	removed     bool
}

// A watch is an API of a protocol, on a lane or on a link, that at least one rule matches.
type watch struct{ lane, link, protocol, api string }

// A Ticket says that a rule is to act on a frame: the request number N of those that the rule counted.
type Ticket struct {
	rule *activeRule
	n    int
}

// RuleState is a rule with how many requests it has counted and how often it acted.
type RuleState struct {
	Rule
	Seen  int `json:"seen"`
	Fired int `json:"fired"`
}

// New makes an engine that logs into log.
func New(log *Log) *Engine {
	e := &Engine{Log: log, holds: map[uint64]*Hold{}}
	e.watched.Store(&map[watch]bool{})
	return e
}

// AddRule adds a rule that Check has accepted. Where several rules meet in one frame they act one after another in
// the order they were added, until one of them takes the frame away.
func (e *Engine) AddRule(r Rule) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.find(r.ID) >= 0 {
		return fmt.Errorf("%w: %q", ErrRuleExists, r.ID)
	}
	e.rules = append(e.rules, &activeRule{Rule: r})
	e.rewatch()
	return nil
}

// RemoveRule removes a rule and delivers the frames that it still holds.
func (e *Engine) RemoveRule(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.find(id)
	if i < 0 {
		return fmt.Errorf("%w: %q", ErrNoRule, id)
	}
	rule := e.rules[i]
	rule.removed = true
	e.rules = slices.Delete(e.rules, i, i+1)
	e.rewatch()
	for _, h := range e.holds {
		if h.ticket.rule == rule {
			h.decide(Verdict{Deliver: true, by: "rule removed"})
		}
	}
	return nil
}

// Rules lists the rules in the order they were added.
func (e *Engine) Rules() []RuleState {
	e.mu.Lock()
	defer e.mu.Unlock()
	states := make([]RuleState, 0, len(e.rules))
	for _, r := range e.rules {
		states = append(states, RuleState{Rule: r.Rule, Seen: r.seen, Fired: r.fired})
	}
	return states
}

// Watches says whether any rule matches requests of an API where they pass: others need not be read beyond their header.
func (e *Engine) Watches(s Source, protocol, api string) bool {
	watched := *e.watched.Load()
	return len(watched) > 0 && (watched[watch{s.Lane, "", protocol, api}] || watched[watch{"", s.Link, protocol, api}])
}

// LearnTopics remembers what a reply to Metadata told, so that topics can be matched by name where requests carry ids.
func (e *Engine) LearnTopics(topics []kafka.TopicID) { e.names.learn(topics) }

// Count counts a request against the rules of where it passes, and fills in the names of topics known by id. The
// tickets are for the request itself and for its reply.
func (e *Engine) Count(s Source, r *wire.Request) (request, reply []Ticket) {
	if r.KafkaRequest != nil {
		e.names.fill(r.Topics)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, rule := range e.rules {
		if !rule.covers(s) || !rule.hits(r) {
			continue
		}
		rule.seen++
		switch due := rule.seen >= rule.Nth && (rule.Times == -1 || rule.seen-rule.Nth < rule.Times); {
		case !due:
		case rule.At == Request:
			request = append(request, Ticket{rule, rule.seen})
		default:
			reply = append(reply, Ticket{rule, rule.seen})
		}
	}
	return request, reply
}

// Fire lets a ticket's rule act on a frame and says what is to be done: ActionNote (nothing), ActionLose (with the
// fate of the connection), ActionRefuse and ActionReplace (with the answer that the caller has made) or ActionHold
// (Hold.Wait tells how it ends). A rule removed meanwhile does nothing.
func (e *Engine) Fire(t Ticket, s Source, f *Frame) (action string, fate Fate, hold *Hold) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.rule.removed {
		return ActionNote, "", nil
	}
	t.rule.fired++
	ev := t.event(s, f)
	switch t.rule.Action {
	case ActionHold:
		return ActionHold, "", e.hold(t, s, f)
	case ActionLose:
		ev.Kind, ev.Action, ev.Reason = Lost, ActionLose, t.rule.Connection.past()
	case ActionRefuse:
		ev.Kind, ev.Action, ev.Error = Refused, ActionRefuse, t.rule.Error
	case ActionReplace:
		ev.Kind, ev.Action, ev.Error = Replaced, ActionReplace, t.rule.Error
	default:
		ev.Kind, ev.Action = Noted, ActionNote
	}
	e.Log.Append(ev)
	return t.rule.Action, t.rule.Connection, nil
}

// Holds says whether Fire is going to hold the frame (unless the rule is removed first).
func (t Ticket) Holds() bool { return t.rule.Action == ActionHold }

// Error is the code of the error reply that the ticket's rule wants to be made; else "".
func (t Ticket) Error() string { return t.rule.Error }

// RuleID names the rule of a ticket.
func (t Ticket) RuleID() string { return t.rule.ID }

func (t Ticket) event(s Source, f *Frame) Event {
	return Event{Rule: t.rule.ID, N: t.n, Source: s, Frame: f}
}

func (e *Engine) find(id string) int {
	return slices.IndexFunc(e.rules, func(r *activeRule) bool { return r.ID == id })
}

func (e *Engine) rewatch() {
	watched := map[watch]bool{}
	for _, r := range e.rules {
		for _, m := range r.Match {
			for _, lane := range r.Lanes {
				watched[watch{lane, "", m.protocol(), m.API}] = true
			}
			for _, link := range r.Links {
				watched[watch{"", link, m.protocol(), m.API}] = true
			}
		}
	}
	e.watched.Store(&watched)
}

func (f Fate) past() string {
	switch f {
	case Reset:
		return "connection reset"
	case Open:
		return "connection left open"
	default:
		return "connection closed"
	}
}
