package wire

import (
	"errors"
	"testing"
)

// A peeked is a stream whose Peek does what it is told.
type peeked func() error

func (p peeked) Peek(int) ([]byte, error)    { return nil, p() }
func (p peeked) Buffered() int               { return 0 }
func (p peeked) Await(<-chan struct{}) error { return nil }

func TestAwaitReply(t *testing.T) {
	over := errors.New("over")
	for name, c := range map[string]struct {
		peeks []error // what Peek returns, one after another
		due   int     // after so many of them something is due; -1: never
		want  bool
		err   error
	}{
		"due at once":            {nil, 0, true, nil},
		"a byte":                 {[]error{nil}, -1, false, nil},
		"due while it waits":     {[]error{nil}, 1, true, nil},
		"woken, and due":         {[]error{ErrWoken}, 1, true, nil},
		"woken for nothing":      {[]error{ErrWoken, ErrWoken, nil}, -1, false, nil},
		"the connection is over": {[]error{ErrWoken, over}, -1, false, over},
	} {
		n := 0
		in := peeked(func() error { n++; return c.peeks[n-1] })
		due, err := AwaitReply(in, func() bool { return n == c.due })
		if due != c.want || !errors.Is(err, c.err) || n != len(c.peeks) {
			t.Errorf("%s: %v, %v after %d", name, due, err, n)
		}
	}
}
