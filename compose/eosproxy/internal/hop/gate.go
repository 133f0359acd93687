package hop

import (
	"sync"
	"sync/atomic"
)

// A gate stands at the end of one direction of a hop, where bytes leave it. While it is shut the bytes of all
// connections are kept back; what has been read by then waits at the gate, the rest in the buffers of the kernel.
type gate struct {
	mu       sync.Mutex
	shut     bool
	changed  chan struct{} // closed and replaced when shut changes
	withheld atomic.Int64  // bytes that came to the gate since it was last shut, and found it shut
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

// set opens or shuts the gate. It never waits for those who stand at it.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == shut {
		return
	}
	if g.shut = shut; shut {
		g.withheld.Store(0)
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// pass waits with n bytes until the gate is open; false means that ended was closed first.
func (g *gate) pass(n int, ended <-chan struct{}) bool {
	var countedFor chan struct{} // of which shutting of the gate
	for {
		g.mu.Lock()
		shut, changed := g.shut, g.changed
		if shut && countedFor != changed {
			g.withheld.Add(int64(n))
			countedFor = changed
		}
		g.mu.Unlock()
		if !shut {
			return true
		}
		select {
		case <-changed:
		case <-ended:
			return false
		}
	}
}
