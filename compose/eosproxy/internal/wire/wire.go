// Package wire is what the relay and the protocols have in common: a Codec cuts the two directions of one connection
// into frames, says which requests are in them and which reply belongs to which request, and makes error replies. The
// relay (package hop) moves the bytes, asks the rules and keeps the order.
package wire

import (
	"errors"
	"sync/atomic"
)

const (
	// PeekLimit is how far a codec can look ahead into a stream.
	PeekLimit = 64 << 10
	// FrameLimit is how far it can look into a frame that it knows to be at least that long; of a frame that is held or
	// answered so much is kept in memory, so that it does not depend on its sender any more.
	FrameLimit = 4 << 20
)

// ErrWoken says that a Peek at the beginning of a frame was interrupted before any byte came, since there may be
// something to insert.
var ErrWoken = errors.New("woken")

// ErrCode marks an error code that a protocol does not have.
var ErrCode = errors.New("no such error code")

// Unreadable is the error of a codec that cannot find the frames of a connection (any more). Both directions are
// relayed as they are from there on; with Refuse the connection is closed instead.
type Unreadable struct {
	Reason string
	Refuse bool
}

func (u *Unreadable) Error() string { return u.Reason }

// A Stream is one direction of a connection, as far as a codec may touch it.
type Stream interface {
	// Peek waits for the next n bytes, counted from the beginning of the frame, and shows them: valid until the next
	// call. n is at most PeekLimit or, inside of a frame that is known to be at least as long, FrameLimit.
	Peek(n int) ([]byte, error)
	// Buffered is how many bytes Peek can show without waiting.
	Buffered() int
	// Await waits for something that the other direction does. Its error is to be returned, like those of Peek.
	Await(done <-chan struct{}) error
}

// A Frame is what comes next in a stream. It is relayed, held or lost as a whole.
type Frame struct {
	// Size is the length of the frame or, with an Extent, of its beginning.
	Size int
	// Extent finds the end of a frame whose length is not known from its beginning; nil when it is.
	Extent Extent
	// Lazy says that a frame which is held does not wait for what the Extent covers, since that may come late or never.
	Lazy bool
	// Requests are the requests in a frame of a client, in their order; a frame may have none.
	Requests []*Exchange
	// Answers is the request that a frame of a server answers, completely as far as rules are concerned; or nil.
	Answers *Exchange
	// Text is what events tell of a reply in place of the text of its request; "" leaves that as it is.
	Text string
	// Drop says that the frame is not for its destination, Insert what to write in its place (Size may be 0, then).
	Drop   bool
	Insert []byte
	// Close says that the connection ends behind the frame.
	Close bool
	// Odd says what could not be read in a frame that is relayed as it is; else "".
	Odd string
}

// An Extent finds the end of a frame.
type Extent interface {
	// Next is given the next bytes of the stream, at least one. The first n of them belong to the frame, which ends
	// with them if done. After an error (an *Unreadable) the n bytes are still relayed.
	Next(b []byte) (n int, done bool, err error)
}

// An Exchange is a request and the reply it waits for.
type Exchange struct {
	Request
	// Watched says that the request is to be counted against the rules.
	Watched bool
	// Timed says that the time until its reply counts as a round trip.
	Timed bool
	// Unanswered says that there is going to be no reply.
	Unanswered bool

	// Sent is when the request went on, in nanoseconds since 1970 (0: not yet), and Rules what is to be done with its
	// reply: both belong to the relay.
	Sent  atomic.Int64
	Rules any
}

// A Refusal is what becomes of a connection whose request is refused.
type Refusal struct {
	// Upstream is sent in place of the request: a protocol that keeps state on the server has the server fail, too.
	Upstream []byte
	// Close says that nothing more can be read from the client; the codec closes the connection behind the answer.
	Close bool
}

// A Codec reads one connection. Request, Expect, Answer and Refuse are called in the direction of requests, Reply and
// Replace in that of replies, each by one goroutine.
type Codec interface {
	// Request finds the next frame of the client.
	Request(in Stream) (Frame, error)
	// Expect is told that a frame is going on, before it does: from here on there may be replies. false says that so
	// many are missing that the oldest request is forgotten.
	Expect(f *Frame) bool
	// Answer makes the error reply to a request, of which at most FrameLimit bytes are given. An error says that there
	// is none.
	Answer(x *Exchange, request []byte, code string) ([]byte, error)
	// Refuse is told that a frame does not go on, and gets the answer to one of its requests. Reply is to insert it
	// where the reply would have been.
	Refuse(f *Frame, x *Exchange, answer []byte) Refusal

	// Reply finds the next frame of the server, or what is to be inserted before it. A Peek for its first byte may
	// return ErrWoken.
	Reply(in Stream) (Frame, error)
	// Replace is told that the answer is to take the place of a reply that Reply has just found. It may change the
	// frame, which says how to go on; what it was is dropped.
	Replace(f *Frame, answer []byte)
}

// AwaitReply waits, for a codec's Reply, for the first byte of a reply or until something is due for insertion: due.
func AwaitReply(in Stream, due func() bool) (bool, error) {
	for {
		if due() {
			return true, nil
		}
		switch _, err := in.Peek(1); {
		case err == nil:
			return due(), nil // it may have become due while Peek waited
		case !errors.Is(err, ErrWoken):
			return false, err
		}
	}
}
