package engine

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"eosproxy/internal/kafka"
	"eosproxy/internal/kafkatest"
	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

func rule(change func(*Rule)) Rule {
	r := NewRule()
	r.ID, r.Lanes, r.Match, r.At, r.Action = "r", []string{"lane-1"}, []Match{{API: "EndTxn"}}, Request, ActionHold
	change(&r)
	return r
}

func add(t *testing.T, e *Engine, change func(*Rule)) {
	t.Helper()
	r := rule(change)
	if err := errors.Join(r.Check(), e.AddRule(r)); err != nil {
		t.Fatal(err)
	}
}

// count has the engine count a frame on a lane.
func count(t *testing.T, e *Engine, lane string, frame []byte) (request, reply []Ticket, described *Frame) {
	t.Helper()
	f, err := kafka.NewCodec(func(string) bool { return true }, nil).Request(&wiretest.Stream{Rest: frame})
	if err != nil || f.Odd != "" {
		t.Fatal(err, f.Odd)
	}
	request, reply = e.Count(Source{Lane: lane}, &f.Requests[0].Request)
	return request, reply, NewFrame(f.Requests[0].Request, len(frame))
}

func newEngine() *Engine { return New(NewLog(1000)) }

func kinds(e *Engine) []string {
	var all []string
	events, _ := e.Log.Since(0)
	for _, ev := range events {
		all = append(all, ev.Kind+" "+ev.Action)
	}
	return all
}

func TestNthAndTimes(t *testing.T) {
	for _, c := range []struct {
		nth, times int
		due        []int
	}{
		{1, 1, []int{1}}, {3, 1, []int{3}}, {2, 3, []int{2, 3, 4}}, {4, -1, []int{4, 5, 6}}, {7, 1, nil},
		{2, 1<<63 - 1, []int{2, 3, 4, 5, 6}},
	} {
		e := newEngine()
		add(t, e, func(r *Rule) { r.Nth, r.Times, r.Lanes = c.nth, c.times, []string{"lane-1", "lane-2"} })
		var due []int
		for i := 1; i <= 6; i++ {
			lane := []string{"lane-1", "lane-2"}[i%2] // counted over all lanes
			request, _, _ := count(t, e, lane, kafkatest.EndTxn(int32(i), "tx", true))
			count(t, e, "lane-3", kafkatest.EndTxn(int32(i), "tx", true))
			count(t, e, lane, kafkatest.Heartbeat(int32(i)))
			for _, ticket := range request {
				due = append(due, ticket.n)
			}
		}
		if !slices.Equal(due, c.due) {
			t.Errorf("nth %d, times %d: due %v, want %v", c.nth, c.times, due, c.due)
		}
		if seen := e.Rules()[0].Seen; seen != 6 {
			t.Errorf("nth %d, times %d: seen %d, want 6", c.nth, c.times, seen)
		}
	}
}

func TestMatching(t *testing.T) {
	const id = "ASNFZ4mrze8RIjNEVWZ3iA"
	yes, no := true, false
	str := func(s string) *string { return &s }
	part := func(p int32) *int32 { return &p }
	commit, abort := kafkatest.EndTxn(1, "tx-1", true), kafkatest.EndTxn(1, "tx-1", false)
	produce := kafkatest.Produce(1, -1, "orders", kafkatest.Records{Partition: 0}, kafkatest.Records{Partition: 2})
	known, unknown := kafkatest.ProduceByID(1, id, 2), kafkatest.ProduceByID(1, "AAAAAAAAAAAAAAAAAAAAAQ", 2)
	for _, c := range []struct {
		name  string
		match Match
		hits  [][]byte
		not   [][]byte
	}{
		{"api", Match{API: "EndTxn"}, [][]byte{commit, abort}, [][]byte{produce, kafkatest.Heartbeat(1)}},
		{"commit", Match{API: "EndTxn", Committed: &yes}, [][]byte{commit}, [][]byte{abort}},
		{"abort", Match{API: "EndTxn", Committed: &no}, [][]byte{abort}, [][]byte{commit}},
		{"transactional id", Match{API: "EndTxn", TransactionalID: str("tx-1")}, [][]byte{commit}, [][]byte{kafkatest.EndTxn(1, "tx-2", true)}},
		{"topic", Match{API: "Produce", Topic: str("orders")}, [][]byte{produce, known}, [][]byte{unknown}},
		{"topic id", Match{API: "Produce", Topic: str(id)}, [][]byte{known}, [][]byte{produce, unknown}},
		{"partition", Match{API: "Produce", Partition: part(2)}, [][]byte{produce, known, unknown}, nil},
		{"other partition", Match{API: "Produce", Topic: str("orders"), Partition: part(1)}, nil, [][]byte{produce, known}},
	} {
		e := newEngine()
		e.LearnTopics([]kafka.TopicID{{ID: id, Name: "orders"}})
		add(t, e, func(r *Rule) { r.Match, r.Action, r.Times = []Match{c.match}, ActionNote, -1 })
		for want, frames := range map[int][][]byte{1: c.hits, 0: c.not} {
			for _, frame := range frames {
				if request, _, _ := count(t, e, "lane-1", frame); len(request) != want {
					t.Errorf("%s: %d tickets for %q, want %d", c.name, len(request), frame, want)
				}
			}
		}
	}
}

func TestWhatCouldNotBeReadIsNeitherCommitNorAbort(t *testing.T) {
	for _, committed := range []bool{true, false} {
		e := newEngine()
		add(t, e, func(r *Rule) { r.Match[0].Committed = &committed })
		unread := wire.Request{Protocol: wire.Kafka, API: "EndTxn", KafkaRequest: &wire.KafkaRequest{}}
		request, _ := e.Count(Source{Lane: "lane-1"}, &unread)
		if len(request) != 0 {
			t.Errorf("committed %v: matched a body that was not read", committed)
		}
	}
}

func TestRuleCheck(t *testing.T) {
	yes, topic, negative := true, "orders", -3
	for _, c := range []struct {
		wrong  string
		change func(*Rule)
	}{
		{"id: missing", func(r *Rule) { r.ID = "" }},
		{"lanes, links: at least one is needed", func(r *Rule) { r.Lanes = nil }},
		{"lanes: a lane without name", func(r *Rule) { r.Lanes = []string{""} }},
		{"match: at least one is needed", func(r *Rule) { r.Match = nil }},
		{`match[0]: api: Kafka has no API "EndTx"`, func(r *Rule) { r.Match[0].API = "EndTx" }},
		{"match[0]: topic: a request of EndTxn has none", func(r *Rule) { r.Match[0].Topic = &topic }},
		{"match[0]: committed: a request of Produce has none", func(r *Rule) { r.Match[0] = Match{API: "Produce", Committed: &yes} }},
		{`at: "before" is none of`, func(r *Rule) { r.At = "before" }},
		{`action: "drop" is none of`, func(r *Rule) { r.Action = "drop" }},
		{`connection: "shut" is none of`, func(r *Rule) { r.Connection = "shut" }},
		{"nth: 0 is less than 1", func(r *Rule) { r.Nth = 0 }},
		{"times: 0 is neither -1 nor at least 1", func(r *Rule) { r.Times = 0 }},
		{"hold_ms_max: -3 is not within", func(r *Rule) { r.HoldMSMax = negative }},
		{"hold_ms_max: 9223372036854775807 is not within", func(r *Rule) { r.HoldMSMax = 1<<63 - 1 }},
	} {
		r := rule(c.change)
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%v, want %q", err, c.wrong)
		}
	}
	r := rule(func(*Rule) {})
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

func TestRulesByID(t *testing.T) {
	e := newEngine()
	add(t, e, func(*Rule) {})
	if err := e.AddRule(rule(func(*Rule) {})); !errors.Is(err, ErrRuleExists) {
		t.Errorf("the same id again: %v", err)
	}
	if err := errors.Join(e.RemoveRule("r"), e.RemoveRule("r")); !errors.Is(err, ErrNoRule) {
		t.Errorf("removed twice: %v", err)
	}
	if e.Watches(Source{Lane: "lane-1"}, wire.Kafka, "EndTxn") {
		t.Error("a removed rule is still watched for")
	}
}

// held fires a hold.
func held(t *testing.T, e *Engine) *Hold {
	t.Helper()
	request, _, frame := count(t, e, "lane-1", kafkatest.EndTxn(1, "tx", true))
	action, _, hold := e.Fire(request[0], Source{Lane: "lane-1"}, frame)
	if action != ActionHold {
		t.Fatalf("action %q", action)
	}
	return hold
}

// carryOut is what a relay does with a hold.
func carryOut(hold *Hold, ended <-chan struct{}, err error) {
	if v, ok := hold.Wait(ended, nil); ok {
		hold.Done(v, err)
	}
}

func TestRelease(t *testing.T) {
	deliver, drop := Verdict{Deliver: true}, Verdict{Fate: Reset}
	for _, c := range []struct {
		name   string
		v      Verdict
		failed error
		want   error
		event  string
	}{
		{"deliver", deliver, nil, nil, "released deliver"},
		{"drop", drop, nil, nil, "released drop"},
		{"cannot be delivered", deliver, errors.New("broken pipe"), ErrGone, "released drop"},
	} {
		e := newEngine()
		add(t, e, func(*Rule) {})
		hold := held(t, e)
		go carryOut(hold, nil, c.failed)
		if done, err := e.Release(hold.ID, c.v, kafkatest.Patience); !done || !errors.Is(err, c.want) {
			t.Errorf("%s: carried out %v, %v; want %v", c.name, done, err, c.want)
		}
		if got := kinds(e); !slices.Equal(got, []string{"held hold", c.event}) {
			t.Errorf("%s: events %q", c.name, got)
		}
		if _, err := e.Release(hold.ID, c.v, 0); !errors.Is(err, ErrNoHold) {
			t.Errorf("%s: released twice: %v", c.name, err)
		}
	}
}

func TestReleaseDoesNotWaitForEver(t *testing.T) {
	e := newEngine()
	add(t, e, func(*Rule) {})
	hold := held(t, e) // nobody carries it out
	if done, err := e.Release(hold.ID, Verdict{Deliver: true}, time.Millisecond); done || err != nil {
		t.Errorf("carried out %v, %v", done, err)
	}
}

func TestHoldThatIsGone(t *testing.T) {
	e := newEngine()
	add(t, e, func(*Rule) {})
	hold, ended := held(t, e), make(chan struct{})
	close(ended)
	carryOut(hold, ended, nil)
	if _, err := e.Release(hold.ID, Verdict{Deliver: true}, 0); !errors.Is(err, ErrGone) {
		t.Errorf("delivered: %v", err)
	}
	if done, err := e.Release(hold.ID, Verdict{Fate: Close}, 0); !done || err != nil {
		t.Errorf("dropped: %v, %v", done, err)
	}
	if got := kinds(e); !slices.Equal(got, []string{"held hold", "released drop"}) {
		t.Errorf("events %q", got)
	}
}

// A verdict that is on its way is carried out, although the connection has ended meanwhile.
func TestVerdictBeforeTheEnd(t *testing.T) {
	e := newEngine()
	add(t, e, func(*Rule) {})
	hold := held(t, e)
	_, _ = e.Release(hold.ID, Verdict{Deliver: true}, 0)
	if v, ok := hold.abandon("its connection has ended"); !ok || !v.Deliver {
		t.Errorf("%+v, %v", v, ok)
	}
}

func TestGoneHoldsAreForgottenInTheEnd(t *testing.T) {
	e := newEngine()
	add(t, e, func(r *Rule) { r.Times = -1 })
	ended := make(chan struct{})
	close(ended)
	for range goneLimit + 5 {
		carryOut(held(t, e), ended, nil)
	}
	if n := len(e.holds); n != goneLimit {
		t.Errorf("%d holds remembered", n)
	}
	if _, err := e.Release(1, Verdict{Deliver: true}, 0); !errors.Is(err, ErrNoHold) {
		t.Errorf("the oldest: %v", err)
	}
}

func TestHoldsThatEndByThemselves(t *testing.T) {
	for name, end := range map[string]func(*Engine){
		"hold_ms_max": func(*Engine) {},
		"removal":     func(e *Engine) { _ = e.RemoveRule("r") },
	} {
		e := newEngine()
		add(t, e, func(r *Rule) { r.HoldMSMax = map[string]int{"hold_ms_max": 1}[name] })
		hold := held(t, e)
		end(e)
		if v, ok := hold.Wait(nil, nil); !ok || !v.Deliver {
			t.Errorf("%s: %+v, %v", name, v, ok)
		}
	}
}

func TestARemovedRuleDoesNothing(t *testing.T) {
	e := newEngine()
	add(t, e, func(r *Rule) { r.Action = ActionLose })
	request, _, frame := count(t, e, "lane-1", kafkatest.EndTxn(1, "tx", true))
	_ = e.RemoveRule("r")
	if action, _, _ := e.Fire(request[0], Source{}, frame); action != ActionNote || len(kinds(e)) != 0 {
		t.Errorf("action %q, events %q", action, kinds(e))
	}
}

func TestTopicNamesAreBounded(t *testing.T) {
	var names topicNames
	names.learn(make([]kafka.TopicID, 1))
	for i := range namesLimit {
		names.byID[strconv.Itoa(i)] = "full"
	}
	names.learn([]kafka.TopicID{{ID: "id", Name: "orders"}})
	topics := []kafka.Topic{{ID: "id"}, {Topic: "by name"}}
	if names.fill(topics); len(names.byID) != 1 || topics[0].Topic != "orders" || topics[1].Topic != "by name" {
		t.Errorf("%d names, %+v", len(names.byID), topics)
	}
}
