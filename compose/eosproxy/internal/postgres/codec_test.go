package postgres

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

// A talk is a connection that has been started.
type talk struct {
	t     *testing.T
	codec *Codec
	asked []*wire.Exchange
}

func newTalk(t *testing.T) *talk {
	t.Helper()
	k := &talk{t: t, codec: NewCodec(func(string) bool { return true })}
	k.up("\x00\x00\x00\x08\x00\x03\x00\x00")
	k.down("R\x00\x00\x00\x08\x00\x00\x00\x00", isReadyFor("I"))
	return k
}

// up has the client send, and gives the statements that count.
func (k *talk) up(messages ...string) (counted string) {
	k.t.Helper()
	s := &wiretest.Stream{Rest: []byte(strings.Join(messages, ""))}
	for len(s.Rest) > 0 {
		f, err := k.codec.Request(s)
		if err != nil {
			k.t.Fatal(err)
		}
		for _, x := range f.Requests {
			if x.Watched {
				counted += x.API + " "
				k.asked = append(k.asked, x)
			}
		}
		k.codec.Expect(&f)
		if _, _, err := s.Take(&f); err != nil {
			k.t.Fatal(err)
		}
	}
	return strings.TrimSpace(counted)
}

// refuse has the client send a message that is refused, and gives what goes upstream.
func (k *talk) refuse(m string) string {
	k.t.Helper()
	f, err := k.codec.Request(&wiretest.Stream{Rest: []byte(m)})
	if err != nil || len(f.Requests) == 0 {
		k.t.Fatal(err)
	}
	answer, err := k.codec.Answer(f.Requests[0], []byte(m), "40001")
	if err != nil {
		k.t.Fatal(err)
	}
	return string(k.codec.Refuse(&f, f.Requests[0], answer).Upstream)
}

// down has the server send, and gives what was answered, and which types of messages reach the client.
func (k *talk) down(messages ...string) (answered, types string) {
	k.t.Helper()
	s := &wiretest.Stream{Rest: []byte(strings.Join(messages, ""))}
	for len(s.Rest) > 0 {
		f, err := k.codec.Reply(s)
		if err != nil {
			k.t.Fatal(err)
		}
		if f.Answers != nil {
			answered += f.Answers.API + "=" + f.Text + " "
		}
		b, _, _ := s.Take(&f)
		if !f.Drop {
			types += string(b[:1])
		} else if f.Insert != nil {
			types += string(f.Insert[:1])
			if f.Insert[0] == 'Z' {
				types += string(f.Insert[5:])
			}
		}
	}
	return strings.TrimSpace(answered), types
}

func msg(kind byte, content ...string) string { return string(encode(kind, content...)) }
func isReadyFor(status string) string         { return msg('Z', status) }
func completed(tag string) string             { return msg('C', tag, "\x00") }
func anError() string                         { return string(errorResponse("23505")) }
func aParse(name, sql string) string          { return msg('P', name, "\x00", sql, "\x00\x00\x00") }
func aBind(portal, statement string) string {
	return msg('B', portal, "\x00", statement, "\x00\x00\x00\x00\x00\x00\x00")
}
func anExecute(portal string) string { return msg('E', portal, "\x00\x00\x00\x00\x00") }

const (
	parseComplete = "1\x00\x00\x00\x04"
	bindComplete  = "2\x00\x00\x00\x04"
	aSync         = "S\x00\x00\x00\x04"
)

func (k *talk) wants(what, got, want string) {
	k.t.Helper()
	if got != want {
		k.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestNamedStatementsCountWhenTheyAreExecuted(t *testing.T) {
	k := newTalk(t)
	k.wants("prepared", k.up(aParse("s", "COMMIT"), msg('D', "Ss\x00"), aSync), "")
	k.down(parseComplete, "n\x00\x00\x00\x04", isReadyFor("I"))
	for range 3 {
		k.wants("executed", k.up(aBind("", "s"), anExecute(""), aSync), "COMMIT")
		answered, _ := k.down(bindComplete, completed("COMMIT"), isReadyFor("I"))
		k.wants("answered", answered, "COMMIT=COMMIT")
	}
	k.up(msg('C', "Ss\x00"), aSync)
	k.down("3\x00\x00\x00\x04", isReadyFor("I"))
	k.wants("closed", k.up(aBind("", "s"), anExecute("")), "")
}

func TestPortalThatIsFetchedInPartsCountsOnce(t *testing.T) {
	k := newTalk(t)
	k.wants("first", k.up(aParse("", "SELECT 1"), aBind("p", ""), anExecute("p"), aSync), "SELECT")
	answered, _ := k.down(parseComplete, bindComplete, "s\x00\x00\x00\x04", isReadyFor("T"))
	k.wants("suspended", answered, "SELECT=")
	k.wants("more", k.up(anExecute("p"), aSync), "")
}

// An error ends all that is executed up to the Sync.
func TestErrorInAPipeline(t *testing.T) {
	k := newTalk(t)
	k.up(aParse("", "INSERT"), aBind("", ""), anExecute(""), aParse("", "COMMIT"), aBind("", ""), anExecute(""), aSync)
	k.up(msg('Q', "SELECT 1\x00"))
	answered, _ := k.down(parseComplete, anError(), isReadyFor("E"), completed("SELECT 1"), isReadyFor("E"))
	k.wants("answered", answered, "INSERT=ERROR 23505 SELECT=SELECT 1")
}

func TestCopyIn(t *testing.T) {
	copyData, copyDone, begin := msg('d', "1\n"), "c\x00\x00\x00\x04", msg('G', "\x00\x00\x00")
	extended := []string{aParse("", "COPY t FROM STDIN"), aBind("", ""), anExecute("")}
	for name, run := range map[string]func(k *talk) (string, string){
		"the Sync before the copy is ignored": func(k *talk) (string, string) {
			k.up(append(extended, aSync)...)
			k.down(parseComplete, bindComplete, begin)
			k.up(copyData, copyDone, aSync)
			return k.down(completed("COPY 1"), isReadyFor("I"))
		},
		"the Sync before the copy is ignored, and all comes at once": func(k *talk) (string, string) {
			k.up(append(extended, aSync, copyData, copyDone, aSync)...)
			return k.down(parseComplete, bindComplete, begin, completed("COPY 1"), isReadyFor("I"))
		},
		"a Sync while it copies is ignored": func(k *talk) (string, string) {
			k.up(extended...)
			k.down(parseComplete, bindComplete, begin)
			k.up(copyData, aSync, copyDone, aSync)
			return k.down(completed("COPY 1"), isReadyFor("I"))
		},
		"an error while it copies": func(k *talk) (string, string) {
			k.up(extended...)
			k.down(parseComplete, bindComplete, begin)
			k.up(copyData)
			answered, types := k.down(anError())
			k.up(copyDone, aSync)
			k.down(isReadyFor("E"))
			return strings.ReplaceAll(answered, "ERROR 23505", "COPY 1"), types
		},
		"a simple query": func(k *talk) (string, string) {
			k.up(msg('Q', "COPY t FROM STDIN\x00"), copyData, copyDone)
			return k.down(begin, completed("COPY 1"), isReadyFor("I"))
		},
	} {
		k := newTalk(t)
		answered, _ := run(k)
		k.wants(name, answered, "COPY=COPY 1")
		k.up(msg('Q', "COMMIT\x00")) // whatever it was, the next one is known
		answered, _ = k.down(completed("COMMIT"), isReadyFor("I"))
		k.wants(name+": afterwards", answered, "COMMIT=COMMIT")
	}
}

func TestOtherQueries(t *testing.T) {
	k := newTalk(t)
	k.up(msg('Q', " ; \x00"), msg('F', "\x00"), msg('Q', "COMMIT\x00"))
	answered, types := k.down("I\x00\x00\x00\x04", isReadyFor("I"), "V\x00\x00\x00\x08\xff\xff\xff\xff", isReadyFor("I"),
		msg('N', "\x00"), msg('A', "\x00\x00\x00\x00\x00\x00"), completed("COMMIT"), isReadyFor("I"))
	k.wants("answered", answered, "COMMIT=COMMIT")
	k.wants("types", types, "IZVZNACZ")
}

func TestRefusedStatements(t *testing.T) {
	failing := msg('E', refusedName, "\x00\x00\x00\x00\x00")
	t.Run("simple commit", func(t *testing.T) {
		k := newTalk(t)
		k.wants("upstream", k.refuse(msg('Q', "COMMIT\x00")), msg('Q', "ROLLBACK\x00"))
		_, types := k.down(completed("ROLLBACK"), isReadyFor("I"))
		k.wants("types", types, "EZ")
	})
	t.Run("simple", func(t *testing.T) {
		k := newTalk(t)
		k.wants("upstream", k.refuse(msg('Q', "INSERT; COMMIT\x00")), msg('Q', refusedName, "\x00"))
		_, types := k.down(anError(), isReadyFor("E"))
		k.wants("types", types, "EZ")
	})
	t.Run("extended commit", func(t *testing.T) {
		k := newTalk(t)
		k.up(aParse("", "COMMIT"), aBind("", ""))
		if got := k.refuse(anExecute("")); !strings.HasPrefix(got, aParse("", "ROLLBACK")) || !strings.HasSuffix(got, failing) {
			t.Errorf("upstream %q", got)
		}
		k.up(aSync)
		_, types := k.down(parseComplete, bindComplete, parseComplete, bindComplete, completed("ROLLBACK"), anError(), isReadyFor("I"))
		k.wants("types", types, "12EZ")
	})
	t.Run("extended", func(t *testing.T) {
		k := newTalk(t)
		k.up(aParse("", "INSERT"), aBind("", ""))
		k.wants("upstream", k.refuse(anExecute("")), failing)
		k.up(aParse("", "COMMIT"), aBind("", ""), anExecute(""), aSync, msg('Q', "ROLLBACK\x00"))
		answered, types := k.down(parseComplete, bindComplete, anError(), isReadyFor("E"), completed("ROLLBACK"), isReadyFor("I"))
		k.wants("types", types, "12EZCZ")
		k.wants("answered", answered, "ROLLBACK=ROLLBACK")
	})
	t.Run("behind an error of the server itself", func(t *testing.T) {
		k := newTalk(t)
		k.up(aParse("", "INSERT"), aBind("", ""), anExecute(""), aParse("s", "COMMIT"), aBind("", "s"))
		k.refuse(anExecute(""))
		k.up(aSync)
		answered, types := k.down(parseComplete, bindComplete, anError(), isReadyFor("E"))
		k.wants("answered", answered, "INSERT=ERROR 23505")
		k.wants("types", types, "12EZ")
	})
}

func TestReplacedStatement(t *testing.T) {
	k := newTalk(t)
	k.up(msg('Q', "INSERT; SELECT 1\x00"))
	f, err := k.codec.Reply(&wiretest.Stream{Rest: []byte(completed("INSERT 0 1"))})
	if err != nil || f.Answers == nil {
		t.Fatal(err)
	}
	k.codec.Replace(&f, nil)
	answered, types := k.down(msg('T', "\x00\x00"), msg('N', "\x00"), completed("SELECT 1"), isReadyFor("T"))
	k.wants("answered", answered, "")
	k.wants("types", types, "NZE") // the transaction would have failed
	k.up(msg('Q', "ROLLBACK\x00"))
	answered, types = k.down(completed("ROLLBACK"), isReadyFor("I"))
	k.wants("afterwards", answered+types, "ROLLBACK=ROLLBACKCZ")
}

func TestEncryption(t *testing.T) {
	const sslRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	var unreadable *wire.Unreadable
	for _, c := range []struct {
		answer string
		tls    bool
	}{{"N", false}, {"S", true}, {"G", true}} {
		k := &talk{t: t, codec: NewCodec(func(string) bool { return true })}
		k.up(sslRequest)
		next := &wiretest.Stream{Rest: []byte("\x00\x00\x00\x08\x00\x03\x00\x00")}
		if _, err := k.codec.Request(next); !errors.Is(err, wiretest.ErrBlocked) {
			t.Errorf("before the answer: %v", err)
		}
		if f, err := k.codec.Reply(&wiretest.Stream{Rest: []byte(c.answer)}); err != nil || f.Size != 1 {
			t.Errorf("%s: %+v, %v", c.answer, f, err)
		}
		if _, err := k.codec.Request(next); errors.As(err, &unreadable) != c.tls {
			t.Errorf("%s: the client: %v", c.answer, err)
		}
		if _, err := k.codec.Reply(&wiretest.Stream{Rest: []byte(isReadyFor("I"))}); errors.As(err, &unreadable) != c.tls {
			t.Errorf("%s: the server: %v", c.answer, err)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	k := newTalk(t)
	for i := range namesLimit + 2 {
		s := &wiretest.Stream{Rest: []byte(aParse(strings.Repeat("n", i/256)+string(rune('a'+i%256)), "COMMIT"))}
		f, err := k.codec.Request(s)
		if err != nil || (f.Odd != "") != (i >= namesLimit) {
			t.Fatalf("%d: %+v, %v", i, f, err)
		}
	}
	f, err := k.codec.Request(&wiretest.Stream{Rest: []byte(aBind("", strings.Repeat("x", nameLimit+1)))})
	if err != nil || f.Odd == "" {
		t.Errorf("%+v, %v", f, err)
	}
}

// Of a query that is too long, what can be seen counts.
func TestLongQuery(t *testing.T) {
	k := newTalk(t)
	long := msg('Q', "INSERT INTO t VALUES ('", strings.Repeat("x", wire.FrameLimit), "'); COMMIT\x00")
	f, err := k.codec.Request(&wiretest.Stream{Rest: []byte(long)})
	if err != nil || f.Size != len(long) || len(f.Requests) != 1 || !strings.Contains(f.Odd, "is not read") {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestVocabulary(t *testing.T) {
	for name, wrong := range map[string]string{
		"COMMIT": "", "ROLLBACK TO": "", "PREPARE TRANSACTION": "",
		"commit": `called "COMMIT" here`, "END": `called "COMMIT" here`, "START TRANSACTION": `called "BEGIN" here`,
		"COMIT": "no command", "": "no command",
	} {
		if err := CheckAPI(name); (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: %v, want %q", name, err, wrong)
		}
	}
	for code, valid := range map[string]bool{"40001": true, "57P01": true, "00000": false, "4001": false, "40o01": false, "": false} {
		if err := CheckCode("COMMIT", code); (err == nil) != valid {
			t.Errorf("%q: %v", code, err)
		}
	}
	if answer := errorResponse("40001"); !bytes.Contains(answer, []byte("C40001\x00")) || sqlState(answer[headLength:]) != "40001" {
		t.Errorf("%q", answer)
	}
}
