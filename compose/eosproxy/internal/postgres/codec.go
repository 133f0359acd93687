// Package postgres reads PostgreSQL's protocol 3 as far as a relay needs it: where a message ends, which statements a
// client has executed, by a simple query or by a prepared one, and which message of the server ends which of them.
package postgres

import (
	"fmt"

	"eosproxy/internal/wire"
)

// A Codec reads one connection between a client (frontend) and a server (backend).
type Codec struct {
	watches func(api string) bool

	started  bool           // the start-up packet has gone
	answered chan struct{}  // closed when the server has said whether it encrypts; nil when it was not asked
	prepared names[string]  // the commands of prepared statements
	portals  names[*portal] // what has been bound
	kind     byte           // the type of the present message
	awaits   []item         // what it is going to bring

	awaited awaited

	encrypted bool // written before answered is closed
	muted     bool // a reply was replaced by an error: up to ReadyForQuery nothing more is for the client
}

// A portal is a statement that can be executed.
type portal struct {
	command string
	begun   bool // it has been executed: another Execute only fetches more of its rows
}

// NewCodec makes a codec of one connection. watches says which commands rules are to see.
func NewCodec(watches func(command string) bool) *Codec {
	return &Codec{watches: watches, prepared: names[string]{}, portals: names[*portal]{}}
}

// Request reads the message that comes next from the client.
func (c *Codec) Request(in wire.Stream) (wire.Frame, error) {
	c.awaits = c.awaits[:0]
	if !c.started {
		return c.start(in)
	}
	kind, total, err := message(in, frontendTypes)
	if err != nil {
		return wire.Frame{}, err
	}
	f := wire.Frame{Size: total}
	switch c.kind = kind; kind {
	case 'Q':
		err = c.query(in, &f)
	case 'P', 'B', 'E', 'C':
		err = c.extended(in, kind, &f)
	case 'D':
		c.await(described)
	case 'S':
		c.await(synced)
	case 'F':
		c.await(ready)
	case 'c', 'f':
		c.await(copyDone)
	}
	return f, err
}

func (c *Codec) await(kind awaitedKind) { c.awaits = append(c.awaits, item{kind: kind}) }

// start reads a start-up packet: there may be several, until one of them is answered with more than a byte.
func (c *Codec) start(in wire.Stream) (wire.Frame, error) {
	if _, err := in.Peek(1); err != nil {
		return wire.Frame{}, err
	}
	if c.answered != nil {
		if err := in.Await(c.answered); err != nil {
			return wire.Frame{}, err
		}
		if c.encrypted {
			return wire.Frame{}, errTLS()
		}
	}
	code, total, err := startup(in)
	if err != nil {
		return wire.Frame{}, err
	}
	switch code {
	case sslRequest, gssRequest:
		c.answered = make(chan struct{})
		c.awaits = append(c.awaits, item{kind: encryption, decided: c.answered})
	case cancelRequest:
		c.started = true
	default:
		c.started = true
		c.await(ready)
	}
	return wire.Frame{Size: total}, nil
}

// query reads a simple query, which may have several statements.
func (c *Codec) query(in wire.Stream, f *wire.Frame) error {
	b, err := in.Peek(min(f.Size, wire.FrameLimit))
	if err != nil {
		return err
	}
	sql, _, ok := text(b[headLength:])
	if !ok {
		f.Odd = fmt.Sprintf("a query: what is behind its first %d bytes is not read", len(b))
	}
	for _, command := range Commands(sql) {
		c.statement(f, command, true)
	}
	c.await(ready)
	return nil
}

// statement notes that a frame has a statement executed.
func (c *Codec) statement(f *wire.Frame, command string, counts bool) {
	x := &wire.Exchange{
		Request: wire.Request{Protocol: wire.Postgres, API: command, Text: command},
		Watched: counts && c.watches(command), Timed: counts && command != "COPY",
	}
	f.Requests = append(f.Requests, x)
	c.awaits = append(c.awaits, item{kind: executed, request: x})
}

// extended reads what of a message of the extended protocol names statements and portals.
func (c *Codec) extended(in wire.Stream, kind byte, f *wire.Frame) error {
	b, err := in.Peek(min(f.Size, wire.PeekLimit))
	if err != nil {
		return err
	}
	b = b[headLength:]
	var ok bool
	switch kind {
	case 'P':
		c.await(parsed)
		ok = c.parse(b)
	case 'B':
		c.await(bound)
		ok = c.bind(b)
	case 'E':
		ok = c.execute(b, f)
	case 'C':
		c.await(closed)
		ok = c.close(b)
	}
	if !ok {
		f.Odd = fmt.Sprintf("a message of type %q: what it names is not known", kind)
	}
	return nil
}

func (c *Codec) parse(b []byte) bool {
	name, b, ok := text(b)
	sql, _, _ := text(b)
	var command string
	if commands := Commands(sql); len(commands) > 0 {
		command = commands[0]
	}
	return ok && c.prepared.set(name, command)
}

func (c *Codec) bind(b []byte) bool {
	name, b, ok := text(b)
	statement, _, ok2 := text(b)
	command, known := c.prepared[statement]
	return ok && ok2 && c.portals.set(name, &portal{command: command}) && known
}

func (c *Codec) execute(b []byte, f *wire.Frame) bool {
	name, _, ok := text(b)
	p, known := c.portals[name]
	if !known {
		p = &portal{begun: true}
	}
	c.statement(f, p.command, !p.begun)
	p.begun = true
	return ok && known
}

func (c *Codec) close(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	name, _, ok := text(b[1:])
	if b[0] == 'P' {
		delete(c.portals, name)
	} else {
		delete(c.prepared, name)
	}
	return ok
}

// names maps the names that a client gives to something.
type names[T any] map[string]T

const (
	namesLimit = 10_000 // how many names are known of a connection
	nameLimit  = 1000   // how long they may be
)

// set gives a name to something; false means that there are too many, or that it is too long.
func (n names[T]) set(name string, value T) bool {
	if _, ok := n[name]; !ok && len(n) >= namesLimit || len(name) > nameLimit {
		return false
	}
	n[name] = value
	return true
}

// Expect awaits what a message is going to bring.
func (c *Codec) Expect(*wire.Frame) bool { return c.awaited.add(c.awaits...) }

// Answer makes the error reply to a statement.
func (c *Codec) Answer(_ *wire.Exchange, _ []byte, code string) ([]byte, error) {
	if err := CheckCode("", code); err != nil {
		return nil, err
	}
	return errorResponse(code), nil
}

// refusedName is what cannot be executed, so that the server fails in place of what is refused.
const refusedName = "refused by eosproxy"

// Refuse has the server fail, so that its transaction is in the state that the error brings: rolled back in place of a
// commit, as after a commit that fails, or else failed. Its own error is replaced by the answer.
func (c *Codec) Refuse(f *wire.Frame, x *wire.Exchange, answer []byte) wire.Refusal {
	isCommit := x.API == "COMMIT" && len(f.Requests) == 1
	if c.kind == 'Q' {
		c.awaited.add(item{kind: executed, answer: answer}, item{kind: ready})
		if isCommit {
			return wire.Refusal{Upstream: query("ROLLBACK")}
		}
		return wire.Refusal{Upstream: query(refusedName)}
	}
	var upstream []byte
	if isCommit {
		c.awaited.add(item{kind: parsed, own: true}, item{kind: bound, own: true}, item{kind: executed, own: true})
		upstream = append(upstream, encode('P', "", "\x00", "ROLLBACK\x00", "\x00\x00")...)
		upstream = append(upstream, encode('B', "\x00", "\x00", "\x00\x00", "\x00\x00", "\x00\x00")...)
		upstream = append(upstream, encode('E', "\x00", "\x00\x00\x00\x00")...)
	}
	c.awaited.add(item{kind: executed, answer: answer}) // up to its Sync the server ignores what follows
	return wire.Refusal{Upstream: append(upstream, encode('E', refusedName, "\x00", "\x00\x00\x00\x00")...)}
}
