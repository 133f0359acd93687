package postgres

import (
	"strings"

	"eosproxy/internal/wire"
)

// Reply reads the message that comes next from the server.
func (c *Codec) Reply(in wire.Stream) (wire.Frame, error) {
	if c.encrypted {
		return wire.Frame{}, errTLS()
	}
	if _, err := wire.AwaitReply(in, never); err != nil {
		return wire.Frame{}, err
	}
	if next, ok := c.awaited.next(); ok && next.kind == encryption {
		return c.encryption(in, next)
	}
	kind, total, err := message(in, backendTypes)
	if err != nil {
		return wire.Frame{}, err
	}
	f := wire.Frame{Size: total}
	switch kind {
	case '1':
		err = c.complete(parsed, &f)
	case '2':
		err = c.complete(bound, &f)
	case '3':
		err = c.complete(closed, &f)
	case 'T', 'n':
		err = c.complete(described, &f)
	case 'C', 'I', 's':
		err = c.executed(in, kind, &f)
	case 'E':
		err = c.failed(in, &f)
	case 'G', 'W':
		c.awaited.copyIn()
		f.Close = c.muted // the client has been told of an error: it is not going to copy anything
	case 'Z':
		err = c.ready(in, &f)
	}
	if c.muted && strings.IndexByte("ZNAS", kind) < 0 {
		f.Drop, f.Insert, f.Answers = true, nil, nil
	}
	return f, err
}

// never is anything due: what the client gets in place of a refused statement stands where the server's own error was.
func never() bool { return false }

// encryption reads the byte that says whether the connection is encrypted from there on.
func (c *Codec) encryption(in wire.Stream, it item) (wire.Frame, error) {
	b, err := in.Peek(1)
	if err != nil {
		return wire.Frame{}, err
	}
	c.encrypted = b[0] == 'S' || b[0] == 'G'
	c.awaited.take(encryption)
	close(it.decided)
	if b[0] == 'E' { // a server that does not know the question
		return c.Reply(in)
	}
	return wire.Frame{Size: 1}, nil
}

// complete reads what ends a step of the extended protocol.
func (c *Codec) complete(kind awaitedKind, f *wire.Frame) error {
	it, _ := c.awaited.take(kind)
	f.Drop = it.own
	return nil
}

// executed reads what ends a statement.
func (c *Codec) executed(in wire.Stream, kind byte, f *wire.Frame) error {
	it, _ := c.awaited.take(executed)
	f.Drop, f.Insert, f.Answers = it.own || it.answer != nil, it.answer, it.request
	if f.Answers == nil || kind != 'C' {
		return nil
	}
	b, err := in.Peek(min(f.Size, wire.PeekLimit))
	if err != nil {
		return err
	}
	f.Text, _, _ = text(b[headLength:])
	return nil
}

// failed reads an error, which ends the statement that is being executed.
func (c *Codec) failed(in wire.Stream, f *wire.Frame) error {
	b, err := in.Peek(min(f.Size, wire.PeekLimit))
	if err != nil {
		return err
	}
	head, statement := c.awaited.fail()
	if head.own || head.answer != nil {
		f.Drop, f.Insert = true, statement.answer
		return nil
	}
	f.Answers, f.Text = statement.request, "ERROR "+sqlState(b[headLength:])
	return nil
}

// ready reads a ReadyForQuery. Behind an error that took the place of a reply a transaction that goes on has failed.
func (c *Codec) ready(in wire.Stream, f *wire.Frame) error {
	b, err := in.Peek(f.Size)
	if err != nil {
		return err
	}
	c.awaited.ready()
	if c.muted && b[len(b)-1] == 'T' {
		f.Drop, f.Insert = true, encode('Z', "E")
	}
	c.muted = false
	return nil
}

// Replace mutes the server until it is ready again: behind an error it would have done nothing more.
func (c *Codec) Replace(*wire.Frame, []byte) { c.muted = true }
