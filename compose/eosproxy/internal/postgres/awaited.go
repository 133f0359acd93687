package postgres

import (
	"slices"
	"sync"

	"eosproxy/internal/wire"
)

// What a backend is awaited to send.
type awaitedKind byte

const (
	encryption awaitedKind = iota // one byte, whether the connection is to be encrypted
	parsed                        // ParseComplete
	bound                         // BindComplete
	described                     // RowDescription or NoData
	closed                        // CloseComplete
	executed                      // the end of a statement: CommandComplete or what stands for it
	synced                        // the ReadyForQuery of a Sync
	ready                         // the ReadyForQuery of anything else
	copyDone                      // nothing: here the frontend has ended what it copies in
)

// An item is awaited of the backend.
type item struct {
	kind    awaitedKind
	request *wire.Exchange // the statement; nil for other kinds, and for statements made here
	own     bool           // its request was made here, so that it is not for the frontend
	answer  []byte         // the error that the frontend gets in place of it; nil when it gets what comes
	decided chan struct{}  // of encryption: closed when it has come
}

// awaited is what a backend is going to send, in its order: the direction of requests adds to it, that of replies
// takes from it. A segment ends with a ReadyForQuery, and so does what is left of it after an error.
type awaited struct {
	mu      sync.Mutex
	items   []item
	copying bool // the frontend is copying in: what it syncs is ignored by the backend
}

// add awaits something more; false means that the oldest was given up for it.
func (a *awaited) add(items ...item) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, it := range items {
		switch {
		case a.copying && it.kind == synced:
		case a.copying && it.kind == copyDone:
			a.copying = false
		default:
			a.items = append(a.items, it)
		}
	}
	if over := len(a.items) - wire.QueueLimit; over > 0 {
		a.drop(over)
		return false
	}
	return true
}

// next shows what is awaited next.
func (a *awaited) next() (item, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trim()
	if len(a.items) == 0 {
		return item{}, false
	}
	return a.items[0], true
}

// take removes what is awaited next if it is of a kind.
func (a *awaited) take(kind awaitedKind) (item, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trim()
	if len(a.items) == 0 || a.items[0].kind != kind {
		return item{}, false
	}
	it := a.items[0]
	a.drop(1)
	if kind == executed {
		a.copying = false
	}
	return it, true
}

// fail takes all that an error ends: the segment up to its ReadyForQuery. It gives the statement that the error
// answers, which is the first one, and what was awaited when it came.
func (a *awaited) fail() (head, statement item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trim()
	end := slices.IndexFunc(a.items, isReady)
	if end < 0 {
		end = len(a.items)
	}
	segment := a.items[:end]
	if len(segment) > 0 {
		head = segment[0]
	}
	if i := slices.IndexFunc(segment, func(it item) bool { return it.kind == executed && !it.own }); i >= 0 {
		statement = segment[i]
	}
	a.drop(end)
	a.copying = false
	return head, statement
}

// ready takes everything up to and with the next ReadyForQuery.
func (a *awaited) ready() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if end := slices.IndexFunc(a.items, isReady); end >= 0 {
		a.drop(end + 1)
	}
	a.copying = false
}

// copyIn is told that the frontend may copy in from here on: until it is done the backend ignores what it syncs.
func (a *awaited) copyIn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trim()
	end := slices.IndexFunc(a.items, func(it item) bool { return it.kind == copyDone })
	if a.copying = end < 0; a.copying {
		end = len(a.items)
	}
	rest := slices.Clone(a.items[end:])
	a.items = append(slices.DeleteFunc(a.items[:end], func(it item) bool { return it.kind == synced }), rest...)
}

// trim forgets what comes first of an end of copying in: the backend had ended it before, with an error or without.
func (a *awaited) trim() {
	for len(a.items) > 0 && a.items[0].kind == copyDone {
		a.drop(1)
	}
}

func (a *awaited) drop(n int) {
	clear(a.items[:n])
	if a.items = a.items[n:]; len(a.items) == 0 {
		a.items = nil
	}
}

func isReady(it item) bool { return it.kind == synced || it.kind == ready }
