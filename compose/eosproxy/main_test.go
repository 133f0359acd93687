package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"eosproxy/internal/kafkatest"
)

// asProgram makes the test binary behave as eosproxy.
const asProgram = "EOSPROXY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A program is a running eosproxy.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	cmd := command(append([]string{"-api", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var started struct{ Listening, Version string }
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err := errors.Join(err, json.Unmarshal(line, &started)); err != nil || started.Version != version {
		t.Fatalf("%q: %v", line, err)
	}
	return &program{t, cmd, stdin, "http://" + started.Listening}
}

func (p *program) post(path, body string, into any) {
	p.t.Helper()
	answer, err := http.Post(p.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(answer.Body)
	if err := json.Unmarshal(text, into); err != nil || answer.StatusCode != 201 {
		p.t.Fatalf("%s: %d %s %v", path, answer.StatusCode, text, err)
	}
}

// ends waits for the program's exit.
func (p *program) ends() {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			p.t.Errorf("exit: %v", err)
		}
	case <-time.After(2*closePatience + kafkatest.Patience):
		p.t.Error("it does not end")
	}
}

// However it is told to end, it ends: with a frame that is held, a reader of events, and a toxic on a proxy.
func TestShutdown(t *testing.T) {
	for name, stop := range map[string]func(*program) error{
		"SIGTERM":   func(p *program) error { return p.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGINT":    func(p *program) error { return p.cmd.Process.Signal(syscall.SIGINT) },
		"stdin EOF": func(p *program) error { return p.stdin.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := kafkatest.NewBroker(t)
			p := start(t, "-exit-on-stdin-eof")
			var proxy struct{ Listen string }
			p.post("/proxies", fmt.Sprintf(`{"name":"p","listen":"127.0.0.1:0","upstream":%q}`, broker.Address()), &proxy)
			var hops []struct{ Listen string }
			p.post("/eos/hops", fmt.Sprintf(`[{"name":"h","lane":"lane-1","listen":"127.0.0.1:0","upstream":%q,"protocol":"kafka"}]`, proxy.Listen), &hops)
			var rule any
			p.post("/eos/rules", `{"id":"r","lanes":["lane-1"],"match":[{"api":"EndTxn"}],"at":"request","action":"hold"}`, &rule)
			events, err := http.Get(p.url + "/eos/events?follow=1")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = events.Body.Close() }()
			c, err := net.Dial("tcp", hops[0].Listen)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(2 * kafkatest.Patience))
			request := kafkatest.Heartbeat(1)
			_, _ = c.Write(request)
			if reply, err := kafkatest.ReadFrame(c); err != nil || !bytes.Equal(reply, kafkatest.Echo(request)) {
				t.Fatalf("through Toxiproxy: %q, %v", reply, err)
			}
			_, _ = c.Write(kafkatest.EndTxn(2, "tx", true))
			lines := bufio.NewScanner(events.Body)
			for lines.Scan() && !strings.Contains(lines.Text(), `"kind":"held"`) {
			}
			if err := stop(p); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(c); err != nil {
				t.Errorf("the client's connection: %v", err)
			}
			_ = c.Close()
			p.ends()
			if broker.Has(2) {
				t.Error("the held frame was delivered")
			}
		})
	}
}

func TestWrongArguments(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"-h", 0, ""},
		{"-apis x", 2, "flag provided but not defined: -apis"},
		{"-events 0", 2, "-events: 0 is less than 1"},
		{"-dial-timeout 0s", 2, "-dial-timeout: 0s is not positive"},
		{"-api 0.0.0.0:8474", 2, `-api: address "0.0.0.0:8474" is not a loopback address`},
		{"serve", 2, `unexpected argument "serve"`},
		{"-api " + taken.Addr().String(), 1, "address already in use"},
	} {
		cmd := command(strings.Fields(c.args)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		_ = cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != c.status {
			t.Errorf("%s: exit status %d, want %d", c.args, status, c.status)
		}
		text := stderr.String()
		if !strings.Contains(text, c.says) || strings.Count(text, "\n") != min(c.status, 1) {
			t.Errorf("%s: %q, want one line with %q", c.args, text, c.says)
		}
	}
}

// stall is a client that asks for more than it ever reads, through an address behind which an endless answer is.
func stall(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Write(kafkatest.Heartbeat(1)); err != nil {
		t.Fatal(err)
	}
	return c
}

// endless answers the first request of every connection without end.
func endless(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				request, err := kafkatest.ReadFrame(c)
				if err != nil {
					return
				}
				reply := kafkatest.Reply(kafkatest.CorrelationID(request), make([]byte, 1<<20))
				for err == nil {
					_, err = c.Write(reply)
				}
			}()
		}
	}()
	return listener
}

// Toxiproxy's defect #558, in the Toxiproxy that is embedded here: a client that reads nothing keeps its proxy from
// being changed and everything from being listed. It is why links are cut at hops, whose changes wait for nobody, even
// beside a Toxiproxy that is stuck.
func TestStalledClientWedgesToxiproxyButNoHop(t *testing.T) {
	t.Parallel()
	upstream := endless(t).Addr().String()
	p := start(t, "-exit-on-stdin-eof")
	var proxy struct{ Listen string }
	p.post("/proxies", fmt.Sprintf(`{"name":"p","listen":"127.0.0.1:0","upstream":%q}`, upstream), &proxy)
	var hops []struct{ Listen string }
	p.post("/eos/hops", fmt.Sprintf(`[{"name":"h","lane":"lane-1","listen":"127.0.0.1:0","upstream":%q,"protocol":"kafka"},
		{"name":"other","lane":"lane-1","listen":"127.0.0.1:0","upstream":%q,"protocol":"kafka"}]`, upstream, upstream), &hops)
	stall(t, proxy.Listen)
	stall(t, hops[0].Listen)
	time.Sleep(time.Second) // until all buffers are full

	quick := http.Client{Timeout: 2 * time.Second}
	ask := func(method, path, body string) error {
		r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		answer, err := quick.Do(r)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
	wedged := errors.Join(
		ask("POST", "/proxies/p/toxics", `{"name":"t","type":"latency","stream":"downstream","attributes":{"latency":5}}`),
		ask("DELETE", "/proxies/p/toxics/t", ""),
	)
	if !isTimeout(wedged) {
		t.Errorf("Toxiproxy was changed although its client is stalled (%v): is #558 mended?", wedged)
	}
	for _, change := range []struct{ method, path, body string }{
		{"PATCH", "/eos/hops/h", `{"requests":"withhold","replies":"withhold"}`},
		{"PATCH", "/eos/hops/h", `{"requests":"pass","replies":"pass"}`},
		{"PATCH", "/eos/hops/other", `{"replies":"withhold"}`},
		{"GET", "/eos/hops", ""},
		{"PATCH", "/eos/hops/h", `{"enabled":false}`},
		{"PATCH", "/eos/hops/h", `{"enabled":true}`},
	} {
		begin := time.Now()
		if err := ask(change.method, change.path, change.body); err != nil || time.Since(begin) > time.Second {
			t.Errorf("%s %s %s: %v after %v", change.method, change.path, change.body, err, time.Since(begin))
		}
	}
	_ = p.stdin.Close()
	p.ends()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
