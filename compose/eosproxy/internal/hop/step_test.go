package hop

import (
	"errors"
	"slices"
	"testing"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
	"eosproxy/internal/wire"
)

func TestHeldRequestIsDelivered(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(*engine.Rule) {})
	c := connect(t, h)
	before, held, after := kafkatest.Heartbeat(1), kafkatest.EndTxn(2, "tx", true), kafkatest.Heartbeat(3)
	c.send(before, held, after)
	hold := r.held()
	c.wants(before) // what comes down is not held up
	c.wantsNothing()
	if got := broker.Received(); !slices.Equal(got, []int32{1}) {
		t.Fatalf("the broker got %v while a request was held", got)
	}
	r.release(hold, deliver())
	c.wants(held, after)
	if got := broker.Received(); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("the broker got %v", got)
	}
	released := r.event(engine.Released)
	if released.Action != "deliver" || released.Hold != hold || released.CorrelationID != 2 || released.Rule != "rule" {
		t.Errorf("released: %+v, frame %+v", released, released.Frame)
	}
}

func TestHeldReplyIsDelivered(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(rule *engine.Rule) { rule.At = engine.Reply })
	c := connect(t, h)
	held, after := kafkatest.EndTxn(1, "tx", true), kafkatest.Heartbeat(2)
	c.send(held, after)
	hold := r.held()
	eventually(t, "requests go on", func() bool { return broker.Has(2) })
	c.wantsNothing()
	if ev := r.event(engine.Held); ev.At != engine.Reply || ev.TransactionalID != "tx" || ev.Committed == nil {
		t.Errorf("held: %+v", ev.Frame)
	}
	r.release(hold, deliver())
	c.wants(held, after)
}

func TestDropAndLose(t *testing.T) {
	for _, at := range []string{engine.Request, engine.Reply} {
		for _, action := range []string{engine.ActionHold, engine.ActionLose} {
			for _, fate := range fates {
				t.Run(at+" "+action+" "+string(fate), func(t *testing.T) {
					t.Parallel()
					dropOrLose(t, at, action, fate)
				})
			}
		}
	}
}

func dropOrLose(t *testing.T, at, action string, fate engine.Fate) {
	r, h, broker := lane(t)
	r.rule(func(rule *engine.Rule) { rule.At, rule.Action, rule.Connection = at, action, fate })
	c := connect(t, h)
	before, lost, after := kafkatest.Heartbeat(1), kafkatest.EndTxn(2, "tx", true), kafkatest.Heartbeat(3)
	c.ask(before)
	c.send(lost)
	kind := engine.Lost
	if action == engine.ActionHold {
		r.release(r.held(), drop(fate))
		kind = engine.Released
	}
	c.wantsEnd(fate)
	ev := r.event(kind)
	if ev.CorrelationID != 2 || ev.At != at || kind == engine.Released && ev.Action != "drop" {
		t.Errorf("%s: %+v, frame %+v", kind, ev, ev.Frame)
	}
	if fate != engine.Open {
		if ev := r.event(engine.Closed); ev.Connection == 0 || ev.Lane != "lane-1" {
			t.Errorf("closed: %+v", ev)
		}
		eventually(t, "the connection is gone", func() bool { return h.State().OpenConnections == 0 })
		return
	}
	c.send(after) // the connection is there, but nothing gets through any more in the direction of the loss
	c.wantsNothing()
	if got, want := broker.Has(3), at == engine.Reply; got != want || broker.Has(2) != want {
		t.Errorf("the broker got %v", broker.Received())
	}
	_ = c.Close()
	eventually(t, "the connection is gone", func() bool { return h.State().OpenConnections == 0 })
	fresh := connect(t, h) // and the client's next connection works
	fresh.ask(kafkatest.EndTxn(4, "tx", true))
}

func TestNothingIsDroppedInFrontOfALostRequest(t *testing.T) {
	for _, fate := range fates {
		r, h, broker := lane(t)
		r.rule(func(rule *engine.Rule) { rule.Action, rule.Connection = engine.ActionLose, fate })
		connect(t, h).send(kafkatest.Heartbeat(1), kafkatest.Heartbeat(2), kafkatest.EndTxn(3, "tx", true))
		eventually(t, "what was sent before is there", func() bool { return broker.Has(2) })
		if broker.Has(3) {
			t.Error("the lost request is there")
		}
	}
}

func TestCountingOverConnectionsOfALane(t *testing.T) {
	r, first, broker := lane(t)
	second := r.hop("lane-1", "lane-1/broker-2", broker.Address(), Kafka)
	other := r.hop("lane-2", "lane-2/broker-1", broker.Address(), Kafka)
	yes := true
	r.rule(func(rule *engine.Rule) {
		rule.Action, rule.Nth, rule.Times, rule.Match[0].Committed = engine.ActionNote, 3, 2, &yes
	})
	for i, h := range []*Hop{first, second, other, first, second, first} { // over as many connections
		c := connect(t, h)
		c.ask(kafkatest.EndTxn(int32(10*i), "tx", false))
		c.ask(kafkatest.EndTxn(int32(10*i+1), "tx", true))
	}
	var noted []int32
	for _, ev := range r.events(engine.Noted, 2) {
		noted = append(noted, ev.CorrelationID)
	}
	if !slices.Equal(noted, []int32{31, 41}) {
		t.Errorf("noted %v", noted)
	}
	if state := r.engine.Rules()[0]; state.Seen != 5 || state.Fired != 2 {
		t.Errorf("seen %d, fired %d", state.Seen, state.Fired)
	}
}

func TestRulesActOneAfterAnother(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(func(rule *engine.Rule) { rule.ID = "first" })
	r.rule(func(rule *engine.Rule) {
		rule.ID, rule.Action, rule.Connection = "second", engine.ActionLose, engine.Reset
	})
	c := connect(t, h)
	c.send(kafkatest.EndTxn(1, "tx", true))
	r.release(r.held(), deliver())
	c.wantsEnd(engine.Reset)
	if ev := r.event(engine.Lost); ev.Rule != "second" {
		t.Errorf("lost by %q", ev.Rule)
	}
}

func TestRemovedRuleDeliversWhatItHolds(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(func(*engine.Rule) {})
	c := connect(t, h)
	request := kafkatest.EndTxn(1, "tx", true)
	c.send(request)
	r.held()
	mustBeQuick(t, func() error { return r.engine.RemoveRule("rule") })
	c.wants(request)
}

func TestHoldEndsByItself(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(func(rule *engine.Rule) { rule.HoldMSMax = 30 })
	c := connect(t, h)
	begin := time.Now()
	c.ask(kafkatest.EndTxn(1, "tx", true))
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("held for %v", took)
	}
}

func TestHeldRequestOutlivesItsClient(t *testing.T) {
	for _, fate := range []engine.Fate{engine.Close, engine.Reset} {
		r, h, broker := lane(t)
		r.rule(func(*engine.Rule) {})
		c := connect(t, h)
		c.ask(kafkatest.Heartbeat(1))
		c.send(kafkatest.EndTxn(2, "tx", true))
		hold := r.held()
		if fate == engine.Reset {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
		time.Sleep(blink)
		r.release(hold, deliver())
		eventually(t, "the request of the client that is gone", func() bool { return broker.Has(2) })
		eventually(t, "the connection is gone", func() bool { return h.State().OpenConnections == 0 })
	}
}

// Not even replies that find the client gone end the hold.
func TestHeldRequestOutlivesRepliesToNobody(t *testing.T) {
	r, h, broker := lane(t)
	answer := make(chan struct{})
	broker.Answer = func(frame []byte) []byte {
		<-answer
		return kafkatest.Reply(kafkatest.CorrelationID(frame), make([]byte, 1<<20))
	}
	r.rule(func(*engine.Rule) {})
	c := connect(t, h)
	c.send(kafkatest.Heartbeat(1), kafkatest.Heartbeat(2), kafkatest.EndTxn(3, "tx", true))
	hold := r.held()
	_ = c.SetLinger(0)
	_ = c.Close()
	close(answer)
	eventually(t, "the broker has answered", func() bool { return broker.Has(2) })
	time.Sleep(blink)
	r.release(hold, deliver())
	eventually(t, "the held request", func() bool { return broker.Has(3) })
}

// A connection that is left open shows its client nothing any more, not even that the upstream has ended.
func TestOpenConnectionHidesTheEnd(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(rule *engine.Rule) {
		rule.At, rule.Action, rule.Connection = engine.Reply, engine.ActionLose, engine.Open
	})
	c := connect(t, h)
	c.send(kafkatest.EndTxn(1, "tx", true))
	r.event(engine.Lost)
	broker.Close()
	c.wantsNothing()
	_ = c.Close()
	eventually(t, "the connection is gone", func() bool { return h.State().OpenConnections == 0 })
}

// A client that goes on to write into a closed connection meets no reset.
func TestCloseIsNoReset(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(func(rule *engine.Rule) { rule.Action = engine.ActionLose })
	c := connect(t, h)
	big := kafkatest.Produce(2, -1, "orders", kafkatest.Records{Bytes: make([]byte, 5*readBuffer)})
	c.send(kafkatest.EndTxn(1, "tx", true), big)
	r.event(engine.Closed)
	for range 2 { // the first would cause the reset, the second meet it
		time.Sleep(blink)
		c.send(big)
	}
	c.wantsEnd(engine.Close)
}

func TestNothingIsCountedAfterTheEnd(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(rule *engine.Rule) { rule.At, rule.Action, rule.Times = engine.Reply, engine.ActionLose, -1 })
	c := connect(t, h)
	c.send(kafkatest.EndTxn(1, "tx", true))
	c.wantsEnd(engine.Close)
	c.send(kafkatest.EndTxn(2, "tx", true)) // the client has not noticed yet
	time.Sleep(blink)
	if state := r.engine.Rules()[0]; state.Seen != 1 || broker.Has(2) {
		t.Errorf("seen %d, the broker got %v", state.Seen, broker.Received())
	}
}

// A late reply to a client that is gone is still noted: it proves that the delayed request was answered.
func TestLateReplyIsNoted(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(func(rule *engine.Rule) { rule.ID = "hold" })
	r.rule(func(rule *engine.Rule) { rule.ID, rule.At, rule.Action = "note", engine.Reply, engine.ActionNote })
	c := connect(t, h)
	c.send(kafkatest.EndTxn(1, "tx", true))
	hold := r.held()
	_ = c.Close()
	r.release(hold, deliver())
	r.event(engine.Noted)
}

func TestHeldReplyWhoseClientIsGone(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(rule *engine.Rule) { rule.At = engine.Reply })
	c := connect(t, h)
	c.send(kafkatest.EndTxn(1, "tx", true))
	hold := r.held()
	_ = c.Close()
	if ev := r.event(engine.Released); ev.Action != "drop" || ev.Reason == "" {
		t.Errorf("released: %+v", ev)
	}
	if _, err := r.engine.Release(hold, deliver(), 0); !errors.Is(err, engine.ErrGone) {
		t.Errorf("delivered to nobody: %v", err)
	}
	r.release(hold, drop(engine.Close))
	if !broker.Has(1) {
		t.Error("the request did not get through")
	}
	eventually(t, "the connection is gone", func() bool { return h.State().OpenConnections == 0 })
}

func TestHeldRequestWhoseUpstreamIsGone(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(*engine.Rule) {})
	c := connect(t, h)
	c.send(kafkatest.EndTxn(1, "tx", true))
	hold := r.held()
	broker.Close()
	r.event(engine.Released)
	if _, err := r.engine.Release(hold, deliver(), 0); !errors.Is(err, engine.ErrGone) {
		t.Errorf("delivered to nobody: %v", err)
	}
	c.wantsEnd(engine.Close)
}

func TestHeldFrameOfADisabledHop(t *testing.T) {
	for _, at := range []string{engine.Request, engine.Reply} {
		r, h, _ := lane(t)
		r.rule(func(rule *engine.Rule) { rule.At = at })
		c := connect(t, h)
		c.send(kafkatest.EndTxn(1, "tx", true))
		hold := r.held()
		h.must(t, Change{Enabled: ptr(false)})
		r.event(engine.Released)
		if _, err := r.engine.Release(hold, deliver(), 0); !errors.Is(err, engine.ErrGone) {
			t.Errorf("%s: delivered to nobody: %v", at, err)
		}
		c.wantsEnd(engine.Close)
	}
}

func TestHeldFrameIsLargerThanMemoryAllows(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(func(rule *engine.Rule) { rule.Match[0].API = "Produce" })
	c := connect(t, h)
	records := make([]byte, wire.FrameLimit+1234)
	for i := range records {
		records[i] = byte(i * i >> 7)
	}
	request := kafkatest.Produce(1, -1, "orders", kafkatest.Records{Bytes: records})
	go c.send(request)
	r.release(r.held(), deliver())
	c.wants(request)
}

// The partition that a rule names may lie behind more records than fit into the buffers.
func TestPartitionBehindManyRecords(t *testing.T) {
	r, h, _ := lane(t)
	topic, partition := "orders", int32(5)
	r.rule(func(rule *engine.Rule) {
		rule.Action, rule.Match[0] = engine.ActionNote, engine.Match{API: "Produce", Topic: &topic, Partition: &partition}
	})
	c := connect(t, h)
	records := make([]byte, 3*readBuffer)
	c.ask(kafkatest.Produce(1, -1, "orders", kafkatest.Records{Partition: 4, Bytes: records}))
	c.ask(kafkatest.Produce(2, -1, "orders", kafkatest.Records{Partition: 4, Bytes: records}, kafkatest.Records{Partition: 5}))
	ev := r.event(engine.Noted)
	if ev.CorrelationID != 2 || !slices.Equal(ev.Topics[0].Partitions, []int32{4, 5}) {
		t.Errorf("noted: %+v", ev.Frame)
	}
}

func TestTopicIDsAreLearnt(t *testing.T) {
	const id = "ASNFZ4mrze8RIjNEVWZ3iA"
	r, h, broker := lane(t)
	broker.Answer = func(frame []byte) []byte {
		if frame[5] == 3 {
			return kafkatest.MetadataReply(kafkatest.CorrelationID(frame), id, "orders")
		}
		return kafkatest.Echo(frame)
	}
	topic := "orders"
	r.rule(func(rule *engine.Rule) {
		rule.Action, rule.Match[0] = engine.ActionNote, engine.Match{API: "Produce", Topic: &topic}
	})
	c := connect(t, h)
	c.ask(kafkatest.ProduceByID(1, id, 0)) // not known yet
	c.send(kafkatest.Metadata(2))
	if reply, err := kafkatest.ReadFrame(c); err != nil || len(reply) == 0 {
		t.Fatal(err)
	}
	c.ask(kafkatest.ProduceByID(3, id, 0))
	ev := r.event(engine.Noted)
	if ev.CorrelationID != 3 || ev.Topics[0].Topic != "orders" || ev.Topics[0].ID != id {
		t.Errorf("noted: %+v", ev.Frame)
	}
}
