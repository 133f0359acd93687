package hop

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

// watched is what rules are to see of each protocol.
var watched = map[string]string{
	wire.Kafka: "ApiVersions Metadata FindCoordinator InitProducerId Produce Fetch ListOffsets OffsetFetch OffsetCommit " +
		"JoinGroup SyncGroup Heartbeat LeaveGroup ConsumerGroupHeartbeat AddPartitionsToTxn AddOffsetsToTxn " +
		"TxnOffsetCommit EndTxn WriteTxnMarkers BrokerHeartbeat",
	wire.Postgres: "BEGIN COMMIT ROLLBACK INSERT SELECT COPY CREATE DECLARE FETCH CLOSE SET DO LISTEN NOTIFY DEALLOCATE",
	wire.HTTP:     "GET POST HEAD",
	wire.SMTP:     "EHLO AUTH MAIL RCPT DATA RSET QUIT STARTTLS EXPN",
}

// protocolRule adds a rule on requests of a protocol on lane-1.
func (r *rig) protocolRule(protocol, apis string, change func(*engine.Rule)) {
	r.t.Helper()
	r.rule(func(rule *engine.Rule) {
		rule.Match = nil
		for _, api := range strings.Fields(apis) {
			rule.Match = append(rule.Match, engine.Match{Protocol: protocol, API: api})
		}
		change(rule)
	})
}

// Recorded conversations pass as they were, whatever the pieces; and this is what of them counts.
func TestRecordedConversations(t *testing.T) {
	for protocol := range watched {
		for name, parts := range wiretest.Recordings(t, protocol) {
			for trial := range uint64(4) {
				t.Run(fmt.Sprintf("%s-%s/%d", protocol, name, trial), func(t *testing.T) {
					t.Parallel()
					conversation(t, protocol, name, parts, trial)
				})
			}
		}
	}
}

func conversation(t *testing.T, protocol, name string, parts []wiretest.Part, trial uint64) {
	r := newRig(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	h := r.hop("lane-1", "h", listener.Addr().String(), protocol)
	if protocol == wire.Kafka {
		r.idleHolds()
	}
	if trial > 0 {
		for _, at := range []string{engine.Request, engine.Reply} {
			r.protocolRule(protocol, watched[protocol], func(rule *engine.Rule) {
				rule.ID, rule.At, rule.Action, rule.Times = "note "+at, at, engine.ActionNote, -1
			})
			if trial > 1 {
				r.protocolRule(protocol, watched[protocol], func(rule *engine.Rule) {
					rule.ID, rule.At, rule.Nth, rule.Times, rule.HoldMSMax = "hold "+at, at, 2, 3, 1
				})
			}
		}
	}
	served := make(chan error, 1)
	go func() {
		server, err := listener.Accept()
		if err == nil {
			err = speak(server.(*net.TCPConn), parts, false, trial)
		}
		served <- err
	}()
	c, err := net.Dial("tcp", h.State().Listen)
	if err != nil {
		t.Fatal(err)
	}
	if err := speak(c.(*net.TCPConn), parts, true, trial); err != nil {
		t.Errorf("the client: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("the server: %v", err)
	}
	eventually(t, "the connection is gone", func() bool { return h.State().OpenConnections == 0 })
	want := conversations[protocol+"-"+name]
	if protocol == wire.Kafka {
		want = exchanged(t, parts)
		r.wantsAllRead()
	}
	if trial > 0 {
		r.wantsNotes(want)
	}
}

// speak takes one side of a conversation: it sends its parts in random pieces, each when everything before has come.
func speak(c *net.TCPConn, parts []wiretest.Part, client bool, seed uint64) error {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(4 * kafkatest.Patience))
	random := rand.New(rand.NewPCG(seed, 4712))
	for _, part := range parts {
		if part.FromClient == client {
			for rest := part.Bytes; len(rest) > 0; {
				n := min(len(rest), 1+random.IntN([]int{1, 20, 3000}[random.IntN(3)]))
				if _, err := c.Write(rest[:n]); err != nil {
					return err
				}
				if rest = rest[n:]; random.IntN(4) == 0 {
					time.Sleep(time.Duration(random.IntN(200)) * time.Microsecond)
				}
			}
			continue
		}
		got := make([]byte, len(part.Bytes))
		if n, err := io.ReadFull(c, got); err != nil || string(got) != string(part.Bytes) {
			return fmt.Errorf("%q (%v) instead of %q", got[:n], err, part.Bytes)
		}
	}
	_ = c.CloseWrite()
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		return fmt.Errorf("%q (%v) instead of the end", rest, err)
	}
	return nil
}

// wantsNotes compares what was noted with what is known of the recording: the requests, and what was replied.
func (r *rig) wantsNotes(want [2]string) {
	r.t.Helper()
	var noted [2][]string
	events, _ := r.engine.Log.Since(0)
	for _, ev := range events {
		if ev.Kind == engine.Noted {
			i := map[string]int{engine.Request: 0, engine.Reply: 1}[ev.At]
			noted[i] = append(noted[i], told(ev))
		}
	}
	for i, at := range []string{engine.Request, engine.Reply} {
		if got := strings.Join(noted[i], ", "); got != want[i] {
			r.t.Errorf("%s: noted\n\t%q,\nwant\n\t%q", at, got, want[i])
		}
	}
}

var conversations = map[string][2]string{
	"http-curl-1": {
		"POST /charges, POST /charges",
		"POST /charges, POST /charges",
	},
	"http-httpx-1": {
		"POST /charges, POST /charges, GET /chunked, GET /close",
		"POST /charges, POST /charges, GET /chunked, GET /close",
	},
	"http-requests-1": {
		"GET /charges, POST /charges, POST /charges, HEAD /charges, GET /empty, GET /chunked, GET /close",
		"GET /charges, POST /charges, POST /charges, HEAD /charges, GET /empty, GET /chunked, GET /close",
	},
	"http-urllib3-1": {
		"GET /chunked, POST /charges, HEAD /chunked, GET /empty",
		"GET /chunked, POST /charges, HEAD /chunked, GET /empty",
	},
	"postgres-pgjdbc-1": {
		"BEGIN, CREATE, COMMIT, BEGIN, INSERT, INSERT, INSERT, COMMIT, BEGIN, INSERT, COMMIT, BEGIN, INSERT, " +
			"COMMIT, BEGIN, INSERT, COMMIT, BEGIN, INSERT, COMMIT, BEGIN, INSERT, COMMIT, BEGIN, INSERT, COMMIT, " +
			"BEGIN, INSERT, COMMIT, BEGIN, INSERT, INSERT, INSERT, INSERT, COMMIT, BEGIN, INSERT, ROLLBACK, " +
			"BEGIN, SELECT, COMMIT",
		"BEGIN, CREATE TABLE, COMMIT, BEGIN, INSERT 0 1, INSERT 0 1, INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, " +
			"COMMIT, BEGIN, INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, COMMIT, BEGIN, " +
			"INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, " +
			"INSERT 0 1, INSERT 0 1, INSERT 0 1, COMMIT, BEGIN, ERROR 23505, ROLLBACK, BEGIN, SELECT, COMMIT",
	},
	"postgres-psycopg-cancel-1": {
		"SELECT, SELECT",
		"ERROR 57014, SELECT 1",
	},
	"postgres-psycopg-cancel-2": {
		"",
		"",
	},
	"postgres-psycopg-copy-1": {
		"BEGIN, CREATE, COPY, COMMIT, BEGIN, COPY, ROLLBACK, BEGIN, COPY, ROLLBACK, BEGIN, COPY, COMMIT",
		"BEGIN, CREATE TABLE, COPY 3, COMMIT, BEGIN, ERROR 23505, ROLLBACK, BEGIN, ERROR 57014, ROLLBACK, " +
			"BEGIN, COPY 3, COMMIT",
	},
	"postgres-psycopg-extended-1": {
		"BEGIN, CREATE, INSERT, COMMIT, BEGIN, INSERT, COMMIT, BEGIN, INSERT, COMMIT, BEGIN, SELECT, SELECT, " +
			"SELECT, COMMIT, BEGIN, INSERT, ROLLBACK, DEALLOCATE, BEGIN, DECLARE, FETCH, CLOSE, COMMIT",
		"BEGIN, CREATE TABLE, INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, COMMIT, " +
			"BEGIN, SELECT 1, SELECT 1, SELECT 1, COMMIT, BEGIN, ERROR 23505, ROLLBACK, DEALLOCATE ALL, BEGIN, " +
			"DECLARE CURSOR, FETCH 2, CLOSE CURSOR, COMMIT",
	},
	"postgres-psycopg-notices-1": {
		"LISTEN, NOTIFY, SET, DO, COMMIT",
		"LISTEN, NOTIFY, SET, DO, COMMIT",
	},
	"postgres-psycopg-pipeline-1": {
		"BEGIN, CREATE, COMMIT, BEGIN, INSERT, INSERT, INSERT, INSERT, INSERT, COMMIT, BEGIN, SELECT, " +
			"COMMIT, BEGIN, INSERT, INSERT, COMMIT, ROLLBACK, DEALLOCATE",
		"BEGIN, CREATE TABLE, COMMIT, BEGIN, INSERT 0 1, INSERT 0 1, INSERT 0 1, INSERT 0 1, INSERT 0 1, " +
			"COMMIT, BEGIN, SELECT 5, COMMIT, BEGIN, ERROR 23505, ROLLBACK, DEALLOCATE ALL",
	},
	"postgres-psycopg-simple-1": {
		"BEGIN, CREATE, INSERT, COMMIT, BEGIN, INSERT, INSERT, SELECT, ROLLBACK, BEGIN, INSERT, ROLLBACK, " +
			"BEGIN, COMMIT, BEGIN, COMMIT, SELECT, COMMIT",
		"BEGIN, CREATE TABLE, INSERT 0 1, COMMIT, BEGIN, INSERT 0 1, INSERT 0 1, SELECT 3, ROLLBACK, BEGIN, " +
			"ERROR 23505, ROLLBACK, BEGIN, COMMIT, BEGIN, COMMIT, ERROR 22012",
	},
	"smtp-sendmail-1": {
		"EHLO, AUTH, MAIL, RCPT, RCPT, DATA, MAIL, RCPT, RCPT, DATA, EXPN, RSET, MAIL, RCPT, DATA, MAIL, " +
			"RSET, QUIT",
		"EHLO, AUTH, MAIL, RCPT, RCPT, DATA, MAIL, RCPT, RCPT, DATA, EXPN, RSET, MAIL, RCPT, DATA, MAIL, " +
			"RSET, QUIT",
	},
	"smtp-starttls-1": {
		"EHLO, STARTTLS",
		"EHLO, STARTTLS",
	},
}
