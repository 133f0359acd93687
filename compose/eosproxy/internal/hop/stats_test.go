package hop

import (
	"errors"
	"testing"
	"time"

	"eosproxy/internal/kafkatest"
)

func TestRoundTrips(t *testing.T) {
	const delay = 30 * time.Millisecond
	r, h, broker := lane(t)
	broker.Answer = func(frame []byte) []byte {
		time.Sleep(delay)
		return kafkatest.Echo(frame)
	}
	c := connect(t, h)
	c.ask(kafkatest.Heartbeat(1))
	c.ask(kafkatest.Heartbeat(2))
	longPoll := kafkatest.Request(1, 4, 3, nil) // a Fetch: the broker delays it on purpose
	c.ask(longPoll)
	w := h.State().RTT
	least := delay.Microseconds()
	if w.Count != 2 || w.MinUS < least || w.MaxUS < w.MinUS || w.SumUS < w.MinUS+w.MaxUS || w.MaxUS > 100*least {
		t.Errorf("window %+v", w)
	}
	if err := r.set.ResetRTT("lane-1"); err != nil {
		t.Fatal(err)
	}
	if w := h.State().RTT; w != (Window{}) {
		t.Errorf("after the reset: %+v", w)
	}
	for _, lane := range []string{"lane-2", ""} {
		if err := r.set.ResetRTT(lane); !errors.Is(err, ErrNoHop) {
			t.Errorf("lane %q: %v", lane, err)
		}
	}
}

// What a gate holds back is no round trip.
func TestWithheldTimeIsNoRoundTrip(t *testing.T) {
	_, h, _ := lane(t)
	h.must(t, gates(Withhold, Pass))
	c := connect(t, h)
	request := kafkatest.Heartbeat(1)
	c.send(request)
	time.Sleep(2 * blink)
	h.must(t, gates(Pass, Pass))
	c.wants(request)
	if w := h.State().RTT; w.Count != 1 || w.MaxUS >= (2*blink).Microseconds() {
		t.Errorf("window %+v", w)
	}
}

func TestWindow(t *testing.T) {
	var w window
	for _, d := range []time.Duration{5, 3, 9} {
		w.add(d * time.Microsecond)
	}
	if got, want := w.get(), (Window{Count: 3, MinUS: 3, MaxUS: 9, SumUS: 17}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestPendingIsBounded(t *testing.T) {
	var p pending
	for id := range int32(pendingLimit) {
		if !p.add(expected{correlationID: id}) {
			t.Fatalf("full after %d", id)
		}
	}
	p.sent()
	if p.add(expected{correlationID: pendingLimit}) {
		t.Error("not full")
	}
	if _, ok := p.take(0); ok {
		t.Error("the oldest was not forgotten")
	}
	if e, ok := p.take(pendingLimit); !ok || !e.sentAt.IsZero() || len(p.queue) != 0 || p.stamped != 0 {
		t.Errorf("the newest: %v, %+v; %d left, %d stamped", ok, e, len(p.queue), p.stamped)
	}
}

func TestPendingSkipsWhatIsNotAnswered(t *testing.T) {
	var p pending
	for id := range int32(4) {
		p.add(expected{correlationID: id})
	}
	if _, ok := p.take(2); !ok {
		t.Fatal("2 was expected")
	}
	if _, ok := p.take(1); ok {
		t.Error("1 is still expected")
	}
	if _, ok := p.take(3); !ok {
		t.Error("3 is not expected any more")
	}
	p.stop()
	if p.add(expected{correlationID: 4}); len(p.queue) != 0 {
		t.Error("something is expected after stop")
	}
}
