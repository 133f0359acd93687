package hop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
)

// blink is how long tests watch that nothing happens.
const blink = 50 * time.Millisecond

// A rig is a set of hops with its engine.
type rig struct {
	t      *testing.T
	engine *engine.Engine
	set    *Set
}

func newRig(t *testing.T) *rig {
	eng := engine.New(engine.NewLog(10_000))
	r := &rig{t: t, engine: eng, set: NewSet(Options{Engine: eng, DialTimeout: kafkatest.Patience})}
	t.Cleanup(func() { r.set.Close(kafkatest.Patience) })
	return r
}

// hop makes a hop of a lane, named as the lane with a suffix.
func (r *rig) hop(lane, name, upstream, protocol string) *Hop {
	r.t.Helper()
	_, err := r.set.Create([]Config{{
		Name: name, Lane: lane, Listen: "127.0.0.1:0", Upstream: upstream, Protocol: protocol,
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	h, err := r.set.Get(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// lane is one hop of lane-1 with a broker behind it.
func lane(t *testing.T) (*rig, *Hop, *kafkatest.Broker) {
	t.Helper()
	broker := kafkatest.NewBroker(t)
	r := newRig(t)
	return r, r.hop("lane-1", "lane-1/broker-1", broker.Address(), Kafka), broker
}

// rule adds a rule on EndTxn of lane-1.
func (r *rig) rule(change func(*engine.Rule)) {
	r.t.Helper()
	rule := engine.NewRule()
	rule.ID, rule.Lanes, rule.Match = "rule", []string{"lane-1"}, []engine.Match{{API: "EndTxn"}}
	rule.At, rule.Action = engine.Request, engine.ActionHold
	change(&rule)
	if err := errors.Join(rule.Check(), r.engine.AddRule(rule)); err != nil {
		r.t.Fatal(err)
	}
}

// event waits for the first event of a kind, after those already known.
func (r *rig) event(kind string) engine.Event {
	r.t.Helper()
	return r.events(kind, 1)[0]
}

// events waits for n events of a kind.
func (r *rig) events(kind string, n int) (found []engine.Event) {
	r.t.Helper()
	kafkatest.Eventually(r.t, kind, func() bool {
		all, _ := r.engine.Log.Since(0)
		found = slices.DeleteFunc(all, func(ev engine.Event) bool { return ev.Kind != kind })
		return len(found) >= n
	})
	return found
}

// held waits for a hold.
func (r *rig) held() uint64 {
	r.t.Helper()
	return r.event(engine.Held).Hold
}

func (r *rig) release(hold uint64, v engine.Verdict) {
	r.t.Helper()
	if done, err := r.engine.Release(hold, v, kafkatest.Patience); !done || err != nil {
		r.t.Fatalf("release of hold %d: carried out %v, %v", hold, done, err)
	}
}

func deliver() engine.Verdict              { return engine.Verdict{Deliver: true} }
func drop(fate engine.Fate) engine.Verdict { return engine.Verdict{Fate: fate} }
func (h *Hop) must(t *testing.T, c Change) {
	t.Helper()
	mustBeQuick(t, func() error { return h.Apply(c) })
}
func gates(requests, replies string) Change { return Change{Requests: &requests, Replies: &replies} }

// mustBeQuick fails when a change waits for anybody.
func mustBeQuick(t *testing.T, change func() error) {
	t.Helper()
	begin := time.Now()
	if err := change(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Fatalf("a change took %v", took)
	}
}

// A client is connected to a hop.
type client struct {
	*net.TCPConn
	t *testing.T
}

func connect(t *testing.T, h *Hop) *client {
	t.Helper()
	c, err := net.Dial("tcp", h.State().Listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * kafkatest.Patience))
	return &client{c.(*net.TCPConn), t}
}

func (c *client) send(frames ...[]byte) {
	c.t.Helper()
	if _, err := c.Write(bytes.Join(frames, nil)); err != nil {
		c.t.Fatal(err)
	}
}

// wants reads the replies to these requests, in this order.
func (c *client) wants(requests ...[]byte) {
	c.t.Helper()
	for _, request := range requests {
		reply, err := kafkatest.ReadFrame(c)
		if want := kafkatest.Echo(request); err != nil || !bytes.Equal(reply, want) {
			c.t.Fatalf("reply %q (%v), want %q", reply, err, want)
		}
	}
}

// ask sends a request and reads its reply.
func (c *client) ask(request []byte) {
	c.t.Helper()
	c.send(request)
	c.wants(request)
}

// wantsNothing watches for a blink that nothing comes, not even an end.
func (c *client) wantsNothing() {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(blink))
	n, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		c.t.Fatalf("read %d bytes, %v; want nothing", n, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(2 * kafkatest.Patience))
}

// wantsEnd reads what a connection comes to.
func (c *client) wantsEnd(fate engine.Fate) {
	c.t.Helper()
	if fate == engine.Open {
		c.wantsNothing()
		return
	}
	want := map[engine.Fate]error{engine.Close: io.EOF, engine.Reset: syscall.ECONNRESET}[fate]
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, want) {
		c.t.Fatalf("read %d bytes, %v; want %v", n, err, want)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	kafkatest.Eventually(t, what, is)
}

var fates = []engine.Fate{engine.Close, engine.Reset, engine.Open}
