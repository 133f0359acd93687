package hop

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

const (
	readBuffer  = 64 << 10
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
	src *net.TCPConn
	in  *bufio.Reader // reads src
	buf *bufio.Writer // writes out
	out *outlet
}

func (c *conn) newDirection(src, dst *net.TCPConn, g *gate, bytes *atomic.Int64) *direction {
	d := &direction{src: src, out: &outlet{dst: dst, gate: g, bytes: bytes, ended: c.ended}}
	d.buf = bufio.NewWriterSize(d.out, writeBuffer)
	d.in = bufio.NewReaderSize(inlet{src, d.buf}, readBuffer)
	return d
}

// An inlet reads from a source; before that it writes out what has been collected, since reading may take long.
type inlet struct {
	src *net.TCPConn
	buf *bufio.Writer
}

func (i inlet) Read(b []byte) (int, error) {
	if err := i.buf.Flush(); err != nil {
		return 0, err
	}
	return i.src.Read(b)
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
func (d *direction) copy(n int) error {
	for n != 0 {
		if d.in.Buffered() == 0 {
			if _, err := d.in.Peek(1); err != nil {
				return err
			}
		}
		part := d.in.Buffered()
		if n > 0 {
			part = min(part, n)
			n -= part
		}
		b, _ := d.in.Peek(part)
		if _, err := d.buf.Write(b); err != nil {
			return err
		}
		_, _ = d.in.Discard(part)
	}
	return nil
}

// peek looks at the next n bytes of the source. If it ends before, those that are there are passed on.
func (d *direction) peek(n int) ([]byte, error) {
	b, err := d.in.Peek(n)
	if err != nil && len(b) > 0 {
		_ = d.copy(len(b))
	}
	return b, err
}

// take takes the first bytes of a frame of total bytes into memory: all of them if there are not too many. If the
// source ends before, those that are there are passed on.
func (d *direction) take(total int) ([]byte, error) {
	head := make([]byte, min(total, holdLimit))
	n, err := io.ReadFull(d.in, head)
	if err != nil {
		_, _ = d.buf.Write(head[:n])
		return nil, err
	}
	return head, d.buf.Flush() // what is before the frame does not wait for it
}

// deliver writes a frame of total bytes of which take has taken the head.
func (d *direction) deliver(head []byte, total int) error {
	if _, err := d.buf.Write(head); err != nil {
		return err
	}
	if err := d.copy(total - len(head)); err != nil {
		return err
	}
	return d.buf.Flush()
}

// swallow reads and drops everything until the source ends.
func (d *direction) swallow() error {
	_ = d.buf.Flush()
	_, err := io.Copy(io.Discard, d.src)
	return err
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
