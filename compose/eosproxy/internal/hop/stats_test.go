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
