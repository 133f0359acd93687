package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/hop"
	"eosproxy/internal/kafkatest"
)

// A server is the API over hops of its own; Toxiproxy is one that answers everything with 299.
type server struct {
	t      *testing.T
	url    string
	engine *engine.Engine
}

func serve(t *testing.T, events int) *server {
	t.Helper()
	eng := engine.New(engine.NewLog(events))
	hops := hop.NewSet(hop.Options{Engine: eng, DialTimeout: time.Second})
	toxiproxy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) })
	s := httptest.NewServer((&Server{Version: "7", Engine: eng, Hops: hops, Toxiproxy: toxiproxy}).Handler())
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		hops.Close(kafkatest.Patience)
	})
	return &server{t, s.URL, eng}
}

// call gives the status and the body of an answer.
func (s *server) call(method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text))
}

func (s *server) want(status int, method, path, body string) string {
	s.t.Helper()
	got, text := s.call(method, path, body)
	if got != status {
		s.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, got, text, status)
	}
	return text
}

func (s *server) events(query string) (events []engine.Event) {
	s.t.Helper()
	for _, line := range strings.Split(s.want(200, "GET", "/eos/events?"+query, ""), "\n") {
		var ev engine.Event
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		events = append(events, ev)
	}
	return events
}

// lane makes a hop to a broker, and gives its address.
func (s *server) lane(broker *kafkatest.Broker) string {
	s.t.Helper()
	text := s.want(201, "POST", "/eos/hops", fmt.Sprintf(
		`[{"name":"lane-1/broker-1","lane":"lane-1","link":"","listen":"127.0.0.1:0","upstream":%q,"protocol":"kafka"}]`,
		broker.Address()))
	var states []hop.State
	if err := json.Unmarshal([]byte(text), &states); err != nil || len(states) != 1 {
		s.t.Fatalf("%s: %v", text, err)
	}
	return states[0].Listen
}

const holdRule = `{"id":"r/1","lanes":["lane-1"],"match":[{"api":"EndTxn","committed":true},{"api":"OffsetCommit"}],"at":"request","action":"hold"}`

func TestAHoldFromRuleToRelease(t *testing.T) {
	s, broker := serve(t, 1000), kafkatest.NewBroker(t)
	c := dial(t, s.lane(broker))
	s.want(201, "POST", "/eos/rules", holdRule)
	s.want(409, "POST", "/eos/rules", holdRule)
	request := kafkatest.EndTxn(1, "tx", true)
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	if opened := s.events("since=0&wait_ms=5000")[0]; opened.Kind != engine.Opened || opened.Hop != "lane-1/broker-1" {
		t.Errorf("%+v", opened)
	}
	held := s.events("since=1&wait_ms=5000")[0]
	if held.Kind != engine.Held || held.Frame == nil || held.TransactionalID != "tx" || held.N != 1 || held.Size != len(request) {
		t.Fatalf("%+v", held)
	}
	release := fmt.Sprintf("/eos/holds/%d/release", held.Hold)
	s.want(400, "POST", release, `{"action":"keep"}`)
	s.want(400, "POST", release, `{"action":"drop","connection":"cut"}`)
	if got := s.want(200, "POST", release, `{"action":"deliver"}`); got != `{"action":"deliver","carried_out":true,"hold":1}` {
		t.Error(got)
	}
	s.want(404, "POST", release, `{"action":"deliver"}`)
	if reply, err := kafkatest.ReadFrame(c); err != nil || kafkatest.CorrelationID(reply) == 0 {
		t.Errorf("%q, %v", reply, err)
	}
	var rules []engine.RuleState
	if err := json.Unmarshal([]byte(s.want(200, "GET", "/eos/rules", "")), &rules); err != nil || rules[0].Seen != 1 || rules[0].Fired != 1 {
		t.Errorf("%+v, %v", rules, err)
	}
	s.want(204, "DELETE", "/eos/rules/r%2F1", "")
	s.want(404, "DELETE", "/eos/rules/r%2F1", "")
	if got := s.want(200, "GET", "/eos/rules", ""); got != "[]" {
		t.Error(got)
	}
}

func TestReleaseOfWhatIsGone(t *testing.T) {
	s, broker := serve(t, 1000), kafkatest.NewBroker(t)
	c := dial(t, s.lane(broker))
	s.want(201, "POST", "/eos/rules", strings.Replace(holdRule, "request", "reply", 1))
	_, _ = c.Write(kafkatest.EndTxn(1, "tx", true))
	kafkatest.Eventually(t, "held", func() bool { return len(s.events("since=1")) == 1 })
	_ = c.Close()
	kafkatest.Eventually(t, "gone", func() bool { return len(s.events("since=2")) >= 1 })
	if got := s.want(409, "POST", "/eos/holds/1/release", `{"action":"deliver"}`); !strings.Contains(got, "the client has closed the connection") {
		t.Error(got)
	}
	s.want(200, "POST", "/eos/holds/1/release", `{"action":"drop","connection":"reset"}`)
	s.want(404, "POST", "/eos/holds/1/release", `{"action":"drop"}`)
}

func TestHops(t *testing.T) {
	s, broker := serve(t, 1000), kafkatest.NewBroker(t)
	if got := s.want(200, "GET", "/eos/hops", ""); got != "[]" {
		t.Error(got)
	}
	listen := s.lane(broker)
	want := fmt.Sprintf(`{"name":"lane-1/broker-1","lane":"lane-1","link":"","listen":%q,"upstream":%q,"protocol":"kafka",`+
		`"enabled":true,"requests":"pass","replies":"withhold","open_connections":0,"accepted":0,"refused_upstream":0,`+
		`"bytes_up":0,"bytes_down":0,"withheld_up":0,"withheld_down":0,"rtt":{"count":0,"min_us":0,"max_us":0,"sum_us":0}}`,
		listen, broker.Address())
	if got := s.want(200, "PATCH", "/eos/hops/lane-1%2Fbroker-1", `{"replies":"withhold"}`); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := s.want(200, "GET", "/eos/hops", ""); got != "["+want+"]" {
		t.Errorf("%s, want %s", got, want)
	}
	s.want(404, "PATCH", "/eos/hops/lane-1%2Fbroker-2", `{}`)
	s.want(204, "POST", "/eos/rtt/reset", `{"lane":"lane-1"}`)
	s.want(404, "POST", "/eos/rtt/reset", `{"lane":"lane-2"}`)
	taken := fmt.Sprintf(`[{"name":"x","listen":%q,"upstream":"127.0.0.1:1","protocol":"tcp"}]`, broker.Address())
	if got := s.want(409, "POST", "/eos/hops", taken); !strings.Contains(got, "address already in use") {
		t.Error(got)
	}
	if got := s.want(200, "GET", "/eos/health", ""); got != `{"events":0,"events_lost":0,"open_connections":0,"version":"7"}` {
		t.Error(got)
	}
	s.want(404, "GET", "/eos/nothing", "")
	s.want(404, "PUT", "/eos/hops", "")
	s.want(299, "GET", "/proxies", "")
}

func refusal(api, at, code string) string {
	return fmt.Sprintf(`{"id":"r","links":["1-2"],"match":[{"api":%q}],"at":%s,"action":"refuse","error":%q}`, api, at, code)
}

func TestBadRequests(t *testing.T) {
	s := serve(t, 1000)
	s.lane(kafkatest.NewBroker(t))
	const patch = "/eos/hops/lane-1%2Fbroker-1"
	for _, c := range []struct{ method, path, body, wrong string }{
		{"POST", "/eos/rules", ``, "the body is empty"},
		{"POST", "/eos/rules", `{`, "unexpected EOF"},
		{"POST", "/eos/rules", `null`, "null instead of a value"},
		{"POST", "/eos/rules", `[]`, "cannot unmarshal array"},
		{"POST", "/eos/rules", `{"nht":3}`, `unknown field \"nht\"`},
		{"POST", "/eos/rules", `{} {}`, "something follows the JSON value"},
		{"POST", "/eos/rules", `{}`, "id: missing"},
		{"POST", "/eos/rules", strings.Replace(holdRule, `"api"`, `"apis":1,"api"`, 1), `unknown field \"apis\"`},
		{"POST", "/eos/rules", strings.Replace(holdRule, "EndTxn", "EndTx", 1), `Kafka has no API \"EndTx\"`},
		{"POST", "/eos/rules", strings.Replace(holdRule, `"at"`, `"nth":1.5,"at"`, 1), "cannot unmarshal number 1.5"},
		{"POST", "/eos/rules", strings.Replace(holdRule, `"at"`, `"nth":0,"at"`, 1), "nth: 0 is less than 1"},
		{"POST", "/eos/rules", strings.Replace(holdRule, `true`, `"yes"`, 1), "cannot unmarshal string"},
		{"POST", "/eos/rules", refusal("EndTxn", `"request"`, ""), "error: missing, to refuse with"},
		{"POST", "/eos/rules", refusal("EndTxn", `"request"`, "137"), "Kafka's are the numbers from -1 to 136 without 0"},
		{"POST", "/eos/rules", refusal("EndTxn", `"reply"`, "16"), "a reply cannot be refused, only replaced"},
		{"POST", "/eos/rules", refusal("AlterReplicaLogDirs", `"request"`, "16"), "AlterReplicaLogDirs cannot be answered: its reply has no place"},
		{"POST", "/eos/rules", `{"id":"` + strings.Repeat("x", bodyLimit) + `"}`, "request body too large"},
		{"POST", "/eos/hops", `{"name":"x"}`, "cannot unmarshal object"},
		{"POST", "/eos/hops", `[]`, "no hops given"},
		{"POST", "/eos/hops", `[{"name":"x","listens":"127.0.0.1:0"}]`, `unknown field \"listens\"`},
		{"POST", "/eos/hops", `[{"name":"x","listen":"0.0.0.0:0","upstream":"127.0.0.1:1","protocol":"tcp"}]`, "not a loopback address"},
		{"PATCH", patch, `{"enable":false}`, `unknown field \"enable\"`},
		{"PATCH", patch, `{"enabled":"no"}`, "cannot unmarshal string"},
		{"PATCH", patch, `{"requests":"hold"}`, `\"hold\" is neither`},
		{"PATCH", patch, `{"upstream":"192.0.2.1:9092"}`, "not a loopback address"},
		{"POST", "/eos/rtt/reset", `{"lanes":["lane-1"]}`, `unknown field \"lanes\"`},
		{"POST", "/eos/holds/x/release", `{"action":"deliver"}`, `hold \"x\" is no number`},
		{"POST", "/eos/holds/1/release", `{"actions":"deliver"}`, `unknown field \"actions\"`},
		{"GET", "/eos/events?sinc=3", ``, "sinc=3: unknown parameter"},
		{"GET", "/eos/events?since=-1", ``, "since=-1"},
		{"GET", "/eos/events?wait_ms=99999999", ``, "longer than 1h"},
		{"GET", "/eos/events?follow=perhaps", ``, "follow=perhaps"},
	} {
		status, text := s.call(c.method, c.path, c.body)
		var answer map[string]string
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer["error"] == "" {
			t.Errorf("%s %s: no error in %q", c.method, c.path, text)
		}
		if status != 400 || !strings.Contains(text, c.wrong) {
			t.Errorf("%s %s %.80s: %d %s, want 400 with %q", c.method, c.path, c.body, status, text, c.wrong)
		}
	}
	if rules := s.want(200, "GET", "/eos/rules", ""); rules != "[]" {
		t.Errorf("a bad rule was added: %s", rules)
	}
}

func TestPolling(t *testing.T) {
	s := serve(t, 3)
	begin := time.Now()
	if got := s.events("wait_ms=50"); len(got) != 0 || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("%d events after %v", len(got), time.Since(begin))
	}
	time.AfterFunc(20*time.Millisecond, func() { s.engine.Log.Append(engine.Event{Kind: engine.Noted}) })
	if got := s.events("wait_ms=5000"); len(got) != 1 || time.Since(begin) > 4*time.Second {
		t.Errorf("%d events after %v", len(got), time.Since(begin))
	}
	for range 4 {
		s.engine.Log.Append(engine.Event{Kind: engine.Noted})
	}
	got := s.events("since=0")
	if len(got) != 4 || got[0].Kind != engine.DroppedEvents || got[0].Count != 2 || got[3].Seq != 5 {
		t.Errorf("after an overflow: %+v", got)
	}
	if health := s.want(200, "GET", "/eos/health", ""); !strings.Contains(health, `"events":5,"events_lost":1`) {
		t.Error(health) // the first one had been fetched
	}
}

func TestFollowing(t *testing.T) {
	s := serve(t, 1000)
	answer, err := http.Get(s.url + "/eos/events?follow=1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewReader(answer.Body)
	for n := range uint64(3) {
		s.engine.Log.Append(engine.Event{Kind: engine.Noted})
		line, err := lines.ReadBytes('\n')
		var ev engine.Event
		if err != nil || json.Unmarshal(line, &ev) != nil || ev.Seq != n+1 {
			t.Fatalf("%q, %v", line, err)
		}
	}
}

func TestToxiproxyIsKeptToLoopback(t *testing.T) {
	s := serve(t, 10)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/proxies", `{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}`, 299},
		{"POST", "/proxies", `{"name":"p","listen":"0.0.0.0:0","upstream":"127.0.0.1:1"}`, 400},
		{"POST", "/proxies", `{"name":"p","listen":":1","upstream":"127.0.0.1:1"}`, 400},
		{"POST", "/proxies", `{"name":"p","listen":"","upstream":"127.0.0.1:1"}`, 400},
		{"POST", "/proxies", `{"name":"p","upstream":"127.0.0.1:1"}`, 400}, // would listen everywhere
		{"POST", "/proxies", `{"name":"p","listen":"127.0.0.1:0","upstream":"192.0.2.1:1"}`, 400},
		{"POST", "/proxies", `{"name":"p","listen":"0.0.0.0:0","upstream":"127.0.0.1:1"} more`, 400},
		{"POST", "/proxies", `no JSON`, 299}, // for Toxiproxy to refuse
		{"PATCH", "/proxies/toxics", `{"listen":"0.0.0.0:0"}`, 400},
		{"PATCH", "/proxies/p", `{"enabled":false}`, 299},
		{"PATCH", "/proxies/p", `{"upstream":"192.0.2.1:1"}`, 400},
		{"POST", "/populate", `[{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"},{"name":"q","listen":"0.0.0.0:0"}]`, 400},
		{"POST", "/populate", `[{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}]`, 299},
		{"POST", "/proxies/p/toxics", `{"type":"latency","stream":"upstream","attributes":{"latency":5}}`, 299},
		{"POST", "/reset", ``, 299},
		{"GET", "/proxies", ``, 299},
	} {
		if status, text := s.call(c.method, c.path, c.body); status != c.status {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.body, status, text, c.status)
		}
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * kafkatest.Patience))
	return c
}

func TestRuleOfATextProtocol(t *testing.T) {
	s := serve(t, 1000)
	const rule = `{"id":"x","lanes":["lane-1"],"match":[{"protocol":"http","api":"POST","path":"/charges"}],"at":"reply",` +
		`"nth":1,"times":-1,"action":"replace","connection":"close","error":"503","hold_ms_max":0}`
	if got := s.want(201, "POST", "/eos/rules", rule); got != rule {
		t.Errorf("%s, want %s", got, rule)
	}
	s.want(400, "POST", "/eos/rules", strings.Replace(rule, `"503"`, `"40001"`, 1))
}
