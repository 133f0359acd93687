package wiretest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"eosproxy/internal/wire"
)

// A Mischief interferes with a conversation.
type Mischief struct {
	// Refuse and Replace say of which requests, counted from 0, the codec is to refuse the request or replace the
	// reply; negative means of none.
	Refuse, Replace int
	Code            string
}

// Converse lets a codec read all that both sides say, whatever it is, and fails where it does not come to an end, or
// changes bytes without being asked to.
func Converse(t *testing.T, codec wire.Codec, up, down []byte, mischief Mischief) {
	t.Helper()
	c := &conversation{t: t, codec: codec, mischief: mischief, answers: map[*wire.Exchange][]byte{}}
	requests, replies := &Stream{Rest: up}, &Stream{Rest: down}
	for again := true; again; {
		said := len(requests.Rest) + len(replies.Rest)
		again = c.run(requests, codec.Request, c.request)
		again = c.run(replies, codec.Reply, c.reply) && again && said > len(requests.Rest)+len(replies.Rest)
	}
	interfered := mischief.Refuse >= 0 || mischief.Replace >= 0
	if !interfered && !bytes.HasPrefix(up, c.up.Bytes()) || !interfered && !bytes.HasPrefix(down, c.down.Bytes()) {
		t.Error("bytes were changed")
	}
}

type conversation struct {
	t        *testing.T
	codec    wire.Codec
	mischief Mischief
	requests int
	answers  map[*wire.Exchange][]byte
	up, down bytes.Buffer // what has been relayed
}

// run carries frames until the direction waits for the other one (true) or is over (false).
func (c *conversation) run(s *Stream, next func(wire.Stream) (wire.Frame, error), carry func(*wire.Frame, []byte)) bool {
	for {
		f, err := next(s)
		var unreadable *wire.Unreadable
		switch {
		case errors.As(err, &unreadable):
			if unreadable.Reason == "" {
				c.t.Error("unreadable without a reason")
			}
			return false
		case errors.Is(err, io.EOF), errors.Is(err, ErrBlocked):
			return true
		case err != nil:
			c.t.Errorf("error %v", err)
			return false
		}
		frame, whole, err := s.Take(&f)
		if err != nil {
			return false
		}
		if len(frame) == 0 && len(f.Insert) == 0 {
			if whole {
				c.t.Fatal("a frame of nothing")
			}
			return true
		}
		carry(&f, frame)
		if !whole || f.Close {
			return false
		}
	}
}

func (c *conversation) request(f *wire.Frame, frame []byte) {
	for _, x := range f.Requests {
		c.requests++
		if c.requests-1 != c.mischief.Refuse && c.requests-1 != c.mischief.Replace {
			continue
		}
		answer, err := c.codec.Answer(x, frame, c.mischief.Code)
		if err != nil {
			continue
		}
		if c.requests-1 == c.mischief.Refuse {
			c.up.Write(c.codec.Refuse(f, x, answer).Upstream)
			return
		}
		c.answers[x] = answer
	}
	c.codec.Expect(f)
	c.up.Write(frame)
}

func (c *conversation) reply(f *wire.Frame, frame []byte) {
	if answer := c.answers[f.Answers]; answer != nil {
		f.Drop, f.Insert = true, answer
		c.codec.Replace(f, answer)
	}
	c.down.Write(f.Insert)
	if !f.Drop {
		c.down.Write(frame)
	}
}

// Seed gives a fuzz target the recorded conversations, with and without mischief.
func Seed(f *testing.F, protocol string) {
	f.Helper()
	for _, parts := range Recordings(f, protocol) {
		up, down := Side(parts, true), Side(parts, false)
		f.Add(up, down, -1, -1)
		f.Add(up, down, 2, -1)
		f.Add(up, down, -1, 2)
	}
}
