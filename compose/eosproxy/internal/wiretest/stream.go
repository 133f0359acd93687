// Package wiretest runs codecs without a relay.
package wiretest

import (
	"errors"
	"io"

	"eosproxy/internal/wire"
)

// A Stream is a direction whose bytes have all come already.
type Stream struct {
	Rest []byte
}

// Peek shows the next bytes; io.EOF says that there are not enough.
func (s *Stream) Peek(n int) ([]byte, error) {
	switch {
	case n > wire.FrameLimit:
		panic("a codec looks too far ahead")
	case n > len(s.Rest):
		return s.Rest, io.EOF
	default:
		return s.Rest[:n], nil
	}
}

// Buffered is how much Peek can show.
func (s *Stream) Buffered() int { return min(len(s.Rest), wire.PeekLimit) }

// ErrBlocked says that a codec waits for the other direction.
var ErrBlocked = errors.New("waits for the other direction")

// Await never waits.
func (s *Stream) Await(done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	default:
		return ErrBlocked
	}
}

// Take removes a frame and gives its bytes; whole says that all of it was there.
func (s *Stream) Take(f *wire.Frame) (frame []byte, whole bool, err error) {
	n, done := min(f.Size, len(s.Rest)), f.Extent == nil
	for !done && n < len(s.Rest) && err == nil {
		var more int
		more, done, err = f.Extent.Next(s.Rest[n:])
		n += more
	}
	frame, s.Rest = s.Rest[:n], s.Rest[n:]
	return frame, done && n >= f.Size, err
}
