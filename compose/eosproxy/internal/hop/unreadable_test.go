package hop

import (
	"io"
	"strings"
	"testing"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
)

// What cannot begin a frame is refused with a reason.
func TestNoKafkaAtAll(t *testing.T) {
	for wrong, bytes := range map[string]string{
		"TLS handshake":                 "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		`"GET " cannot begin`:           "GET / HTTP/1.1\r\n\r\n",
		`"\xff\xff\xff\xff" cannot beg`: "\xff\xff\xff\xff",
	} {
		r, h, broker := lane(t)
		c := connect(t, h)
		c.send([]byte(bytes))
		c.wantsEnd(engine.Close)
		if ev := r.event(engine.Unreadable); !strings.Contains(ev.Reason, wrong) || ev.Lane != "lane-1" {
			t.Errorf("%+v, want %q", ev, wrong)
		}
		if got := broker.Received(); len(got) != 0 {
			t.Errorf("the broker got %v", got)
		}
		connect(t, h).ask(kafkatest.Heartbeat(1))
	}
}

// What begins like a frame is relayed, whatever is in it, and announced once per connection.
func TestOddFramesAreRelayed(t *testing.T) {
	for _, c := range []struct {
		name, wrong string
		frame       []byte
		announced   bool
	}{
		{"unknown API", "unknown API key 4711", kafkatest.Request(4711, 3, 1, nil), true},
		{"negative version", "EndTxn of version -1", kafkatest.Request(26, -1, 1, nil), true},
		{"unknown version", "EndTxn of version 99", kafkatest.FlexibleRequest(26, 99, 1, make([]byte, 30)), true},
		{"unwatched unknown version", "", kafkatest.FlexibleRequest(11, 99, 1, make([]byte, 30)), false},
		{"unknown version of Produce", "", kafkatest.FlexibleRequest(0, 99, 1, make([]byte, 30)), false},
		{"torn body", "ends in the middle of its body", kafkatest.Request(26, 1, 1, []byte{0, 2}), true},
		{"torn header", "ends in the middle of its header", kafkatest.Frame([]byte{0, 12, 0, 3, 0, 0, 0, 1, 0, 9}), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, h, _ := lane(t)
			r.rule(func(rule *engine.Rule) {
				committed := false
				rule.Match[0].Committed, rule.Action, rule.Times = &committed, engine.ActionLose, -1
			})
			client := connect(t, h)
			client.ask(c.frame)
			client.ask(c.frame)
			client.ask(kafkatest.Heartbeat(2))
			if !c.announced {
				if events, _ := r.engine.Log.Since(0); len(events) != 1 {
					t.Errorf("%d events, the last is %+v", len(events), events[len(events)-1])
				}
				return
			}
			if all := r.events(engine.Unreadable, 1); len(all) != 1 || !strings.Contains(all[0].Reason, c.wrong) {
				t.Errorf("%d announced, the first: %+v", len(all), all[0])
			}
		})
	}
}

func TestOddReplies(t *testing.T) {
	for wrong, reply := range map[string][]byte{
		"a reply of correlation id 4711, but no such request": kafkatest.Reply(4711, nil),
		"a reply of 6 bytes has no correlation id":            kafkatest.Frame([]byte{1, 2}),
		"a reply of 4 bytes has no correlation id":            kafkatest.Frame(nil),
	} {
		r, h, broker := lane(t)
		broker.Answer = func(frame []byte) []byte { return append(reply[:len(reply):len(reply)], kafkatest.Echo(frame)...) }
		c := connect(t, h)
		c.send(kafkatest.Heartbeat(1))
		if got := make([]byte, len(reply)); true {
			if _, err := io.ReadFull(c, got); err != nil || string(got) != string(reply) {
				t.Errorf("%q (%v), want %q", got, err, reply)
			}
		}
		c.wants(kafkatest.Heartbeat(1))
		if ev := r.event(engine.Unreadable); ev.Reason != wrong {
			t.Errorf("%q, want %q", ev.Reason, wrong)
		}
	}
}

func TestReplyThatIsNoFrame(t *testing.T) {
	r, h, broker := lane(t)
	broker.Answer = func([]byte) []byte { return []byte("\x15\x03\x03\x00\x02\x02\x46") } // a TLS alert
	c := connect(t, h)
	c.send(kafkatest.Heartbeat(1))
	c.wantsEnd(engine.Close)
	r.event(engine.Unreadable)
}

// A Produce with acks=0 has no reply, so that the next reply is not taken for its own.
func TestProduceWithoutReply(t *testing.T) {
	r, h, broker := lane(t)
	broker.Answer = func(frame []byte) []byte {
		if frame[5] == 0 {
			return nil
		}
		return kafkatest.Echo(frame)
	}
	r.rule(func(rule *engine.Rule) {
		rule.At, rule.Action = engine.Reply, engine.ActionNote
		rule.Match = []engine.Match{{API: "Produce"}, {API: "EndTxn"}}
		rule.Times = -1
	})
	c := connect(t, h)
	c.send(kafkatest.Produce(7, 0, "orders", kafkatest.Records{Bytes: make([]byte, 5000)}))
	c.send(kafkatest.Produce(7, 0, "orders", kafkatest.Records{Bytes: make([]byte, 100_000)}))
	c.ask(kafkatest.EndTxn(7, "tx", true)) // of the same correlation id, to be mistaken for them
	if all := r.events(engine.Noted, 1); len(all) != 1 || all[0].API != "EndTxn" || all[0].N != 3 {
		t.Errorf("%d noted, the first: %+v", len(all), all[0])
	}
	eventually(t, "all three are there", func() bool { return len(broker.Received()) == 3 })
}

// After SaslHandshake 0 come tokens without a header, which may look like anything.
func TestBareSaslTokens(t *testing.T) {
	r, h, broker := lane(t)
	r.rule(func(rule *engine.Rule) { rule.Action, rule.Connection = engine.ActionLose, engine.Close })
	c := connect(t, h)
	c.ask(kafkatest.Request(17, 0, 1, []byte("\x00\x05PLAIN")))
	c.ask(kafkatest.EndTxn(2, "a token that looks like an EndTxn", true))
	if ev := r.event(engine.Unreadable); !strings.Contains(ev.Reason, "SaslHandshake of version 0") {
		t.Errorf("%+v", ev)
	}
	if !broker.Has(2) {
		t.Error("the token did not get through")
	}
	c = connect(t, h) // version 1 changes nothing
	c.ask(kafkatest.Request(17, 1, 1, []byte("\x00\x05PLAIN")))
	c.send(kafkatest.EndTxn(2, "tx", true))
	c.wantsEnd(engine.Close)
}

func TestConnectionThatEndsInTheMiddleOfAFrame(t *testing.T) {
	r, h, _ := lane(t)
	r.rule(func(*engine.Rule) {}) // a frame that never comes whole is never held
	c := connect(t, h)
	request := kafkatest.EndTxn(1, "tx", true)
	c.send(request[:len(request)-1])
	_ = c.CloseWrite()
	c.wantsEnd(engine.Close)
	r.event(engine.Closed)
	if events, _ := r.engine.Log.Since(0); len(events) != 2 {
		t.Errorf("events %+v", events)
	}
}
