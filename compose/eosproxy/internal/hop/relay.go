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
	// headPrefix is what is read of a request before it is known to need more: enough for most.
	headPrefix = 512
	// holdLimit is how much of a held frame is taken into memory, so that it does not depend on its sender any more;
	// of a longer frame the rest stays with the sender's kernel. It is also the most that is read of a request to find
	// what rules match.
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
	if c.opaque {
		return d.copy(total)
	}
	r, err := c.readRequest(d, total)
	if err != nil {
		return err
	}
	if c.isEnded() { // what comes after the end is not counted
		return errEnded
	}
	f := passing{total: total, head: r.head, gone: c.upstreamGone}
	reply := expected{correlationID: r.header.CorrelationID, timed: !isLongPoll(r.header.API)}
	if r.watched {
		f.tickets, reply.tickets = c.hop.opts.Engine.Count(c.source.Lane, &r.header, &r.body)
	}
	if len(f.tickets)+len(reply.tickets) > 0 {
		f.frame = engine.NewFrame(r.header, r.body, total)
		reply.frame = f.frame
	}
	if r.header.API.Key == kafka.Metadata && c.source.Lane != "" {
		reply.metadata = r.header.Version
	}
	if !r.unanswered {
		f.reply = &reply
	}
	return c.carry(d, f)
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
	if request.metadata > 0 {
		if b, err = d.peek(min(total, readBuffer)); err != nil {
			return err
		}
		c.hop.opts.Engine.LearnTopics(kafka.TopicIDs(request.metadata, b[kafka.SizeLength:]))
	}
	f := passing{total: total, tickets: request.tickets, gone: c.clientGone}
	if len(f.tickets) > 0 {
		f.frame = request.frame.Reply(total)
	}
	return c.carry(d, f)
}

// A request as far as it has been read.
type request struct {
	header     kafka.RequestHeader
	body       kafka.Body
	head       []byte // what of the frame had to be taken into memory; nil when looking at it was enough
	watched    bool   // rules are to see it
	unanswered bool   // it gets no reply
}

// readRequest reads as little as possible of the request that comes next. What it cannot read it announces, and the
// request is relayed as it is. An error means that the request did not arrive as a whole.
func (c *conn) readRequest(d *direction, total int) (r request, err error) {
	read := 0
	for _, read = range []int{min(total, headPrefix), min(total, readBuffer)} {
		var b []byte
		if b, err = d.peek(read); err != nil {
			return r, err
		}
		if r, err = c.parseRequest(b[kafka.SizeLength:], read == total); !errors.Is(err, kafka.ErrShort) {
			break
		}
	}
	if r.watched && errors.Is(err, kafka.ErrShort) { // a rule may want what is behind the records of a Produce
		var head []byte
		if head, err = d.take(total); err != nil {
			return r, err
		}
		read = len(head)
		r, err = c.parseRequest(head[kafka.SizeLength:], read == total)
		r.head = head
	}
	switch {
	case errors.Is(err, kafka.ErrShort):
		err = fmt.Errorf("%s: what is behind its first %d bytes is not read", r.header.API.Name, read)
	case err == nil && r.header.API.Key == kafka.SaslHandshake && r.header.Version == 0:
		c.opaque = true
		err = errors.New("SaslHandshake of version 0: what follows has no headers and is relayed as it is")
	}
	if err != nil {
		c.unread(engine.NewFrame(r.header, r.body, total), err.Error())
	}
	return r, nil
}

// parseRequest reads what is needed of a request; whole says that the prefix reaches to its end.
func (c *conn) parseRequest(prefix []byte, whole bool) (r request, err error) {
	defer func() {
		if whole && errors.Is(err, kafka.ErrShort) {
			err = fmt.Errorf("%w: the request ends in the middle of its header", kafka.ErrMalformed)
		}
	}()
	if r.header, err = kafka.ParseRequestHeader(prefix); err != nil {
		return r, err
	}
	r.watched = c.hop.opts.Engine.Watches(c.source.Lane, r.header.API)
	if r.header.API.Key == kafka.Produce {
		acks, err := kafka.ProduceAcks(r.header, prefix[r.header.Body:])
		if err != nil {
			return r, err
		}
		r.unanswered = acks == 0
	}
	if r.watched {
		r.body, err = kafka.ParseBody(r.header, prefix[r.header.Body:], whole)
	}
	return r, err
}

// A frame that passes.
type passing struct {
	total   int    // its length, size field included
	head    []byte // what of it is already in memory; nil when all of it is still to be read
	tickets []engine.Ticket
	frame   *engine.Frame // what events tell of it; nil without tickets
	reply   *expected     // what to expect once it is sure to go on; nil when nothing
	gone    <-chan struct{}
}

// carry takes a frame through the rules that have a ticket for it and then to its destination, which f.gone says
// cannot be reached any more.
func (c *conn) carry(d *direction, f passing) error {
	delivered := func(error) {}
	for _, t := range f.tickets {
		if t.Holds() && f.head == nil {
			var err error
			if f.head, err = d.take(f.total); err != nil {
				return err
			}
		}
		action, fate, hold := c.hop.opts.Engine.Fire(t, c.source, f.frame)
		switch action {
		case engine.ActionHold:
			delivered(nil) // to this rule, by the one before
			v, ok := hold.Wait(c.ended, f.gone)
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
	if f.reply != nil && !c.pending.add(*f.reply) {
		c.unread(nil, fmt.Sprintf("more than %d requests are without reply; the oldest are forgotten", pendingLimit))
	}
	if f.head == nil {
		return d.copy(f.total)
	}
	err := d.deliver(f.head, f.total)
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
