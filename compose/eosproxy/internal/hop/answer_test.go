package hop

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
)

// endTxnError is the reply to an EndTxn of version 1 that failed.
func endTxnError(correlationID int32, code byte) []byte {
	return kafkatest.Reply(correlationID, []byte{0, 0, 0, 0, 0, code})
}

func (c *client) wantsReply(want []byte) {
	c.t.Helper()
	if reply, err := kafkatest.ReadFrame(c); err != nil || !bytes.Equal(reply, want) {
		c.t.Fatalf("reply %q (%v), want %q", reply, err, want)
	}
}

func refuse(rule *engine.Rule) { rule.Action, rule.Error = engine.ActionRefuse, "16" }
func replace(rule *engine.Rule) {
	rule.At, rule.Action, rule.Error = engine.Reply, engine.ActionReplace, "16"
}

// A refused request does not get through, and its answer takes its place among the replies, even if those before it
// are late.
func TestRefused(t *testing.T) {
	r, h, broker := lane(t)
	late := make(chan struct{})
	broker.Answer = func(frame []byte) []byte {
		if kafkatest.CorrelationID(frame) == 1 {
			<-late
		}
		return kafkatest.Echo(frame)
	}
	r.rule(refuse)
	c := connect(t, h)
	first, second, third := kafkatest.Heartbeat(1), kafkatest.EndTxn(2, "tx", true), kafkatest.Heartbeat(3)
	c.send(first, second, third)
	ev := r.event(engine.Refused)
	if ev.Error != "16" || ev.Protocol != "kafka" || ev.API != "EndTxn" || ev.TransactionalID != "tx" || ev.N != 1 || ev.Action != "refuse" {
		t.Errorf("%+v of %+v", ev, ev.Frame)
	}
	c.wantsNothing()
	close(late)
	c.wants(first)
	c.wantsReply(endTxnError(2, 16))
	c.wants(third)
	if got := broker.Received(); !slices.Equal(got, []int32{1, 3}) {
		t.Errorf("the broker got %v", got)
	}
	c.ask(kafkatest.EndTxn(4, "tx", true)) // once only
}

// The answer comes although the broker has nothing to say.
func TestRefusedAlone(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(rule *engine.Rule) { refuse(rule); rule.Times, rule.Nth = -1, 2 })
	c := connect(t, h)
	c.ask(kafkatest.EndTxn(1, "tx", true))
	for id := range int32(50) {
		c.send(kafkatest.EndTxn(2+id, "tx", true))
		c.wantsReply(endTxnError(2+id, 16))
	}
	r.events(engine.Refused, 50)
	if got := broker.Received(); !slices.Equal(got, []int32{1}) {
		t.Errorf("the broker got %v", got)
	}
}

func TestReplaced(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(rule *engine.Rule) { replace(rule); rule.Times = 2 })
	c := connect(t, h)
	c.send(kafkatest.EndTxn(1, "tx", true), kafkatest.Heartbeat(2), kafkatest.EndTxn(3, "tx", false))
	c.wantsReply(endTxnError(1, 16))
	c.wants(kafkatest.Heartbeat(2))
	c.wantsReply(endTxnError(3, 16))
	c.ask(kafkatest.EndTxn(4, "tx", true))
	if got := broker.Received(); !slices.Equal(got, []int32{1, 2, 3, 4}) {
		t.Errorf("the broker got %v", got)
	}
	replaced := r.events(engine.Replaced, 2)
	if ev := replaced[1]; ev.At != engine.Reply || ev.Error != "16" || ev.CorrelationID != 3 || ev.N != 2 {
		t.Errorf("%+v of %+v", ev, ev.Frame)
	}
}

// A Produce is answered for the partitions in it, however large its records are; one without acks gets no answer.
func TestRefusedProduce(t *testing.T) {
	r, h, broker := lane(t)
	partition := int32(7)
	r.rule(func(rule *engine.Rule) {
		refuse(rule)
		rule.Times, rule.Error = -1, "6"
		rule.Match = []engine.Match{{API: "Produce", Topic: ptr("orders"), Partition: &partition}}
	})
	c := connect(t, h)
	large := kafkatest.Records{Partition: 3, Bytes: make([]byte, 1<<20)}
	other := kafkatest.Produce(1, -1, "orders", large)
	c.ask(other)
	c.send(kafkatest.Produce(2, -1, "orders", large, kafkatest.Records{Partition: 7, Bytes: []byte("x")}))
	reply, err := kafkatest.ReadFrame(c)
	if err != nil || kafkatest.CorrelationIDOfReply(reply) != 2 || bytes.Count(reply, []byte{0, 6, 255, 255, 255, 255, 255, 255, 255, 255}) != 2 {
		t.Fatalf("%x, %v", reply, err)
	}
	c.send(kafkatest.Produce(3, 0, "orders", kafkatest.Records{Partition: 7, Bytes: []byte("x")}))
	r.events(engine.Refused, 2)
	c.ask(kafkatest.Heartbeat(4))
	if got := broker.Received(); !slices.Equal(got, []int32{1, 4}) {
		t.Errorf("the broker got %v", got)
	}
}

// What cannot be answered passes, and that is told: never an answer that nobody could read.
func TestUnanswerable(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(func(rule *engine.Rule) {
		refuse(rule)
		rule.Times, rule.Match = -1, []engine.Match{{API: "EndTxn"}, {API: "Metadata"}}
	})
	c := connect(t, h)
	c.ask(kafkatest.FlexibleRequest(26, 99, 1, []byte("whatever")))
	c.ask(kafkatest.Request(3, 1, 2, []byte{255, 255, 255, 255})) // of all topics, and no place for another error
	reasons := ""
	for _, ev := range r.events(engine.Unreadable, 3) { // a version that is not known is told of once more
		reasons += ev.Reason + "\n"
	}
	for _, want := range []string{
		"rule rule does nothing: EndTxn of version 99 is not known",
		"rule rule does nothing: Metadata of version 1: its reply has no place for an error",
	} {
		if !strings.Contains(reasons, want) {
			t.Errorf("%q is not in %q", want, reasons)
		}
	}
}

// An answer passes the gate, and waits there.
func TestRefusedWhileWithheld(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(refuse)
	c := connect(t, h)
	c.ask(kafkatest.Heartbeat(1))
	h.must(t, gates(Pass, Withhold))
	c.send(kafkatest.EndTxn(2, "tx", true))
	r.event(engine.Refused)
	c.wantsNothing()
	h.must(t, gates(Pass, Pass))
	c.wantsReply(endTxnError(2, 16))
}

// A rule on links counts what passes between two brokers, and nothing else.
func TestLinks(t *testing.T) {
	r, onLane, broker := lane(t)
	link := func(name, of string) *Hop {
		_, err := r.set.Create([]Config{{Name: name, Link: of, Listen: "127.0.0.1:0", Upstream: broker.Address(), Protocol: Kafka}})
		if err != nil {
			t.Fatal(err)
		}
		h, _ := r.set.Get(name)
		return h
	}
	there, back := link("link/1-2/INTERNAL", "1-2"), link("link/2-1/INTERNAL", "2-1")
	r.rule(func(rule *engine.Rule) {
		refuse(rule)
		rule.Lanes, rule.Links, rule.Times = nil, []string{"1-2"}, -1
	})
	connect(t, onLane).ask(kafkatest.EndTxn(1, "tx", true))
	connect(t, back).ask(kafkatest.EndTxn(2, "tx", true))
	c := connect(t, there)
	c.send(kafkatest.EndTxn(3, "tx", true))
	c.wantsReply(endTxnError(3, 16))
	if ev := r.event(engine.Refused); ev.Link != "1-2" || ev.Lane != "" || ev.Hop != "link/1-2/INTERNAL" {
		t.Errorf("%+v", ev)
	}
	time.Sleep(blink)
	if rules := r.engine.Rules(); rules[0].Seen != 1 {
		t.Errorf("%d requests were counted", rules[0].Seen)
	}
}
