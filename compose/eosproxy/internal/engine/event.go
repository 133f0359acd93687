package engine

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"eosproxy/internal/wire"
)

// The kinds of events.
const (
	Held          = "held"
	Released      = "released"
	Lost          = "lost"
	Noted         = "noted"
	Refused       = "refused"
	Replaced      = "replaced"
	Opened        = "opened"
	Closed        = "closed"
	Unreadable    = "unreadable"
	DroppedEvents = "dropped_events"
)

// A Source is where a frame passed: a hop, its lane or, between brokers, its link, and one of its connections.
type Source struct {
	Hop        string `json:"hop,omitempty"`
	Lane       string `json:"lane,omitempty"`
	Link       string `json:"link,omitempty"`
	Connection uint64 `json:"connection,omitempty"`
}

// A Frame is what an event tells about a request, or about a reply by means of its request. Size counts the bytes of
// the frame itself; of one whose end has not been seen yet those of its beginning.
type Frame struct {
	At string `json:"at"`
	wire.Request
	Size int `json:"size"`
}

// NewFrame describes a request.
func NewFrame(r wire.Request, size int) *Frame { return &Frame{At: Request, Request: r, Size: size} }

// Reply describes the reply to the request f.
func (f *Frame) Reply(size int) *Frame {
	reply := *f
	reply.At, reply.Size = Reply, size
	return &reply
}

// An Event is one line of the event log. Fields that do not apply are absent. MonoNS is CLOCK_MONOTONIC, the clock of
// Python's time.monotonic_ns(), so that events can be ordered against what other processes of the machine wrote.
type Event struct {
	Seq    uint64 `json:"seq"`
	Kind   string `json:"kind"`
	MonoNS int64  `json:"mono_ns"`
	WallNS int64  `json:"wall_ns"`
	Rule   string `json:"rule,omitempty"`
	N      int    `json:"n,omitempty"`
	Hold   uint64 `json:"hold,omitempty"`
	Source
	*Frame
	Action string `json:"action,omitempty"`
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Count is how many events are missing, in a dropped_events.
	Count uint64 `json:"count,omitempty"`
}

func (ev *Event) stamp() {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // fails only for clocks that do not exist
	ev.MonoNS, ev.WallNS = ts.Nano(), time.Now().UnixNano()
}

// batch bounds how many events one call of Since copies while writers wait.
const batch = 2000

// A Log keeps the newest events, in order, numbered from 1.
type Log struct {
	mu      sync.Mutex
	ring    []Event // the event seq is at (seq-1) % limit
	last    uint64
	fetched uint64        // the newest event that a reader has got, or said to know
	lost    uint64        // events overwritten before any reader got them
	wake    chan struct{} // closed and replaced by every append

	limit int
}

// NewLog makes a log that keeps limit events.
func NewLog(limit int) *Log {
	return &Log{limit: limit, wake: make(chan struct{})}
}

// Append numbers and stamps an event, and wakes the readers.
func (l *Log) Append(ev Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ev.stamp()
	l.last++
	ev.Seq = l.last
	if len(l.ring) < l.limit {
		l.ring = append(l.ring, ev)
	} else {
		oldest := &l.ring[(ev.Seq-1)%uint64(l.limit)]
		if oldest.Seq > l.fetched {
			l.lost++
		}
		*oldest = ev
	}
	close(l.wake)
	l.wake = make(chan struct{})
}

// Since gives events after seq, and a channel that is closed when there are new ones. When events after seq have
// already been overwritten, the first event given is a dropped_events that counts them.
func (l *Log) Since(seq uint64) ([]Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Event
	if gone := l.last - uint64(len(l.ring)); seq < gone {
		gap := Event{Seq: gone, Kind: DroppedEvents, Count: gone - seq}
		gap.stamp()
		out, seq = append(out, gap), gone
	}
	for ; seq < l.last && len(out) < batch; seq++ {
		out = append(out, l.ring[seq%uint64(l.limit)])
	}
	l.fetched = max(l.fetched, min(seq, l.last))
	return out, l.wake
}

// Counts tells how many events there have been, and how many of them are gone although no reader ever got them.
func (l *Log) Counts() (total, lost uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, l.lost
}
