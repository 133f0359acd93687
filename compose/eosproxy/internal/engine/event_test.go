package engine

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"eosproxy/internal/kafkatest"
)

func seqs(events []Event) []uint64 {
	var all []uint64
	for _, ev := range events {
		all = append(all, ev.Seq)
	}
	return all
}

func TestLogOverflowIsCounted(t *testing.T) {
	l := NewLog(3)
	for range 5 {
		l.Append(Event{Kind: Noted})
	}
	events, _ := l.Since(0)
	if got := seqs(events); !slices.Equal(got, []uint64{2, 3, 4, 5}) {
		t.Fatalf("sequence numbers %v", got)
	}
	if gap := events[0]; gap.Kind != DroppedEvents || gap.Count != 2 || gap.MonoNS == 0 {
		t.Errorf("the gap is %+v", gap)
	}
	if events, _ := l.Since(1); events[0].Kind != DroppedEvents || events[0].Count != 1 {
		t.Errorf("after the first: %+v", events[0])
	}
	if events, _ := l.Since(3); !slices.Equal(seqs(events), []uint64{4, 5}) || events[0].Kind != Noted {
		t.Errorf("after the third: %v", seqs(events))
	}
	if total, lost := l.Counts(); total != 5 || lost != 2 {
		t.Errorf("%d events, %d lost", total, lost)
	}
}

func TestWhatWasFetchedIsNotLost(t *testing.T) {
	l := NewLog(3)
	for seq := range uint64(9) {
		l.Append(Event{Kind: Noted})
		l.Since(seq)
	}
	if total, lost := l.Counts(); total != 9 || lost != 0 {
		t.Errorf("%d events, %d lost", total, lost)
	}
}

func TestReadersAreWoken(t *testing.T) {
	l := NewLog(3)
	events, more := l.Since(0)
	if len(events) != 0 {
		t.Fatalf("%v out of nothing", events)
	}
	go l.Append(Event{Kind: Noted})
	select {
	case <-more:
	case <-time.After(kafkatest.Patience):
		t.Fatal("not woken")
	}
	if events, _ = l.Since(0); !slices.Equal(seqs(events), []uint64{1}) {
		t.Errorf("sequence numbers %v", seqs(events))
	}
	if events, _ = l.Since(17); len(events) != 0 {
		t.Errorf("from the future: %v", seqs(events))
	}
}

func TestClocks(t *testing.T) {
	l := NewLog(10)
	l.Append(Event{})
	l.Append(Event{})
	events, _ := l.Since(0)
	if events[0].MonoNS <= 0 || events[1].MonoNS < events[0].MonoNS {
		t.Errorf("monotonic: %d, %d", events[0].MonoNS, events[1].MonoNS)
	}
	if age := time.Since(time.Unix(0, events[0].WallNS)); age < 0 || age > time.Minute {
		t.Errorf("wall: %v ago", age)
	}
}

func TestEventJSON(t *testing.T) {
	e := newEngine()
	add(t, e, func(r *Rule) { r.Action, r.Connection = ActionLose, Reset })
	request, _, frame := count(t, e, "lane-1", kafkatest.EndTxn(7, "tx", false))
	e.Fire(request[0], Source{Hop: "lane-1/broker-1", Lane: "lane-1", Connection: 3}, frame)
	e.Log.Append(Event{Kind: Closed, Source: Source{Hop: "h", Connection: 4}, Reason: "client closed"})
	events, _ := e.Log.Since(0)
	for i, want := range []string{
		`{"seq":1,"kind":"lost","mono_ns":0,"wall_ns":0,"rule":"r","n":1,"hop":"lane-1/broker-1","lane":"lane-1",` +
			`"connection":3,"at":"request","protocol":"kafka","api":"EndTxn","api_version":1,"correlation_id":7,"client_id":"client",` +
			`"transactional_id":"tx","committed":false,"size":35,"action":"lose","reason":"connection reset"}`,
		`{"seq":2,"kind":"closed","mono_ns":0,"wall_ns":0,"hop":"h","connection":4,"reason":"client closed"}`,
	} {
		events[i].MonoNS, events[i].WallNS = 0, 0
		if got, err := json.Marshal(events[i]); string(got) != want || err != nil {
			t.Errorf("%v\n%s\nwant\n%s", err, got, want)
		}
	}
}
