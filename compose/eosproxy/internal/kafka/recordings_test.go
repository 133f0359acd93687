package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

// What record_kafka.py has clients do. ID is a client's transactional id and group, TARGET its partition.
var (
	copies = []string{
		"InitProducerId ID", "ListOffsets orders-0", "Fetch orders-0", "OffsetFetch ID orders-0", "OffsetCommit ID orders-0",
		"Produce ID TARGET", "TxnOffsetCommit ID ID orders-0", "EndTxn commit ID",
	}
	joins      = []string{"JoinGroup ID", "SyncGroup ID", "LeaveGroup ID"}
	registers  = []string{"AddPartitionsToTxn ID TARGET", "AddOffsetsToTxn ID ID"} // Java leaves both to the brokers
	doesMore   = []string{"Produce TARGET", "EndTxn abort ID"}                     // without acknowledgement; with abort
	heartbeats = []string{"ConsumerGroupHeartbeat ID", "ConsumerGroupHeartbeat ID orders-0"}
)

// spoken is what must be among the requests of everyone who was recorded.
var spoken = map[string][]string{
	"confluent":     slices.Concat(copies, joins, registers, doesMore),
	"kafka-python":  slices.Concat(copies, joins, registers, doesMore),
	"aiokafka":      slices.Concat(copies, joins, registers, doesMore),
	"java-classic":  slices.Concat(copies, joins),
	"java-consumer": slices.Concat(copies, heartbeats),
	"internal":      {"Fetch", "WriteTxnMarkers commit marked-0", "AddPartitionsToTxn"},
	"controller":    {"Fetch", "BrokerHeartbeat"},
}

// What real clients and brokers have said is read to its last byte, every request is answered, and rules see what the
// clients have done.
func TestRecordings(t *testing.T) {
	said := map[string][]*wire.Exchange{}
	names := map[string]string{}
	for name, parts := range wiretest.Recordings(t, wire.Kafka) {
		t.Run(name, func(t *testing.T) {
			speaker := strings.TrimRight(name, "-0123456789")
			said[speaker] = append(said[speaker], readRecording(t, parts, names)...)
		})
	}
	for speaker := range said {
		if spoken[speaker] == nil {
			t.Errorf("nobody knows what %s was to say", speaker)
		}
	}
	for speaker, wanted := range spoken {
		found := map[string]bool{}
		for _, x := range said[speaker] {
			found[x.API], found[summary(x, names)] = true, true
		}
		named := strings.NewReplacer("ID", "copy-copies-"+speaker, "TARGET", "copies-"+speaker+"-0")
		for _, want := range wanted {
			if want = named.Replace(want); !found[want] {
				t.Errorf("%s has not said %q", speaker, want)
			}
		}
	}
}

// readRecording gives the requests of one connection; topic ids that it hears of go to names.
func readRecording(t *testing.T, parts []wiretest.Part, names map[string]string) (exchanges []*wire.Exchange) {
	t.Helper()
	c := NewCodec(func(string) bool { return true }, func(topics []TopicID) {
		for _, topic := range topics {
			names[topic.ID] = topic.Name
		}
	})
	answered := map[*wire.Exchange]bool{}
	for up := (&wiretest.Stream{Rest: wiretest.Side(parts, true)}); len(up.Rest) > 0; {
		f, frame := nextFrame(t, up, c.Request)
		c.Expect(&f)
		x := f.Requests[0]
		readWhole(t, x, requestKind, frame)
		exchanges = append(exchanges, x)
		answered[x] = x.Unanswered
	}
	for down := (&wiretest.Stream{Rest: wiretest.Side(parts, false)}); len(down.Rest) > 0; {
		f, frame := nextFrame(t, down, c.Reply)
		if f.Answers == nil {
			t.Fatal("a reply to nothing")
		}
		readWhole(t, f.Answers, replyKind, frame)
		answered[f.Answers] = true
	}
	for _, x := range exchanges[:len(exchanges)-1] { // clients may leave while the last one waits
		if !answered[x] {
			t.Errorf("%s of correlation id %d has no reply", x.API, x.CorrelationID)
		}
	}
	return exchanges
}

// nextFrame gives a frame, and its bytes without the size field.
func nextFrame(t *testing.T, s *wiretest.Stream, next func(wire.Stream) (wire.Frame, error)) (wire.Frame, []byte) {
	t.Helper()
	f, err := next(s)
	if err != nil || f.Odd != "" {
		t.Fatalf("%v %s", err, f.Odd)
	}
	frame, whole, err := s.Take(&f)
	if err != nil || !whole {
		t.Fatalf("a frame of %d bytes has only %d: %v", f.Size, len(frame), err)
	}
	return f, frame[SizeLength:]
}

// readWhole fails unless header and body are all that there is in a request or a reply.
func readWhole(t *testing.T, x *wire.Exchange, kind string, frame []byte) {
	t.Helper()
	api, _ := LookupName(x.API)
	fields, ok := fieldsOf(x.API, kind, x.APIVersion)
	if !ok {
		t.Fatalf("%s of version %d has no schema", x.API, x.APIVersion)
	}
	r := reader{buf: frame}
	if kind == requestKind {
		h, err := ParseRequestHeader(frame)
		if err != nil {
			t.Fatal(err)
		}
		r.skip(h.Body)
	} else {
		r.skip(4)
		r.tags(api.ReplyHeaderVersion(x.APIVersion) > 0)
	}
	readTree(&r, fields, api.IsFlexible(x.APIVersion))
	if r.err != nil || r.off != len(frame) {
		t.Errorf("%s %s of version %d: read %d of %d bytes: %v", x.API, kind, x.APIVersion, r.off, len(frame), r.err)
	}
}

// summary tells what rules can match of a request.
func summary(x *wire.Exchange, names map[string]string) string {
	words := []string{x.API}
	if x.Committed != nil {
		words = append(words, map[bool]string{true: "commit", false: "abort"}[*x.Committed])
	}
	words = append(words, x.TransactionalIDs...)
	if x.GroupID != "" {
		words = append(words, x.GroupID)
	}
	for _, topic := range x.Topics {
		name := topic.Topic
		if topic.ID != "" {
			name = names[topic.ID]
		}
		for _, partition := range topic.Partitions {
			words = append(words, fmt.Sprintf("%s-%d", name, partition))
		}
	}
	return strings.Join(words, " ")
}
