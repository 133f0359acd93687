package hop

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/wire"
)

var (
	// errOver says that the connection was ended here.
	errOver = errors.New("the connection was ended")
	// errGone says that a held frame has nowhere to go any more.
	errGone = errors.New("the destination of a held frame is gone")
	// errBlackhole says that the direction carries nothing any more, though its connection stays open.
	errBlackhole = errors.New("the direction is blackholed")
)

// relayUp carries requests until the client or the connection has ended, and says why.
func (c *conn) relayUp(d *direction) string {
	err := c.pump(d, c.nextRequest)
	var failed writeError
	if errors.As(err, &failed) || errors.Is(err, errBlackhole) || errors.Is(err, errGone) {
		// When the upstream is gone its own direction says so to the client, behind the replies that are still there.
		err = d.swallow()
	}
	close(c.clientGone)
	_ = d.finish()
	return ending("client", err)
}

// relayDown carries replies until the upstream or the connection has ended, and says why.
func (c *conn) relayDown(d *direction) string {
	err := c.pump(d, c.nextReply)
	blackhole := errors.Is(err, errBlackhole)
	if blackhole || errors.Is(err, errGone) || c.isEnded() {
		close(c.deaf)
		err = d.swallow()
	}
	close(c.upstreamGone)
	why := ending("upstream", err)
	switch {
	case blackhole: // not even the end gets through
		select {
		case <-c.clientGone:
		case <-c.ended:
		}
	case errors.Is(err, syscall.ECONNRESET):
		if d.out.gate.pass(0, c.ended) {
			c.end(engine.Reset, why)
		}
	default:
		_ = d.finish()
	}
	return why
}

// pump relays frame by frame, or all bytes as they come where there are no frames, until something ends it.
func (c *conn) pump(d *direction, next func(*direction) error) error {
	for !c.opaque.Load() {
		if err := next(d); err != nil {
			var unreadable *wire.Unreadable
			if !errors.As(err, &unreadable) {
				return err
			}
			if err := c.giveUp(d, unreadable); err != nil {
				return err
			}
		}
	}
	return d.copy(-1)
}

// giveUp relays from here on what it cannot read, or refuses it.
func (c *conn) giveUp(d *direction, u *wire.Unreadable) error {
	if !u.Refuse {
		if !c.opaque.Swap(true) {
			c.announce(nil, u.Reason)
		}
		return nil
	}
	_ = d.buf.Flush()
	c.announce(nil, u.Reason)
	c.end(engine.Close, "unreadable: "+u.Reason)
	return errOver
}

// A step is what a rule is to do to a frame, on account of one of the requests in it.
type step struct {
	engine.Ticket
	request *wire.Exchange
	frame   *engine.Frame // what events tell
	answer  []byte        // the error reply, if the rule wants one
}

// nextRequest relays the request that comes next.
func (c *conn) nextRequest(d *direction) error {
	var err error
	if d.frame, err = c.codec.Request(d); err != nil {
		return err
	}
	f := &d.frame
	if f.Odd != "" {
		var about *engine.Frame
		if len(f.Requests) > 0 {
			about = engine.NewFrame(f.Requests[0].Request, f.Size)
		}
		c.unread(about, f.Odd)
	}
	if c.isEnded() { // what comes after the end is not counted
		return errEnded
	}
	var steps []step
	for _, x := range f.Requests {
		if !x.Watched {
			continue
		}
		if steps, err = c.count(d, f, x, steps); err != nil {
			return err
		}
	}
	return c.carry(d, f, steps)
}

// count counts a request. What is to be done with it is added to steps, what with its reply is kept for that.
func (c *conn) count(d *direction, f *wire.Frame, x *wire.Exchange, steps []step) ([]step, error) {
	request, reply := c.hop.opts.Engine.Count(c.source, &x.Request)
	if len(request)+len(reply) == 0 {
		return steps, nil
	}
	frame := engine.NewFrame(x.Request, f.Size)
	add := func(to []step, tickets []engine.Ticket) ([]step, error) {
		for _, t := range tickets {
			s := step{Ticket: t, request: x, frame: frame}
			if t.Error() != "" {
				if err := c.answer(d, f, &s); err != nil {
					return to, err
				}
				if s.answer == nil {
					continue
				}
			}
			to = append(to, s)
		}
		return to, nil
	}
	replies, err := add(nil, reply)
	if err != nil {
		return steps, err
	}
	x.Rules = replies
	return add(steps, request)
}

// answer makes the error reply that a rule wants. Where the protocol has none the rule does nothing, as is announced.
func (c *conn) answer(d *direction, f *wire.Frame, s *step) (err error) {
	if err := d.takeFrame(f); err != nil {
		return err
	}
	if s.answer, err = c.codec.Answer(s.request, d.head, s.Error()); err != nil {
		c.announce(s.frame, fmt.Sprintf("rule %s does nothing: %v", s.RuleID(), err))
	}
	return nil
}

// expect tells the codec that a request is going on.
func (c *conn) expect(f *wire.Frame) {
	select {
	case <-c.deaf:
		return
	default:
	}
	c.unsent = append(c.unsent, f.Requests...)
	if !c.codec.Expect(f) {
		c.unread(nil, fmt.Sprintf("more than %d requests are without reply; the oldest are forgotten", wire.QueueLimit))
	}
}

// stamp notes that all requests so far are on their way.
func (c *conn) stamp() {
	if len(c.unsent) == 0 {
		return
	}
	now := int64(time.Since(epoch))
	for _, x := range c.unsent {
		x.Sent.Store(now)
	}
	clear(c.unsent)
	c.unsent = c.unsent[:0]
}

// epoch is what requests are stamped against.
var epoch = time.Now()

// nextReply relays the reply that comes next.
func (c *conn) nextReply(d *direction) error {
	var err error
	if d.frame, err = c.codec.Reply(d); err != nil {
		return err
	}
	f := &d.frame
	if c.isEnded() {
		return errEnded
	}
	if f.Odd != "" {
		c.unread(nil, f.Odd)
	}
	x := f.Answers
	if x == nil {
		return c.carry(d, f, nil)
	}
	if sent := x.Sent.Load(); x.Timed && sent > 0 {
		c.hop.rtt.add(time.Since(epoch) - time.Duration(sent))
	}
	steps, _ := x.Rules.([]step)
	if len(steps) > 0 {
		reply := steps[0].frame.Reply(f.Size)
		reply.Text = cmp.Or(f.Text, reply.Text)
		for i := range steps {
			steps[i].frame = reply
		}
	}
	return c.carry(d, f, steps)
}

// carry takes a frame through the rules that are to act on it and then to its destination.
func (c *conn) carry(d *direction, f *wire.Frame, steps []step) error {
	delivered := func(error) {}
	for _, s := range steps {
		if s.Holds() {
			if err := d.takeFrame(f); err != nil {
				return err
			}
		}
		if d.whole {
			s.frame.Size = len(d.head)
		}
		action, fate, hold := c.hop.opts.Engine.Fire(s.Ticket, c.source, s.frame)
		if action == engine.ActionNote {
			continue
		}
		delivered(nil) // to this rule, by the one before
		switch action {
		case engine.ActionHold:
			v, ok := hold.Wait(c.ended, d.gone)
			if !ok {
				return errGone
			}
			if !v.Deliver {
				err := c.lose(d, v.Fate, "frame dropped, held by rule "+s.RuleID())
				hold.Done(v, nil)
				return err
			}
			delivered = func(err error) { hold.Done(v, err) }
		case engine.ActionLose:
			return c.lose(d, fate, "frame lost by rule "+s.RuleID())
		case engine.ActionRefuse:
			return c.refuse(d, f, s)
		case engine.ActionReplace:
			f.Drop, f.Insert = true, s.answer
			c.codec.Replace(f, s.answer)
			return c.send(d, f)
		}
	}
	if d.going != nil {
		d.going(f)
	}
	taken := d.taken()
	err := c.send(d, f)
	if taken && err == nil {
		err = d.buf.Flush()
	}
	delivered(cmp.Or(err, d.out.failed))
	return err
}

// send lets a frame go on, or what is to be in its place.
func (c *conn) send(d *direction, f *wire.Frame) error {
	if _, err := d.buf.Write(f.Insert); err != nil {
		return err
	}
	if f.Close {
		_ = d.buf.Flush()
		c.end(engine.Close, "closed behind an error reply")
		return errOver
	}
	if f.Drop {
		return d.pass(f, io.Discard)
	}
	return d.pass(f, d.buf)
}

// refuse keeps a request from its server; the direction of replies is to answer it.
func (c *conn) refuse(d *direction, f *wire.Frame, s step) error {
	if !f.Lazy {
		if err := d.pass(f, io.Discard); err != nil {
			return err
		}
	}
	r := c.codec.Refuse(f, s.request, s.answer)
	c.down.wake()
	if r.Close {
		return errBlackhole // until the other direction ends the connection
	}
	_, err := d.buf.Write(r.Upstream)
	return err
}

// lose leaves a frame where it is, and its connection to its fate.
func (c *conn) lose(d *direction, fate engine.Fate, why string) error {
	if fate == engine.Open {
		return errBlackhole
	}
	_ = d.buf.Flush() // what is before the frame is not lost
	c.end(fate, why)
	return errOver
}
