package hop

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
)

func TestWithheldRequests(t *testing.T) {
	_, h, broker := lane(t)
	c := connect(t, h)
	c.ask(kafkatest.Heartbeat(1))
	h.must(t, gates(Withhold, Pass))
	late := [][]byte{kafkatest.Heartbeat(2), kafkatest.Heartbeat(3)}
	c.send(late...)
	fresh := connect(t, h) // new connections are withheld too
	fresh.send(kafkatest.Heartbeat(4))
	want := int64(3 * len(late[0]))
	eventually(t, "bytes are counted", func() bool { return h.State().WithheldUp == want })
	c.wantsNothing()
	if got := broker.Received(); len(got) != 1 {
		t.Fatalf("the broker got %v through a shut gate", got)
	}
	if s := h.State(); s.Requests != Withhold || s.Replies != Pass || s.WithheldDown != 0 || s.BytesUp != want/3 {
		t.Errorf("state %+v", s)
	}
	h.must(t, gates(Pass, Pass))
	c.wants(late...)
	fresh.wants(kafkatest.Heartbeat(4))
	if s := h.State(); s.WithheldUp != want || s.Requests != Pass { // what was withheld last is still told
		t.Errorf("state %+v", s)
	}
	h.must(t, gates(Withhold, Pass))
	if got := h.State().WithheldUp; got != 0 {
		t.Errorf("%d bytes withheld by a gate that was just shut", got)
	}
}

func TestWithheldReplies(t *testing.T) {
	_, h, broker := lane(t)
	c := connect(t, h)
	h.must(t, gates(Pass, Withhold))
	requests := [][]byte{kafkatest.Heartbeat(1), kafkatest.Heartbeat(2)}
	c.send(requests...)
	eventually(t, "requests go on", func() bool { return broker.Has(2) })
	eventually(t, "bytes are counted", func() bool { return h.State().WithheldDown > 0 })
	c.wantsNothing()
	h.must(t, gates(Pass, Pass))
	c.wants(requests...)
}

// The end of a connection does not get through a shut gate either.
func TestWithheldEnd(t *testing.T) {
	_, h, broker := lane(t)
	c := connect(t, h)
	c.ask(kafkatest.Heartbeat(1))
	h.must(t, gates(Pass, Withhold))
	broker.Close()
	c.wantsNothing()
	h.must(t, gates(Pass, Pass))
	c.wantsEnd(engine.Close)
}

func TestGateShutTwiceCountsWhatStandsAtIt(t *testing.T) {
	g, passed := newGate(), make(chan bool)
	g.set(true)
	go func() { passed <- g.pass(7, nil) }()
	eventually(t, "the first count", func() bool { return g.withheld.Load() == 7 })
	g.mu.Lock() // opened and shut again before who stands at it has noticed
	g.withheld.Store(0)
	close(g.changed)
	g.changed = make(chan struct{})
	g.mu.Unlock()
	eventually(t, "the second count", func() bool { return g.withheld.Load() == 7 })
	g.set(false)
	if !<-passed {
		t.Error("did not pass")
	}
}

func TestDisabledHop(t *testing.T) {
	_, h, _ := lane(t)
	c := connect(t, h)
	c.ask(kafkatest.Heartbeat(1))
	h.must(t, Change{Enabled: ptr(false)})
	c.wantsEnd(engine.Close)
	address := h.State().Listen
	if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a disabled hop: %v, want ECONNREFUSED", err)
	}
	if s := h.State(); s.Enabled || s.OpenConnections != 0 {
		t.Errorf("state %+v", s)
	}
	h.must(t, Change{Enabled: ptr(true)})
	if got := h.State().Listen; got != address {
		t.Errorf("listens at %s instead of %s", got, address)
	}
	connect(t, h).ask(kafkatest.Heartbeat(2))
	h.must(t, Change{Enabled: ptr(true)}) // as it is
}

func TestRefusedUpstream(t *testing.T) {
	_, h, broker := lane(t)
	broker.Close()
	c, err := net.Dial("tcp", h.State().Listen)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) { // which may come before Dial has noticed that it is connected
		t.Errorf("%v", err)
	}
	eventually(t, "it is counted", func() bool { return h.State().RefusedUpstream == 1 })
	if s := h.State(); s.Accepted != 1 || s.OpenConnections != 0 {
		t.Errorf("state %+v", s)
	}
}

func TestRefusalIsWithheldToo(t *testing.T) {
	_, h, broker := lane(t)
	broker.Close()
	h.must(t, gates(Pass, Withhold))
	c := connect(t, h)
	c.wantsNothing()
	h.must(t, gates(Pass, Pass))
	c.wantsEnd(engine.Reset)
}

func TestNewUpstreamIsForNewConnections(t *testing.T) {
	_, h, first := lane(t)
	second := kafkatest.NewBroker(t)
	c := connect(t, h)
	c.ask(kafkatest.Heartbeat(1))
	h.must(t, Change{Upstream: ptr(second.Address())})
	c.ask(kafkatest.Heartbeat(2))
	connect(t, h).ask(kafkatest.Heartbeat(3))
	if !first.Has(2) || first.Has(3) || !second.Has(3) {
		t.Errorf("the first got %v, the second %v", first.Received(), second.Received())
	}
}

func TestResetOfTheUpstreamIsPassedOn(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	c := connect(t, newRig(t).hop("lane-1", "h", listener.Addr().String(), Kafka))
	upstream, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	abort(upstream.(*net.TCPConn))
	c.wantsEnd(engine.Reset)
}

func TestHalfClose(t *testing.T) {
	for _, protocol := range []string{Kafka, TCP} {
		broker := kafkatest.NewBroker(t)
		c := connect(t, newRig(t).hop("lane-1", "h", broker.Address(), protocol))
		request := kafkatest.Heartbeat(1)
		c.send(request)
		_ = c.CloseWrite()
		c.wants(request)
		c.wantsEnd(engine.Close)
	}
}

// A peer that does not read must not be able to keep anything from being changed (with Toxiproxy it can: #558).
func TestStalledPeerBlocksNoChange(t *testing.T) {
	for _, protocol := range []string{Kafka, TCP} {
		t.Run(protocol, func(t *testing.T) {
			broker := kafkatest.NewBroker(t)
			r := newRig(t)
			stalled := r.hop("lane-1", "stalled", broker.Address(), protocol)
			other := r.hop("lane-1", "other", broker.Address(), protocol)
			r.rule(func(rule *engine.Rule) { rule.Match[0].API, rule.Action = "Produce", engine.ActionNote })
			c := connect(t, stalled) // never reads, so that in the end nobody does
			big := kafkatest.Produce(1, -1, "orders", kafkatest.Records{Bytes: make([]byte, 1<<20)})
			_ = c.SetWriteDeadline(time.Now().Add(kafkatest.Patience))
			go func() {
				for err := error(nil); err == nil; {
					_, err = c.Write(big)
				}
			}()
			var before int64 = -1
			eventually(t, "nothing moves any more", func() bool {
				last := before
				time.Sleep(blink)
				before = stalled.State().BytesUp
				return before == last && before > 0
			})
			stalled.must(t, gates(Withhold, Withhold))
			stalled.must(t, gates(Pass, Pass))
			stalled.must(t, Change{Upstream: ptr(broker.Address())})
			connect(t, other).ask(kafkatest.Heartbeat(2))
			connect(t, stalled).ask(kafkatest.Heartbeat(3))
			mustBeQuick(t, func() error { return r.engine.RemoveRule("rule") })
			mustBeQuick(t, func() error { r.set.States(); return r.set.ResetRTT("lane-1") })
			stalled.must(t, Change{Enabled: ptr(false)})
			stalled.must(t, Change{Enabled: ptr(true)})
			connect(t, stalled).ask(kafkatest.Heartbeat(4))
		})
	}
}

// goroutines waits until there are no more of them than before.
func goroutines(t *testing.T, before int) {
	t.Helper()
	defer func() {
		if t.Failed() {
			stacks := make([]byte, 1<<20)
			t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
		}
	}()
	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
}

func TestCloseEndsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	broker := kafkatest.NewBroker(t)
	r := newRig(t)
	h := r.hop("lane-1", "h", broker.Address(), Kafka)
	shut := r.hop("lane-1", "shut", broker.Address(), Kafka)
	shut.must(t, gates(Withhold, Withhold))
	r.rule(func(*engine.Rule) {})
	holding, waiting := connect(t, h), connect(t, shut)
	holding.send(kafkatest.EndTxn(1, "tx", true))
	waiting.send(kafkatest.Heartbeat(2))
	r.held()
	eventually(t, "something waits", func() bool { return shut.State().WithheldUp > 0 })
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		r.set.Close(kafkatest.Patience)
	}()
	holding.wantsEnd(engine.Close)
	waiting.wantsEnd(engine.Close)
	_ = errors.Join(holding.Close(), waiting.Close())
	<-closed
	if _, err := net.Dial("tcp", h.State().Listen); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("it still listens: %v", err)
	}
	if err := h.Apply(Change{Enabled: ptr(true)}); err == nil {
		t.Error("a hop was enabled again")
	}
	if _, err := r.set.Create([]Config{config("late")}); err == nil {
		t.Error("a hop was created")
	}
	if broker.Has(1) || broker.Has(2) {
		t.Errorf("the broker got %v", broker.Received())
	}
	broker.Close()
	goroutines(t, before)
}

func config(name string) Config {
	return Config{Name: name, Lane: "lane-1", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1", Protocol: Kafka}
}

func TestCreateIsAllOrNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	r := newRig(t)
	if _, err := r.set.Create([]Config{config("first")}); err != nil {
		t.Fatal(err)
	}
	free := func() Config { // a port that was free a moment ago
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		c := config("second")
		c.Listen = l.Addr().String()
		return c
	}()
	onTaken, outside, badProtocol := config("third"), config("third"), config("third")
	onTaken.Listen = taken.Addr().String()
	outside.Listen, outside.Upstream = "0.0.0.0:0", "192.0.2.1:9092"
	badProtocol.Protocol = "pigeon"
	for wrong, configs := range map[string][]Config{
		"address already in use":                {free, onTaken},
		`there is already a hop of this name`:   {free, config("first")},
		`hop "second" is given twice`:           {free, free},
		`"0.0.0.0:0" is not a loopback`:         {free, outside},
		`"192.0.2.1:9092" is not a loopback`:    {free, outside},
		`protocol: "pigeon" is none`:            {free, badProtocol},
		"name: missing":                         {free, config("")},
		"no hops given":                         {},
		`listen: address "": it must be host:p`: {free, {Name: "x", Upstream: "127.0.0.1:1", Protocol: TCP}},
	} {
		if _, err := r.set.Create(configs); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v, want %q", err, wrong)
		}
		if n := len(r.set.States()); n != 1 {
			t.Fatalf("%s: %d hops", wrong, n)
		}
		if c, err := net.Dial("tcp", free.Listen); err == nil {
			_ = c.Close()
			t.Errorf("%s: the hop in front listens", wrong)
		}
	}
	if _, err := r.set.Create([]Config{free}); err != nil {
		t.Error(err)
	}
}

func TestChangeIsCheckedFirst(t *testing.T) {
	_, h, _ := lane(t)
	before := h.State()
	for wrong, c := range map[string]Change{
		`requests: "drop" is neither`: {Requests: ptr("drop"), Replies: ptr(Withhold)},
		`replies: "" is neither`:      {Replies: ptr(""), Enabled: ptr(false)},
		"is not a loopback address":   {Upstream: ptr("192.0.2.1:9092"), Enabled: ptr(false)},
		"it must be host:port":        {Upstream: ptr("127.0.0.1"), Requests: ptr(Withhold)},
	} {
		if err := h.Apply(c); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v, want %q", err, wrong)
		}
		if after := h.State(); after != before {
			t.Errorf("%s: %+v has become %+v", wrong, before, after)
		}
	}
}

func TestPortTakenWhileDisabled(t *testing.T) {
	_, h, _ := lane(t)
	h.must(t, Change{Enabled: ptr(false)})
	taken, err := net.Listen("tcp", h.State().Listen)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Apply(Change{Enabled: ptr(true), Requests: ptr(Withhold)}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v", err)
	}
	if s := h.State(); s.Enabled || s.Requests != Pass {
		t.Errorf("state %+v", s)
	}
	_ = taken.Close()
	h.must(t, Change{Enabled: ptr(true)})
}

func TestLinksBetweenBrokersLogNoConnections(t *testing.T) {
	broker := kafkatest.NewBroker(t)
	r := newRig(t)
	c := connect(t, r.hop("", "link/1-2/INTERNAL", broker.Address(), Kafka))
	c.ask(kafkatest.EndTxn(1, "tx", true))
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, c)
	if total, _ := r.engine.Log.Counts(); total != 0 {
		t.Errorf("%d events", total)
	}
}
