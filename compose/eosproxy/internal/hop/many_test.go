package hop

import (
	"net"
	"os"
	"runtime"
	"sync"
	"testing"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
)

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(open)
}

// ways are those in which a connection may end.
var ways = []func(net.Conn){
	func(net.Conn) {}, // at once
	func(c net.Conn) {
		_, _ = c.Write(kafkatest.Heartbeat(7))
		_, _ = kafkatest.ReadFrame(c)
	},
	func(c net.Conn) { _, _ = c.Write(kafkatest.Heartbeat(7)[:9]) },
	func(c net.Conn) {
		_, _ = c.Write(kafkatest.Heartbeat(8))
		_ = c.(*net.TCPConn).SetLinger(0)
	},
	func(c net.Conn) { // refused
		_, _ = c.Write(kafkatest.EndTxn(9, "refused", true))
		_, _ = kafkatest.ReadFrame(c)
	},
	func(c net.Conn) { _, _ = c.Write(kafkatest.EndTxn(9, "refused", true)) },
	func(c net.Conn) { _, _ = c.Write(kafkatest.EndTxn(10, "held", true)) },
	func(c net.Conn) { // lost
		_, _ = c.Write(kafkatest.EndTxn(11, "lost", true))
		_, _ = kafkatest.ReadFrame(c)
	},
	func(c net.Conn) { _, _ = c.Write([]byte("GET / HTTP/1.1\r\n\r\n")) },
}

func TestManyConnectionsLeaveNothing(t *testing.T) {
	r, h, _ := lane(t)
	for id, change := range map[string]func(*engine.Rule){
		"refused": func(rule *engine.Rule) { rule.Action, rule.Error = engine.ActionRefuse, "16" },
		"held":    func(rule *engine.Rule) { rule.At = engine.Reply },
		"lost":    func(rule *engine.Rule) { rule.Action, rule.Connection = engine.ActionLose, engine.Reset },
	} {
		r.rule(func(rule *engine.Rule) {
			rule.ID, rule.Times, rule.Match[0].TransactionalID = id, -1, &id
			change(rule)
		})
	}
	connect(t, h).ask(kafkatest.Heartbeat(1))
	before, opened := runtime.NumGoroutine(), descriptors(t)
	const n, abreast = 10_000, 50
	address := h.State().Listen
	var all sync.WaitGroup
	for range abreast {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range n / abreast {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				ways[i%len(ways)](c)
				_ = c.Close()
			}
		}()
	}
	all.Wait()
	eventually(t, "the connections are gone", func() bool { return h.State().OpenConnections == 1 })
	goroutines(t, before)
	eventually(t, "the descriptors are gone", func() bool { return descriptors(t) <= opened })
	if got := h.State().Accepted; got != n+1 {
		t.Errorf("%d accepted", got)
	}
	for _, rule := range r.engine.Rules() {
		if rule.Fired == 0 {
			t.Errorf("rule %s never acted", rule.ID)
		}
	}
}
