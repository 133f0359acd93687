package wire

import "testing"

func is(wanted int) func(int) bool { return func(item int) bool { return item == wanted } }

func TestQueueIsBounded(t *testing.T) {
	var q Queue[int]
	for item := range QueueLimit {
		if !q.Add(item) {
			t.Fatalf("full after %d", item)
		}
	}
	if q.Add(QueueLimit) {
		t.Error("not full")
	}
	if _, ok := q.Take(is(0)); ok {
		t.Error("the oldest was not forgotten")
	}
	if _, ok := q.Take(is(QueueLimit)); !ok || len(q.items) != 0 {
		t.Errorf("the newest: %v; %d left", ok, len(q.items))
	}
}

func TestQueueTakesWhatWillNotCome(t *testing.T) {
	var q Queue[int]
	for item := range 5 {
		q.Add(item)
	}
	for _, c := range []struct {
		item int
		ok   bool
	}{{2, true}, {1, false}, {3, true}} {
		if _, ok := q.Take(is(c.item)); ok != c.ok {
			t.Errorf("%d: %v", c.item, ok)
		}
	}
	if head, ok := q.Head(); head != 4 || !ok {
		t.Errorf("head %d, %v", head, ok)
	}
	q.Pop()
	q.Pop()
	if _, ok := q.Head(); ok {
		t.Error("not empty")
	}
}
