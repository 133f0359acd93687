package wire

import "sync"

// QueueLimit bounds how many requests of one connection wait for their reply. librdkafka is known to keep thousands
// in flight.
const QueueLimit = 1 << 16

// A Queue is what a codec expects of a server, in the order in which it is going to come: the direction of requests
// adds to it, that of replies takes from it.
type Queue[T any] struct {
	mu    sync.Mutex
	items []T // those before first are gone
	first int
}

// Add expects something; false means that the oldest expectation had to be given up for it.
func (q *Queue[T]) Add(item T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.first > len(q.items)/2 && len(q.items) == cap(q.items) { // there is room at the beginning
		n := copy(q.items, q.items[q.first:])
		clear(q.items[n:])
		q.items, q.first = q.items[:n], 0
	}
	q.items = append(q.items, item)
	if len(q.items)-q.first > QueueLimit {
		q.drop(1)
		return false
	}
	return true
}

// Head shows what is expected next.
func (q *Queue[T]) Head() (head T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.first == len(q.items) {
		return head, false
	}
	return q.items[q.first], true
}

// Pop removes what is expected next.
func (q *Queue[T]) Pop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.first < len(q.items) {
		q.drop(1)
	}
}

// Take finds and removes the first item that is wanted. What was expected before it will not come any more.
func (q *Queue[T]) Take(wanted func(T) bool) (found T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, item := range q.items[q.first:] {
		if wanted(item) {
			q.drop(i + 1)
			return item, true
		}
	}
	return found, false
}

// kept is how many places of an empty queue are kept for what comes.
const kept = 256

func (q *Queue[T]) drop(n int) {
	clear(q.items[q.first : q.first+n]) // let go of the frames
	if q.first += n; q.first == len(q.items) {
		q.items, q.first = q.items[:0], 0
		if cap(q.items) > kept {
			q.items = nil
		}
	}
}
