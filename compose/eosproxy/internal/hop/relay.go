package hop

import (
	"cmp"
	"errors"
	"fmt"
	"syscall"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafka"
)

const (
	// headPrefix is what is read of a request before its length is known to need more: enough for most.
	headPrefix = 512
	// bodyPrefix is the most that is read of a request to find what rules match.
	bodyPrefix = readBuffer
	// holdLimit is how much of a held frame is taken into memory, so that it does not depend on its sender any more;
	// of a longer frame the rest stays with the sender's kernel.
	holdLimit = 4 << 20
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
		c.pending.stop()
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

// pump relays frame by frame, or with protocol tcp all bytes as they come, until something ends it.
func (c *conn) pump(d *direction, next func(*direction, int) error) error {
	if c.hop.protocol == TCP {
		return d.copy(-1)
	}
	for {
		b, err := d.peek(kafka.SizeLength)
		if err != nil {
			return err
		}
		size, err := kafka.FrameSize(b)
		if err != nil {
			_ = d.buf.Flush()
			c.refuse(nil, err.Error())
			c.end(engine.Close, "unreadable: "+err.Error())
			return errOver
		}
		if err := next(d, kafka.SizeLength+size); err != nil {
			return err
		}
	}
}

// nextRequest relays the request of total bytes that comes next.
func (c *conn) nextRequest(d *direction, total int) error {
	r, err := c.readRequest(d, total)
	if err != nil {
		return err
	}
	if c.isEnded() { // what comes after the end is not counted
		return errEnded
	}
	reply := expected{correlationID: r.header.CorrelationID, timed: !isLongPoll(r.header.API)}
	var tickets []engine.Ticket
	if r.watched {
		tickets, reply.tickets = c.hop.opts.Engine.Count(c.source.Lane, &r.header, &r.body)
	}
	var frame *engine.Frame
	if len(tickets)+len(reply.tickets) > 0 {
		frame = engine.NewFrame(r.header, r.body, total)
		reply.frame = frame
	}
	return c.carry(d, total, tickets, frame, c.upstreamGone, func() {
		if !r.unanswered && !c.pending.add(reply) {
			c.unread(nil, fmt.Sprintf("more than %d requests are without reply; the oldest are forgotten", pendingLimit))
		}
	})
}

// nextReply relays the reply of total bytes that comes next.
func (c *conn) nextReply(d *direction, total int) error {
	b, err := d.peek(min(total, kafka.SizeLength+4))
	if err != nil {
		return err
	}
	if c.isEnded() {
		return errEnded
	}
	id, err := kafka.ParseReplyHeader(b[kafka.SizeLength:])
	if err != nil {
		c.unread(nil, fmt.Sprintf("a reply of %d bytes has no correlation id", total))
		return d.copy(total)
	}
	request, ok := c.pending.take(id)
	switch {
	case !ok:
		c.unread(nil, fmt.Sprintf("a reply of correlation id %d, but no such request", id))
	case request.timed && !request.sentAt.IsZero():
		c.hop.rtt.add(time.Since(request.sentAt))
	}
	var frame *engine.Frame
	if len(request.tickets) > 0 {
		frame = request.frame.Reply(total)
	}
	return c.carry(d, total, request.tickets, frame, c.clientGone, func() {})
}

// A request as far as it has been read.
type request struct {
	header     kafka.RequestHeader
	body       kafka.Body
	watched    bool // rules are to see it
	unanswered bool // it gets no reply
}

// readRequest reads as little as possible of the request that comes next. What it cannot read it announces, and the
// request is relayed as it is. An error means that the request did not arrive as a whole.
func (c *conn) readRequest(d *direction, total int) (request, error) {
	want := min(total, headPrefix)
	for {
		b, err := d.peek(want)
		if err != nil {
			return request{}, err
		}
		r, err := c.parseRequest(b[kafka.SizeLength:], want == total)
		most := min(total, bodyPrefix)
		switch {
		case errors.Is(err, kafka.ErrShort) && want < most:
			want = most
			continue
		case errors.Is(err, kafka.ErrShort) && want < total:
			err = fmt.Errorf("%s: what is behind its first %d bytes is not read", r.header.API.Name, want)
		}
		if err != nil {
			c.unread(engine.NewFrame(r.header, r.body, total), err.Error())
		}
		return r, nil
	}
}

func (c *conn) parseRequest(prefix []byte, whole bool) (r request, err error) {
	if r.header, err = kafka.ParseRequestHeader(prefix); err != nil {
		return r, err
	}
	r.watched = c.hop.opts.Engine.Watches(c.source.Lane, r.header.API)
	isProduce := r.header.API.Key == kafka.Produce
	if !r.watched && !isProduce {
		return r, nil
	}
	r.body, err = kafka.ParseBody(r.header, prefix[r.header.Body:], whole)
	r.unanswered = isProduce && r.body.Acks == 0
	if !r.watched && len(r.body.Topics) > 0 {
		err = nil // of an unwatched Produce only the acks matter, which are in front of its topics
	}
	return r, err
}

// carry takes the frame that comes next through the rules that have a ticket for it and then to its destination,
// which gone says cannot be reached any more; onward is called as soon as it is sure to go there.
func (c *conn) carry(
	d *direction, total int, tickets []engine.Ticket, frame *engine.Frame, gone <-chan struct{}, onward func(),
) error {
	var head []byte // what of the frame is already in memory
	delivered := func(error) {}
	for _, t := range tickets {
		if t.Holds() && head == nil {
			var err error
			if head, err = d.take(total); err != nil {
				_, _ = d.buf.Write(head) // torn off: pass on what there is
				return err
			}
		}
		action, fate, hold := c.hop.opts.Engine.Fire(t, c.source, frame)
		switch action {
		case engine.ActionHold:
			delivered(nil) // to this rule, by the one before
			v, ok := hold.Wait(c.ended, gone)
			if !ok {
				return errGone
			}
			if !v.Deliver {
				err := c.lose(d, v.Fate, "frame dropped, held by rule "+t.RuleID())
				hold.Done(v, nil)
				return err
			}
			delivered = func(err error) { hold.Done(v, err) }
		case engine.ActionLose:
			delivered(nil)
			return c.lose(d, fate, "frame lost by rule "+t.RuleID())
		}
	}
	onward()
	if head == nil {
		return d.copy(total)
	}
	err := d.deliver(head, total)
	delivered(cmp.Or(err, d.out.failed))
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
