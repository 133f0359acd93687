package engine

import (
	"errors"
	"fmt"
	"time"
)

// The errors that callers tell apart.
var (
	ErrNoHold = errors.New("there is no such hold: it never was, or it has been released already")
	ErrGone   = errors.New("the frame cannot be delivered")
)

// goneLimit bounds how many ended holds are remembered, so that a late release is told why it cannot be.
const goneLimit = 10_000

// A Hold is a frame that is held.
type Hold struct {
	ID uint64

	engine  *Engine
	ticket  Ticket
	source  Source
	frame   *Frame
	timer   *time.Timer  // nil when held until released
	verdict chan Verdict // has room for one
	outcome chan error   // has room for one
	decided bool         // a verdict is on its way; guarded by the engine
	gone    error        // why it ended without a verdict; guarded by the engine
}

// A Verdict ends a hold: the frame is delivered, or dropped with a fate of its connection.
type Verdict struct {
	Deliver bool
	Fate    Fate

	by string
}

// hold begins a hold; the engine is locked.
func (e *Engine) hold(t Ticket, s Source, f *Frame) *Hold {
	e.lastHold++
	h := &Hold{
		ID: e.lastHold, engine: e, ticket: t, source: s, frame: f,
		verdict: make(chan Verdict, 1), outcome: make(chan error, 1),
	}
	e.holds[h.ID] = h
	ev := t.event(s, f)
	ev.Kind, ev.Action, ev.Hold = Held, ActionHold, h.ID
	e.Log.Append(ev)
	if ms := t.rule.HoldMSMax; ms > 0 {
		h.timer = time.AfterFunc(time.Duration(ms)*time.Millisecond, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			h.decide(Verdict{Deliver: true, by: fmt.Sprintf("hold_ms_max of %d expired", ms)})
		})
	}
	return h
}

// decide passes a verdict to who waits for it, if there is none yet; the engine is locked.
func (h *Hold) decide(v Verdict) {
	if h.decided || h.gone != nil {
		return
	}
	h.decided = true
	h.stopTimer()
	delete(h.engine.holds, h.ID)
	h.verdict <- v
}

func (h *Hold) stopTimer() {
	if h.timer != nil {
		h.timer.Stop()
	}
}

// Wait blocks until there is a verdict, which the caller carries out and then reports with Done, or until the frame
// has nowhere to go any more because one of the channels was closed: then ok is false and all is done.
func (h *Hold) Wait(ended, destinationGone <-chan struct{}) (v Verdict, ok bool) {
	select {
	case v = <-h.verdict:
		return v, true
	case <-ended:
		return h.abandon("its connection has ended")
	case <-destinationGone:
		return h.abandon(map[string]string{Request: "the upstream", Reply: "the client"}[h.frame.At] + " has closed the connection")
	}
}

// abandon ends a hold whose frame cannot be delivered any more, unless a verdict came first.
func (h *Hold) abandon(why string) (v Verdict, ok bool) {
	e := h.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if h.decided {
		return <-h.verdict, true
	}
	h.gone = fmt.Errorf("%w: %s", ErrGone, why)
	h.stopTimer()
	e.gone = append(e.gone, h.ID)
	if len(e.gone) > goneLimit {
		delete(e.holds, e.gone[0])
		e.gone = e.gone[1:]
	}
	h.log(Verdict{Fate: Close, by: why}, nil)
	return Verdict{}, false
}

// Done reports how the verdict was carried out: err says why a frame could not be delivered after all.
func (h *Hold) Done(v Verdict, err error) {
	h.log(v, err)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrGone, err)
	}
	h.outcome <- err
}

func (h *Hold) log(v Verdict, err error) {
	ev := h.ticket.event(h.source, h.frame)
	ev.Kind, ev.Hold, ev.Action, ev.Reason = Released, h.ID, "deliver", v.by
	switch {
	case err != nil:
		ev.Action, ev.Reason = "drop", fmt.Sprintf("%s, but it could not be delivered: %v", v.by, err)
	case !v.Deliver:
		ev.Action, ev.Reason = "drop", v.by+"; "+v.Fate.past()
	}
	h.engine.Log.Append(ev)
}

// Release ends a hold and waits, at most for patience, until the verdict has been carried out; a frame that goes into
// a withheld direction or to a stalled peer takes longer. ErrNoHold and ErrGone say why it could not be.
func (e *Engine) Release(id uint64, v Verdict, patience time.Duration) (carriedOut bool, err error) {
	e.mu.Lock()
	h := e.holds[id]
	switch {
	case h == nil:
		e.mu.Unlock()
		return false, fmt.Errorf("hold %d: %w", id, ErrNoHold)
	case h.gone != nil && v.Deliver:
		e.mu.Unlock()
		return false, fmt.Errorf("hold %d: %w", id, h.gone)
	case h.gone != nil: // dropping what is gone changes nothing more
		delete(e.holds, id)
		e.mu.Unlock()
		return true, nil
	}
	v.by = "released"
	h.decide(v)
	e.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err = <-h.outcome:
		return true, err
	case <-timer.C:
		return false, nil
	}
}
