// Package smtp reads SMTP as far as a relay needs it: commands, the messages that follow some of them, and which reply
// belongs to which.
package smtp

import (
	"fmt"

	"eosproxy/internal/wire"
)

// A Codec reads one connection between a client and a server.
type Codec struct {
	watches func(verb string) bool

	present expected // what was read last of the client
	replies wire.Queue[expected]

	encrypted bool // the server has agreed to TLS; of the direction of replies
}

// An expected reply, or the one that is made here in its place.
type expected struct {
	request  *wire.Exchange
	decision *decision // what depends on the reply; nil when nothing does
	answer   []byte    // to be inserted; nil when the server is to reply
	closes   bool      // the connection ends behind the answer
}

// A decision is how the client goes on behind a reply.
type decision struct {
	verb string        // of what
	made chan struct{} // closed when it is made
	next what
}

type what byte

const (
	commands  what = iota
	message        // the server wants the message
	challenge      // the server wants something more of the AUTH
	tls            // TLS begins
)

// NewCodec makes a codec of one connection. watches says which verbs rules are to see.
func NewCodec(watches func(verb string) bool) *Codec {
	c := &Codec{watches: watches}
	c.replies.Add(expected{}) // the greeting
	return c
}

// Request reads the command, or the message, that comes next from the client.
func (c *Codec) Request(in wire.Stream) (wire.Frame, error) {
	b, err := in.Peek(1)
	if err != nil {
		return wire.Frame{}, err
	}
	if b[0] == 0x16 {
		return wire.Frame{}, errTLS()
	}
	before := c.present
	if before.decision != nil {
		if err := in.Await(before.decision.made); err != nil {
			return wire.Frame{}, err
		}
		switch before.decision.next {
		case message:
			return c.request(data, wire.Frame{Extent: &content{}}), nil
		case challenge:
			b, err := line(in, 0)
			c.present = expected{request: before.request, decision: undecided(auth)}
			return wire.Frame{Size: len(b)}, err
		case tls:
			return wire.Frame{}, errTLS()
		}
	}
	return c.command(in)
}

func (c *Codec) command(in wire.Stream) (wire.Frame, error) {
	b, err := line(in, 0)
	if err != nil {
		return wire.Frame{}, err
	}
	cmd, odd := parseCommand(b)
	f := wire.Frame{Size: len(b) + cmd.size, Odd: odd}
	if cmd.verb == data { // what counts is the message
		c.present = expected{decision: undecided(data)}
		return f, nil
	}
	f = c.request(cmd.verb, f)
	if cmd.verb == auth || cmd.verb == startTLS {
		c.present.decision = undecided(cmd.verb)
	}
	return f, nil
}

// request makes a frame a request that counts.
func (c *Codec) request(verb string, f wire.Frame) wire.Frame {
	x := &wire.Exchange{
		Request: wire.Request{Protocol: wire.SMTP, API: verb, Text: verb}, Watched: c.watches(verb), Timed: verb != auth,
	}
	c.present = expected{request: x}
	f.Requests = []*wire.Exchange{x}
	return f
}

func undecided(verb string) *decision { return &decision{verb: verb, made: make(chan struct{})} }

func errTLS() error {
	return &wire.Unreadable{Reason: "TLS begins: a hop of protocol \"smtp\" cannot look into it"}
}

// Expect expects the reply to what was read last.
func (c *Codec) Expect(*wire.Frame) bool { return c.replies.Add(c.present) }

// Answer makes the error reply.
func (c *Codec) Answer(_ *wire.Exchange, _ []byte, code string) ([]byte, error) {
	if err := CheckCode("", code); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %c.0.0 error made by eosproxy\r\n", code, code[0]), nil
}

// Refuse has the answer inserted behind the replies to the commands before. A server that has asked for a message
// takes nothing else, so that the refusal of a message ends the connection.
func (c *Codec) Refuse(_ *wire.Frame, x *wire.Exchange, answer []byte) wire.Refusal {
	if c.present.decision != nil {
		close(c.present.decision.made)
	}
	c.replies.Add(expected{answer: answer, closes: x.API == data})
	return wire.Refusal{Close: x.API == data}
}

// due says that an answer made here comes next.
func (c *Codec) due() bool {
	next, ok := c.replies.Head()
	return ok && next.answer != nil
}

// Reply reads the reply that comes next from the server.
func (c *Codec) Reply(in wire.Stream) (wire.Frame, error) {
	if c.encrypted {
		return wire.Frame{}, errTLS()
	}
	due, err := wire.AwaitReply(in, c.due)
	if err != nil {
		return wire.Frame{}, err
	}
	next, ok := c.replies.Head()
	if due {
		c.replies.Pop()
		return wire.Frame{Insert: next.answer, Close: next.closes}, nil
	}
	total, code, err := reply(in)
	if err != nil {
		return wire.Frame{}, err
	}
	f := wire.Frame{Size: total, Answers: next.request}
	if !ok {
		f.Odd = fmt.Sprintf("a reply %d without a command", code)
	}
	c.replies.Pop()
	if d := next.decision; d != nil {
		if d.next = d.decide(code); d.next == challenge {
			f.Answers = nil // the reply proper is still to come
		}
		c.encrypted = d.next == tls
		close(d.made)
	}
	return f, nil
}

func (d *decision) decide(code int) what {
	switch {
	case d.verb == data && code == 354:
		return message
	case d.verb == auth && code == 334:
		return challenge
	case d.verb == startTLS && code == 220:
		return tls
	default:
		return commands
	}
}

// Replace closes a connection that the server expects to be encrypted from here on.
func (c *Codec) Replace(f *wire.Frame, _ []byte) { f.Close = c.encrypted }
