package hop

import (
	"sync"
	"time"

	"eosproxy/internal/engine"
)

// pendingLimit bounds how many requests of one connection wait for their reply. librdkafka is known to keep
// thousands in flight.
const pendingLimit = 1 << 16

// An expected reply: what its request leaves for it.
type expected struct {
	correlationID int32
	timed         bool  // its round trip counts
	metadata      int16 // the version, if it answers a Metadata that may tell topic ids; else 0
	sentAt        time.Time
	tickets       []engine.Ticket
	frame         *engine.Frame // its request; nil without tickets
}

// pending is the queue of replies that a connection waits for, in the order of their requests, which is the order in
// which a broker answers.
type pending struct {
	mu      sync.Mutex
	queue   []expected
	stamped int // so many at the head of the queue have their sentAt
	off     bool
}

// add expects a reply; false means that the oldest expectation had to be given up for it.
func (p *pending) add(e expected) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return true
	}
	p.queue = append(p.queue, e)
	if len(p.queue) > pendingLimit {
		p.drop(1)
		return false
	}
	return true
}

// sent notes that all requests so far are on their way.
func (p *pending) sent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stamped == len(p.queue) {
		return
	}
	now := time.Now()
	for ; p.stamped < len(p.queue); p.stamped++ {
		p.queue[p.stamped].sentAt = now
	}
}

// take finds and removes what a reply answers. What was expected before it will not be answered any more.
func (p *pending) take(correlationID int32) (expected, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.queue {
		if e := p.queue[i]; e.correlationID == correlationID {
			p.drop(i + 1)
			return e, true
		}
	}
	return expected{}, false
}

// stop forgets everything and expects nothing any more.
func (p *pending) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off, p.queue, p.stamped = true, nil, 0
}

func (p *pending) drop(n int) {
	clear(p.queue[:n]) // let go of the frames
	p.queue = p.queue[n:]
	p.stamped = max(p.stamped-n, 0)
	if len(p.queue) == 0 {
		p.queue = nil
	}
}
