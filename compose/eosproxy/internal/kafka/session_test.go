package kafka

import (
	"errors"
	"slices"
	"testing"
)

func TestFetchSession(t *testing.T) {
	topic := func(name string, partitions ...int32) Topic { return Topic{Topic: name, Partitions: partitions} }
	var s fetchSession
	for _, step := range []struct {
		what   string
		body   Body
		err    error
		wanted []Topic
	}{
		{"seen too late", Body{epoch: 3, Topics: []Topic{topic("a", 1)}}, nil, []Topic{topic("a", 1)}},
		{"begins", Body{Topics: []Topic{topic("b", 1, 0), topic("a", 2)}}, nil, []Topic{topic("b", 1, 0), topic("a", 2)}},
		{"nothing changes", Body{epoch: 1}, nil, []Topic{topic("a", 2), topic("b", 0, 1)}},
		{"one more", Body{epoch: 2, Topics: []Topic{topic("a", 4)}}, nil, []Topic{topic("a", 2, 4), topic("b", 0, 1)}},
		{"some less", Body{epoch: 3, forgotten: []Topic{topic("a", 4), topic("b", 1, 0)}}, nil, []Topic{topic("a", 2)}},
		{"ends", Body{epoch: -1, Topics: []Topic{topic("c", 0)}}, nil, []Topic{topic("c", 0)}},
		{"unreadable", Body{epoch: 4}, ErrShort, nil},
		{"unknown since", Body{epoch: 5}, nil, nil},
		{"ids", Body{Topics: []Topic{{ID: "x", Partitions: []int32{0}}}}, nil, []Topic{{ID: "x", Partitions: []int32{0}}}},
		{"ids again", Body{epoch: 1}, nil, []Topic{{ID: "x", Partitions: []int32{0}}}},
	} {
		got := s.update(&step.body, step.err, true)
		same := func(a, b Topic) bool {
			return a.Topic == b.Topic && a.ID == b.ID && slices.Equal(a.Partitions, b.Partitions)
		}
		if !slices.EqualFunc(got, step.wanted, same) {
			t.Errorf("%s: %+v, want %+v", step.what, got, step.wanted)
		}
	}
}

// What the table of roles finds in a body is what the schema says is there.
func TestBodies(t *testing.T) {
	for _, x := range readExchanges(t) {
		h, err := ParseRequestHeader(x.request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := ParseBody(h, x.request[h.Body:], true)
		if err != nil {
			t.Errorf("%s of version %d: %v", x.api, x.version, err)
		}
		for n := range len(x.request) - h.Body {
			if part, err := ParseBody(h, x.request[h.Body:h.Body+n], false); err == nil {
				if len(part.Topics) != len(body.Topics) || part.GroupID != body.GroupID {
					t.Fatalf("%s of version %d: a prefix of %d bytes gives %+v, all %+v", x.api, x.version, n, part, body)
				}
			} else if !errors.Is(err, ErrShort) {
				t.Fatalf("%s of version %d: a prefix of %d bytes: %v", x.api, x.version, n, err)
			}
		}
		if want, ok := found[x.api]; ok && (len(body.Topics) != want.topics || len(body.Topics[0].Partitions) != want.partitions ||
			len(body.TransactionalIDs) != want.ids || (body.Committed != nil) != want.committed || (body.GroupID != "") != want.group) {
			t.Errorf("%s of version %d: %+v", x.api, x.version, body)
		}
	}
}

// found is what some APIs have in testdata/answers-4.4.0.txt, in all versions.
var found = map[string]struct {
	topics, partitions, ids int
	committed, group        bool
}{
	"Produce":              {topics: 2, partitions: 2, ids: 1},
	"Fetch":                {topics: 2, partitions: 2},
	"ListOffsets":          {topics: 2, partitions: 2},
	"Metadata":             {topics: 2},
	"TxnOffsetCommit":      {topics: 2, partitions: 2, ids: 1, group: true},
	"OffsetDelete":         {topics: 2, partitions: 2, group: true},
	"OffsetForLeaderEpoch": {topics: 2, partitions: 2},
	"WriteTxnMarkers":      {topics: 4, partitions: 2, committed: true},
	"AlterPartition":       {topics: 2, partitions: 2},
	"BeginQuorumEpoch":     {topics: 2, partitions: 2},
	"Vote":                 {topics: 2, partitions: 2},
}
