package hop

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafka"
	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

const noSuch = "no such name"

// idleHolds adds rules which have the bodies of requests read for what is in none of them.
func (r *rig) idleHolds() {
	r.t.Helper()
	name := noSuch
	r.rule(func(rule *engine.Rule) {
		rule.ID, rule.Times = noSuch, -1
		rule.Match = []engine.Match{
			{API: "Produce", Topic: &name}, {API: "Fetch", Topic: &name}, {API: "OffsetCommit", Topic: &name},
			{API: "TxnOffsetCommit", Topic: &name}, {API: "AddPartitionsToTxn", Topic: &name},
			{API: "InitProducerId", TransactionalID: &name}, {API: "EndTxn", TransactionalID: &name},
		}
	})
}

// wantsAllRead fails when something could not be read, or was held that should not.
func (r *rig) wantsAllRead() {
	r.t.Helper()
	events, _ := r.engine.Log.Since(0)
	for _, ev := range events {
		if ev.Kind == engine.Unreadable || ev.Rule == noSuch {
			r.t.Errorf("%s by rule %q: %+v %s", ev.Kind, ev.Rule, ev.Frame, ev.Reason)
		}
	}
}

// told is what identifies a request in an event.
func told(ev engine.Event) string {
	if ev.Protocol == wire.Kafka {
		return fmt.Sprintf("%s %d", ev.API, ev.CorrelationID)
	}
	return ev.Text
}

// exchanged gives the requests of a recording and the replies, these by their requests: from API keys and correlation
// ids alone, which stand at the beginning of every frame.
func exchanged(t *testing.T, parts []wiretest.Part) (want [2]string) {
	t.Helper()
	var requests, replies []string
	byID := map[uint32]string{}
	for _, frame := range frames(t, wiretest.Side(parts, true)) {
		api, ok := kafka.Lookup(int16(binary.BigEndian.Uint16(frame)))
		if !ok {
			t.Fatalf("no API of Kafka: % x", frame[:2])
		}
		id := binary.BigEndian.Uint32(frame[4:])
		byID[id] = fmt.Sprintf("%s %d", api.Name, id)
		requests = append(requests, byID[id])
	}
	for _, frame := range frames(t, wiretest.Side(parts, false)) {
		request, ok := byID[binary.BigEndian.Uint32(frame)]
		if !ok {
			t.Fatalf("a reply to nothing: % x", frame[:4])
		}
		replies = append(replies, request)
	}
	return [2]string{strings.Join(requests, ", "), strings.Join(replies, ", ")}
}

// frames of a stream, without their size fields.
func frames(t *testing.T, stream []byte) (all [][]byte) {
	t.Helper()
	for len(stream) > 0 {
		size := int(binary.BigEndian.Uint32(stream))
		if len(stream) < 4+size {
			t.Fatalf("the recording ends within a frame")
		}
		all, stream = append(all, stream[4:4+size]), stream[4+size:]
	}
	return all
}
