package hop

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"

	"eosproxy/internal/wire"
)

const (
	readBuffer  = wire.PeekLimit
	writeBuffer = 32 << 10
)

// errEnded says that the connection ended while bytes waited at a gate.
var errEnded = errors.New("the connection has ended")

// A writeError tells the failure of a destination from that of a source.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// A direction carries bytes from one peer to the other. What it writes is collected until the source has nothing
// more to read at the moment, so that small frames travel together and none waits.
type direction struct {
	conn *conn
	src  *net.TCPConn
	in   *bufio.Reader // reads src
	buf  *bufio.Writer // writes out
	out  *outlet
	gone <-chan struct{} // closed when what it carries has nowhere to go any more
	deaf <-chan struct{} // closed when the other direction carries nothing any more

	frame wire.Frame        // the present one, kept here since there is one for every few bytes
	going func(*wire.Frame) // told of every frame before it goes on; may be nil

	head  []byte // the beginning of the present frame, once it had to be taken into memory
	whole bool   // head is all of a frame, its Extent included

	woken atomic.Bool
}

func (c *conn) newDirection(src, dst *net.TCPConn, g *gate, bytes *atomic.Int64) *direction {
	d := &direction{conn: c, src: src, out: &outlet{dst: dst, gate: g, bytes: bytes, ended: c.ended}}
	d.buf = bufio.NewWriterSize(d.out, writeBuffer)
	d.in = bufio.NewReaderSize(inlet{d}, readBuffer)
	return d
}

// An inlet reads from a source; before that it writes out what has been collected, since reading may take long.
type inlet struct{ *direction }

func (i inlet) Read(b []byte) (int, error) {
	if err := i.buf.Flush(); err != nil {
		return 0, err
	}
	return i.read(b)
}

// read reads from the source. ErrWoken says that it was interrupted before anything came.
func (d *direction) read(b []byte) (int, error) {
	for {
		n, err := d.src.Read(b)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !d.conn.setReadDeadline(d.src, time.Time{}) {
			return n, err
		}
		if d.woken.Swap(false) {
			return n, wire.ErrWoken
		}
	}
}

// wake interrupts a Peek that waits for the first byte of a frame.
func (d *direction) wake() {
	d.woken.Store(true)
	d.conn.setReadDeadline(d.src, time.Unix(1, 0))
}

// fill waits until n bytes are buffered, and shows them.
func (d *direction) fill(n int) ([]byte, error) {
	for {
		b, err := d.in.Peek(n)
		if !errors.Is(err, wire.ErrWoken) {
			return b, err
		}
	}
}

// An outlet writes to a destination, through the gate.
type outlet struct {
	dst         *net.TCPConn
	gate        *gate
	bytes       *atomic.Int64
	ended       <-chan struct{}
	beforeWrite func() // may be nil
	survive     bool   // a destination that fails is no error: what is meant for it is swallowed from then on
	failed      error  // how it failed
}

func (o *outlet) Write(b []byte) (int, error) {
	if o.failed != nil {
		return len(b), nil
	}
	if !o.gate.pass(len(b), o.ended) {
		return 0, errEnded
	}
	if o.beforeWrite != nil {
		o.beforeWrite()
	}
	n, err := o.dst.Write(b)
	o.bytes.Add(int64(n))
	switch {
	case err == nil:
		return n, nil
	case o.survive:
		o.failed = err
		return len(b), nil
	default:
		return n, writeError{err}
	}
}

// copy relays the next n bytes of the source, or with n < 0 all of them. It never holds more than its buffers.
func (d *direction) copy(n int) error { return d.move(n, d.buf) }

// move reads the next n bytes, or with n < 0 all of them, and writes them to a destination.
func (d *direction) move(n int, to io.Writer) error {
	for n != 0 {
		if _, err := d.fill(1); err != nil {
			return err
		}
		part := d.in.Buffered()
		if n > 0 {
			part = min(part, n)
			n -= part
		}
		b, _ := d.in.Peek(part)
		if _, err := to.Write(b); err != nil {
			return err
		}
		_, _ = d.in.Discard(part)
	}
	return nil
}

// moveExtent reads what an Extent covers, at most limit bytes, and writes it to a destination.
func (d *direction) moveExtent(e wire.Extent, limit int, to io.Writer) (done bool, err error) {
	for limit > 0 && !done {
		if _, err := d.fill(1); err != nil {
			return false, err
		}
		b, _ := d.in.Peek(min(d.in.Buffered(), limit))
		n, last, unreadable := e.Next(b)
		if _, err := to.Write(b[:n]); err != nil {
			return false, err
		}
		_, _ = d.in.Discard(n)
		limit, done = limit-n, last
		if unreadable != nil {
			return false, unreadable
		}
	}
	return done, nil
}

// Peek looks at the next n bytes of the source. If it ends before, those that are there are passed on.
func (d *direction) Peek(n int) ([]byte, error) {
	if n > readBuffer || d.head != nil {
		if err := d.take(n); err != nil {
			return nil, err
		}
		return d.head[:n], nil
	}
	b, err := d.in.Peek(n)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, wire.ErrWoken) && len(b) == 0:
		return nil, err
	case errors.Is(err, wire.ErrWoken):
		b, err = d.fill(n)
	}
	if err != nil && len(b) > 0 {
		_ = d.copy(len(b))
	}
	return b, err
}

// Buffered is how many bytes Peek can show without waiting.
func (d *direction) Buffered() int { return len(d.head) + d.in.Buffered() }

// Await waits for something that the other direction does.
func (d *direction) Await(done <-chan struct{}) error {
	if err := d.buf.Flush(); err != nil { // it may be what the other direction waits for
		return err
	}
	select {
	case <-done:
		return nil
	case <-d.conn.ended:
		return errEnded
	case <-d.gone:
		return errGone
	case <-d.deaf:
		return errGone
	}
}

// take takes the first n bytes of a frame into memory. If the source ends before, those that are there are passed on.
func (d *direction) take(n int) error {
	for len(d.head) < n {
		_, err := d.fill(1)
		if err != nil {
			_, _ = d.buf.Write(d.head)
			d.head = nil
			return err
		}
		if d.head == nil {
			d.head = make([]byte, 0, n)
		}
		b, _ := d.in.Peek(min(d.in.Buffered(), n-len(d.head)))
		d.head = append(d.head, b...)
		_, _ = d.in.Discard(len(b))
	}
	return nil
}

// takeFrame takes a frame into memory, unless it is there already: all of it if it is not too long and need not be
// waited for.
func (d *direction) takeFrame(f *wire.Frame) error {
	if err := d.take(min(f.Size, wire.FrameLimit)); err != nil {
		return err
	}
	if f.Extent != nil && !f.Lazy && !d.whole {
		head := bytes.NewBuffer(d.head)
		done, err := d.moveExtent(f.Extent, wire.FrameLimit-len(d.head), head)
		d.head, d.whole = head.Bytes(), done
		if err != nil {
			_, _ = d.buf.Write(d.head)
			d.head = nil
			return err
		}
	}
	return d.buf.Flush() // what is before the frame does not wait for it
}

// taken says whether the present frame, or its beginning, is in memory.
func (d *direction) taken() bool { return d.head != nil }

// pass moves a frame, of which the beginning may be in memory.
func (d *direction) pass(f *wire.Frame, to io.Writer) error {
	head, whole := d.head, d.whole
	d.head, d.whole = nil, false
	if len(head) > 0 {
		if _, err := to.Write(head); err != nil {
			return err
		}
	}
	if err := d.move(max(f.Size-len(head), 0), to); err != nil || f.Extent == nil || whole {
		return err
	}
	_, err := d.moveExtent(f.Extent, math.MaxInt, to)
	return err
}

// swallow reads and drops everything until the source ends.
func (d *direction) swallow() error {
	_ = d.buf.Flush()
	for b := make([]byte, writeBuffer); ; {
		if _, err := d.read(b); err != nil && !errors.Is(err, wire.ErrWoken) {
			return err
		}
	}
}

// finish passes the end of the source on, behind all of its bytes.
func (d *direction) finish() error {
	if err := d.buf.Flush(); err != nil {
		return err
	}
	if !d.out.gate.pass(0, d.out.ended) {
		return errEnded
	}
	_ = d.out.dst.CloseWrite()
	return nil
}
