package kafka

import (
	"errors"
	"fmt"

	"eosproxy/internal/wire"
)

// headPrefix is what is read of a request before it is known to need more: enough for most.
const headPrefix = 512

// A Codec reads one connection between a client and a broker, or between two brokers.
type Codec struct {
	watches func(api string) bool
	learn   func([]TopicID)

	bare    bool   // the requests have no headers any more
	client  string // its id, as the last request gave it
	session fetchSession
	pending wire.Queue[expected]
}

// An expected reply, or the one that is made here in its place.
type expected struct {
	*wire.Exchange
	answer []byte // to be inserted; nil when the broker is to reply
}

// NewCodec makes a codec of one connection. watches says of which APIs the rules want more than the header; learn is
// told which topic ids replies to Metadata tell, and may be nil.
func NewCodec(watches func(api string) bool, learn func([]TopicID)) *Codec {
	return &Codec{watches: watches, learn: learn}
}

// frameLength reads the size field of the frame that comes next.
func frameLength(in wire.Stream) (int, error) {
	b, err := in.Peek(SizeLength)
	if err != nil {
		return 0, err
	}
	size, err := FrameSize(b)
	if err != nil {
		return 0, &wire.Unreadable{Reason: err.Error(), Refuse: true}
	}
	return SizeLength + size, nil
}

// Request reads as little as possible of the request that comes next. What it cannot read it calls odd.
func (c *Codec) Request(in wire.Stream) (wire.Frame, error) {
	total, err := frameLength(in)
	if err != nil || c.bare {
		return wire.Frame{Size: total}, err
	}
	var r request
	var read int
	for _, n := range []int{headPrefix, wire.PeekLimit, wire.FrameLimit} {
		if n > wire.PeekLimit && !r.watched {
			break // only a rule may want what is behind the records of a Produce
		}
		read = min(total, n)
		b, ended := in.Peek(read)
		if ended != nil {
			return wire.Frame{}, ended
		}
		if r, err = c.parse(b[SizeLength:], read == total); !errors.Is(err, ErrShort) {
			break
		}
	}
	if r.header.API.Key == Fetch {
		if r.body.Topics = c.session.update(&r.body, err, r.watched); !r.watched && errors.Is(err, ErrShort) {
			err = nil // nobody has asked
		}
	}
	c.client = r.header.ClientID
	f := wire.Frame{Size: total, Requests: r.exchange()}
	switch {
	case errors.Is(err, ErrShort):
		f.Odd = fmt.Sprintf("%s: what is behind its first %d bytes is not read", r.header.API.Name, read)
	case err != nil:
		f.Odd = err.Error()
	case r.header.API.Key == SaslHandshake && r.header.Version == 0:
		c.bare = true
		f.Odd = "SaslHandshake of version 0: what follows has no headers and is relayed as it is"
	}
	return f, nil
}

// A request as far as it has been read.
type request struct {
	header     RequestHeader
	body       Body
	watched    bool // rules are to see it
	unanswered bool // it gets no reply
}

// parse reads what is needed of a request; whole says that the prefix reaches to its end.
func (c *Codec) parse(prefix []byte, whole bool) (r request, err error) {
	defer func() {
		if whole && errors.Is(err, ErrShort) {
			err = fmt.Errorf("%w: the request ends in the middle of its header", ErrMalformed)
		}
	}()
	if r.header, err = parseRequestHeader(prefix, c.client); err != nil {
		return r, err
	}
	r.watched = c.watches(r.header.API.Name)
	if r.header.API.Key == Produce {
		acks, err := ProduceAcks(r.header, prefix[r.header.Body:])
		if err != nil {
			return r, err
		}
		r.unanswered = acks == 0
	}
	if r.watched || r.header.API.Key == Fetch {
		r.body, err = ParseBody(r.header, prefix[r.header.Body:], whole)
	}
	return r, err
}

// exchange gives the request as the only one of its frame. All of it is one piece of memory, since there is one for
// every request.
func (r *request) exchange() []*wire.Exchange {
	made := &struct {
		wire.Exchange
		kafka wire.KafkaRequest
		list  [1]*wire.Exchange
	}{}
	made.kafka = wire.KafkaRequest{
		APIVersion: r.header.Version, CorrelationID: r.header.CorrelationID, ClientID: r.header.ClientID,
		TransactionalIDs: r.body.TransactionalIDs, Committed: r.body.Committed,
		GroupID: r.body.GroupID, Topics: r.body.Topics,
	}
	if ids := r.body.TransactionalIDs; len(ids) > 0 {
		made.kafka.TransactionalID = ids[0]
	}
	made.Request = wire.Request{Protocol: wire.Kafka, API: r.header.API.Name, KafkaRequest: &made.kafka}
	made.Watched, made.Timed, made.Unanswered = r.watched, !isLongPoll(r.header.API), r.unanswered
	made.list[0] = &made.Exchange
	return made.list[:]
}

// isLongPoll says whether a broker may delay the reply until something happens.
func isLongPoll(api API) bool {
	switch api.Key {
	case Fetch, ShareFetch, JoinGroup, SyncGroup:
		return true
	}
	return false
}

// Expect expects the reply to a request.
func (c *Codec) Expect(f *wire.Frame) bool {
	for _, x := range f.Requests {
		if !x.Unanswered {
			return c.pending.Add(expected{Exchange: x})
		}
	}
	return true
}

// Refuse has the answer inserted behind the replies to the requests before.
func (c *Codec) Refuse(_ *wire.Frame, x *wire.Exchange, answer []byte) wire.Refusal {
	if !x.Unanswered {
		c.pending.Add(expected{x, answer})
	}
	return wire.Refusal{}
}

// Reply pairs the reply that comes next with its request.
func (c *Codec) Reply(in wire.Stream) (wire.Frame, error) {
	due, err := wire.AwaitReply(in, c.due)
	if due {
		head, _ := c.pending.Head()
		c.pending.Pop()
		return wire.Frame{Insert: head.answer}, nil
	}
	if err != nil {
		return wire.Frame{}, err
	}
	total, err := frameLength(in)
	if err != nil {
		return wire.Frame{}, err
	}
	b, err := in.Peek(min(total, SizeLength+4))
	if err != nil {
		return wire.Frame{}, err
	}
	f := wire.Frame{Size: total}
	id, err := ParseReplyHeader(b[SizeLength:])
	if err != nil {
		f.Odd = fmt.Sprintf("a reply of %d bytes has no correlation id", total)
		return f, nil
	}
	request, ok := c.pending.Take(func(e expected) bool { return e.CorrelationID == id })
	if !ok {
		f.Odd = fmt.Sprintf("a reply of correlation id %d, but no such request", id)
		return f, nil
	}
	f.Answers = request.Exchange
	if c.learn != nil && request.API == metadataName && request.APIVersion > 0 {
		if b, err = in.Peek(min(total, wire.PeekLimit)); err != nil {
			return f, err
		}
		c.learn(TopicIDs(request.APIVersion, b[SizeLength:]))
	}
	return f, nil
}

var metadataName = apis[Metadata].Name

// due says that an answer made here comes next.
func (c *Codec) due() bool {
	head, ok := c.pending.Head()
	return ok && head.answer != nil
}

// Replace leaves everything to the answer.
func (c *Codec) Replace(*wire.Frame, []byte) {}

// Answer makes the error reply to a request, in its version.
func (c *Codec) Answer(x *wire.Exchange, request []byte, code string) ([]byte, error) {
	return AnswerError(request[SizeLength:], x.Topics, code)
}
