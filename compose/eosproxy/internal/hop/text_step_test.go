package hop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/wire"
)

// A web is a hop with an HTTP server behind it, which says what it was asked.
type web struct {
	*rig
	hop *Hop

	mu    sync.Mutex
	asked []string
}

func newWeb(t *testing.T) *web {
	t.Helper()
	w := &web{rig: newRig(t)}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		body, _ := io.ReadAll(in.Body)
		w.mu.Lock()
		w.asked = append(w.asked, in.Method+" "+in.URL.Path+" "+string(body))
		w.mu.Unlock()
		if in.URL.Path == "/upgrade" {
			upgrade(out)
			return
		}
		_, _ = io.WriteString(out, "answer to "+in.URL.Path)
		if in.URL.Path == "/chunked" {
			out.(http.Flusher).Flush()
			_, _ = io.WriteString(out, ", in pieces")
		}
	}))
	t.Cleanup(server.Close)
	w.hop = w.rig.hop("lane-1", "lane-1/rest", server.Listener.Addr().String(), wire.HTTP)
	return w
}

// upgrade switches to a protocol that echoes.
func upgrade(out http.ResponseWriter) {
	c, in, err := out.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(c, in)
}

func (w *web) got() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// A browser reads responses one after another.
type browser struct {
	*client
	in *bufio.Reader
}

func (w *web) browse() browser {
	c := connect(w.t, w.hop)
	return browser{c, bufio.NewReader(c)}
}

// reads reads the response that comes next: its status and its body, or "end".
func (b browser) reads(method string) string {
	b.t.Helper()
	r, err := http.ReadResponse(b.in, &http.Request{Method: method})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "end"
	}
	if err != nil {
		b.t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", r.StatusCode, strings.TrimSpace(string(body)))
}

func (b browser) wantsResponses(wanted ...string) {
	b.t.Helper()
	for _, want := range wanted {
		if got := b.reads("GET"); got != want {
			b.t.Fatalf("%q, want %q", got, want)
		}
	}
}

func get(path string) []byte { return []byte("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n") }

func post(path, body, fields string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), fields, body)
}

const madeError = "503 error made by eosproxy"

func TestRefusedInOrder(t *testing.T) {
	w := newWeb(t)
	path := "/charges"
	w.rule(func(rule *engine.Rule) {
		rule.Match = []engine.Match{{Protocol: wire.HTTP, API: "POST", Path: &path}}
		rule.Action, rule.Error, rule.Nth, rule.Times = engine.ActionRefuse, "503", 2, 2
	})
	b := w.browse()
	b.send(get("/1"), post("/charges/1", "one", ""), post("/charges/2", "two", ""), get("/2"), post("/charges/3", "three", ""),
		post("/other", "", ""), post("/charges/4", "", ""))
	b.wantsResponses("200 answer to /1", "200 answer to /charges/1", madeError, "200 answer to /2", madeError,
		"200 answer to /other", "200 answer to /charges/4")
	if ev := w.events(engine.Refused, 2)[0]; ev.Text != "POST /charges/2" || ev.Error != "503" || ev.N != 2 {
		t.Errorf("%+v %+v", ev, ev.Frame)
	}
	if got := w.got(); slices.Contains(got, "POST /charges/2 two") || len(got) != 5 {
		t.Errorf("the server was asked %q", got)
	}
}

// Nothing is on its way when the request is refused, so that the direction of replies has to be woken.
func TestRefusedWhileNothingComesDown(t *testing.T) {
	w := newWeb(t)
	w.protocolRule(wire.HTTP, "GET", func(rule *engine.Rule) {
		rule.Action, rule.Error, rule.Times = engine.ActionRefuse, "503", -1
	})
	b := w.browse()
	for range 3 {
		time.Sleep(blink / 5)
		b.send(get("/"))
		b.wantsResponses(madeError)
	}
	if got := w.got(); len(got) != 0 {
		t.Errorf("the server was asked %q", got)
	}
}

// Whether the body is going to come is not known, so that the connection ends.
func TestRefusedBeforeTheBody(t *testing.T) {
	w := newWeb(t)
	w.protocolRule(wire.HTTP, "POST", func(rule *engine.Rule) { rule.Action, rule.Error = engine.ActionRefuse, "503" })
	b := w.browse()
	b.send([]byte("POST /charges HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"))
	b.wantsResponses(madeError, "end")
}

func TestReplacedResponse(t *testing.T) {
	for _, path := range []string{"/", "/chunked"} {
		w := newWeb(t)
		w.protocolRule(wire.HTTP, "POST", func(rule *engine.Rule) {
			rule.At, rule.Action, rule.Error = engine.Reply, engine.ActionReplace, "503"
		})
		b := w.browse()
		b.send(post(path, "one", ""), post(path, "two", ""))
		if path == "/" {
			b.wantsResponses(madeError, "200 answer to /")
		} else {
			b.wantsResponses(madeError, "200 answer to /chunked, in pieces")
		}
		if got := w.got(); len(got) != 2 {
			t.Errorf("the server was asked %q", got)
		}
		if ev := w.event(engine.Replaced); ev.At != engine.Reply || ev.Protocol != wire.HTTP || ev.API != "POST" {
			t.Errorf("%+v %+v", ev, ev.Frame)
		}
	}
}

// A request in chunks is held when all of it has come, so that it outlives its client.
func TestHeldChunksOutliveTheirClient(t *testing.T) {
	w := newWeb(t)
	w.protocolRule(wire.HTTP, "POST", func(*engine.Rule) {})
	b := w.browse()
	b.send([]byte("POST /charges HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"))
	b.send([]byte("3;x=y\r\ntwo\r\n0\r\nTrailer: z\r\n\r\n"))
	hold := w.held()
	_ = b.SetLinger(0)
	_ = b.Close()
	time.Sleep(blink)
	w.release(hold, deliver())
	eventually(t, "the request of the client that is gone", func() bool {
		return slices.Equal(w.got(), []string{"POST /charges onetwo"})
	})
}

// Whatever rules meet in a request, its end stays where it is.
func TestRulesThatMeetInARequestInChunks(t *testing.T) {
	w := newWeb(t)
	w.protocolRule(wire.HTTP, "POST", func(rule *engine.Rule) {
		rule.ID, rule.At, rule.Action, rule.Error = "replace", engine.Reply, engine.ActionReplace, "503"
	})
	w.protocolRule(wire.HTTP, "POST", func(rule *engine.Rule) { rule.ID = "hold" })
	w.protocolRule(wire.HTTP, "POST", func(rule *engine.Rule) {
		rule.ID, rule.Action, rule.Error = "refuse", engine.ActionRefuse, "503"
	})
	b := w.browse()
	b.send([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"), get("/2"))
	w.release(w.held(), deliver())
	b.wantsResponses(madeError, "200 answer to /2")
}

func TestUpgradeIsRelayed(t *testing.T) {
	w := newWeb(t)
	b := w.browse()
	b.send([]byte("GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"))
	if got := b.reads("GET"); !strings.HasPrefix(got, "101") {
		t.Fatalf("%q", got)
	}
	for _, said := range []string{"\x16\x03 no HTTP", "GET / HTTP/1.1\r\n\r\n"} {
		b.send([]byte(said))
		got := make([]byte, len(said))
		if _, err := io.ReadFull(b.in, got); err != nil || string(got) != said {
			t.Errorf("%q, %v", got, err)
		}
	}
	if ev := w.event(engine.Unreadable); !strings.Contains(ev.Reason, "101 Switching Protocols") {
		t.Errorf("%+v", ev)
	}
}

// What is not the protocol of the hop is relayed as it is, and announced.
func TestNoTextProtocolAtAll(t *testing.T) {
	for _, c := range []struct{ protocol, said, reason string }{
		{wire.HTTP, "\x16\x03\x01\x02\x00\x01\x00", "TLS"},
		{wire.HTTP, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"},
		{wire.HTTP, "\x00\x00\x00\x08", "cannot begin a message"},
		{wire.HTTP, "GET / HTTP/1.1\r\nno field\r\n\r\n", "no request of HTTP/1.1"},
		{wire.HTTP, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n", "in chunks"},
		{wire.Postgres, "\x16\x03\x01\x02\x00\x01\x00\x01", "TLS"},
		{wire.Postgres, "GET / HTTP/1.1\r\n\r\n", "cannot begin a connection"},
		{wire.SMTP, "\x16\x03\x01\x02\x00\x01\x00", "TLS"},
		{wire.SMTP, strings.Repeat("x", wire.PeekLimit+1), "does not end within"},
	} {
		t.Run(c.protocol+" "+c.reason, func(t *testing.T) {
			r := newRig(t)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			go func() { // echoes, from the end of what is said on
				if server, err := listener.Accept(); err == nil {
					said := make([]byte, len(c.said))
					_, _ = io.ReadFull(server, said)
					_, _ = server.Write(said)
					_, _ = io.Copy(server, server)
					_ = server.Close()
				}
			}()
			client := connect(t, r.hop("lane-1", "h", listener.Addr().String(), c.protocol))
			client.send([]byte(c.said))
			if ev := r.event(engine.Unreadable); !strings.Contains(ev.Reason, c.reason) {
				t.Errorf("%q, want %q", ev.Reason, c.reason)
			}
			client.send([]byte("more"))
			_ = client.CloseWrite()
			if got, err := io.ReadAll(client); string(got) != c.said+"more" || err != nil {
				t.Errorf("%.60q, %v", got, err)
			}
		})
	}
}
