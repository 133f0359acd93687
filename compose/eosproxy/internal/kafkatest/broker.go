package kafkatest

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// Patience bounds every wait of the tests.
const Patience = 5 * time.Second

// A Broker answers every request with a reply of the same correlation id that echoes it. All of it ends with the test.
type Broker struct {
	// Answer gives the reply to a frame, or nil for none; it may take its time.
	Answer func(frame []byte) []byte

	listener net.Listener
	mu       sync.Mutex
	received []int32
	conns    []net.Conn
	closed   bool
	running  sync.WaitGroup
}

// NewBroker starts a broker. It must be given its Answer before a client connects.
func NewBroker(t testing.TB) *Broker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{Answer: Echo, listener: listener}
	b.running.Add(1)
	go b.accept()
	t.Cleanup(b.Close)
	return b
}

// Close ends the broker and all of its connections.
func (b *Broker) Close() {
	_ = b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.running.Wait()
}

// Address is where it listens.
func (b *Broker) Address() string { return b.listener.Addr().String() }

// Received are the correlation ids of all requests so far, in the order they came.
func (b *Broker) Received() []int32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.received)
}

// Has says whether a request has come.
func (b *Broker) Has(correlationID int32) bool { return slices.Contains(b.Received(), correlationID) }

// Echo is what a broker answers unless told otherwise.
func Echo(frame []byte) []byte { return Reply(CorrelationID(frame), frame) }

// CorrelationID is that of a request.
func CorrelationID(frame []byte) int32 { return int32(binary.BigEndian.Uint32(frame[8:])) }

// CorrelationIDOfReply is that of a reply.
func CorrelationIDOfReply(frame []byte) int32 { return int32(binary.BigEndian.Uint32(frame[4:])) }

func (b *Broker) accept() {
	defer b.running.Done()
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.conns = append(b.conns, c)
		if b.closed {
			_ = c.Close()
		}
		b.mu.Unlock()
		b.running.Add(1)
		go b.serve(c)
	}
}

func (b *Broker) serve(c net.Conn) {
	defer b.running.Done()
	defer func() { _ = c.Close() }()
	for {
		frame, err := ReadFrame(c)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.received = append(b.received, CorrelationID(frame))
		b.mu.Unlock()
		if reply := b.Answer(frame); reply != nil {
			if _, err := c.Write(reply); err != nil {
				return
			}
		}
	}
}

// ReadFrame reads one frame, its size field included.
func ReadFrame(r io.Reader) ([]byte, error) {
	size := make([]byte, 4)
	if _, err := io.ReadFull(r, size); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(size))
	copy(frame, size)
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// Eventually waits until something is so.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}
