package hop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"eosproxy/internal/engine"
	"eosproxy/internal/wire"
)

// A mailbox is a hop with a mail server behind it, which takes everything and keeps the messages.
type mailbox struct {
	*rig
	hop *Hop

	mu       sync.Mutex
	commands []string
	messages []string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	p := &mailbox{rig: newRig(t)}
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
			go p.serve(c)
		}
	}()
	p.hop = p.rig.hop("lane-1", "lane-1/smtp", listener.Addr().String(), wire.SMTP)
	return p
}

func (p *mailbox) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	in := textproto.NewReader(bufio.NewReader(c))
	say := func(reply string) { _, _ = io.WriteString(c, reply+"\r\n") }
	say("220-first line\r\n220 ready")
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		p.keep(&p.commands, line)
		var n int
		switch verb := strings.Fields(line)[0]; {
		case verb == "DATA":
			say("354 go on")
			content, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			p.keep(&p.messages, string(content))
			say("250 message kept")
		case verb == "BDAT":
			_, _ = fmt.Sscanf(line, "BDAT %d", &n)
			content := make([]byte, n)
			if _, err := io.ReadFull(in.R, content); err != nil {
				return
			}
			p.keep(&p.messages, string(content))
			say("250 chunk kept")
		case verb == "STARTTLS":
			say("220 go on")
			_, _ = io.Copy(c, in.R)
			return
		case verb == "AUTH":
			say("334 VXNlcm5hbWU6")
			_, _ = in.ReadLine()
			say("334 UGFzc3dvcmQ6")
			_, _ = in.ReadLine()
			say("235 known")
		default:
			say("250 " + verb)
		}
	}
}

func (p *mailbox) keep(list *[]string, item string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, item)
}

func (p *mailbox) kept() (commands, messages string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.commands, "|"), strings.Join(p.messages, "|")
}

// A sender reads replies one after another.
type sender struct {
	*client
	in *textproto.Reader
}

func (p *mailbox) connect() sender {
	p.t.Helper()
	c := connect(p.t, p.hop)
	s := sender{c, textproto.NewReader(bufio.NewReader(c))}
	s.wantsReplies("220 first line\nready")
	return s
}

func (s sender) says(text string) {
	s.t.Helper()
	s.send([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
}

func (s sender) wantsReplies(wanted ...string) {
	s.t.Helper()
	for _, want := range wanted {
		code, text, err := s.in.ReadResponse(0)
		got := fmt.Sprintf("%d %s", code, text)
		if errors.Is(err, io.EOF) {
			got = "end"
		}
		if got != want {
			s.t.Fatalf("%q (%v), want %q", got, err, want)
		}
	}
}

const mailError = "451 4.0.0 error made by eosproxy"

func TestRefusedCommandsInAPipeline(t *testing.T) {
	p := newMailbox(t)
	p.protocolRule(wire.SMTP, "RCPT", func(rule *engine.Rule) {
		rule.Action, rule.Error, rule.Nth = engine.ActionRefuse, "451", 2
	})
	s := p.connect()
	s.says("EHLO x\nMAIL FROM:<a>\nrcpt TO:<b>\nRCPT TO:<c>\nRCPT TO:<d>\nDATA\n")
	s.wantsReplies("250 EHLO", "250 MAIL", "250 rcpt", mailError, "250 RCPT", "354 go on")
	s.says("RCPT TO:<in the message>\n..\n.\nQUIT\n")
	s.wantsReplies("250 message kept", "250 QUIT")
	if commands, messages := p.kept(); commands != "EHLO x|MAIL FROM:<a>|rcpt TO:<b>|RCPT TO:<d>|DATA|QUIT" ||
		messages != "RCPT TO:<in the message>\n.\n" {
		t.Errorf("%q, %q", commands, messages)
	}
	if state := p.engine.Rules()[0]; state.Seen != 3 || state.Fired != 1 {
		t.Errorf("%+v", state)
	}
}

// A server that has asked for a message takes nothing else, so that the connection ends behind the refusal.
func TestRefusedMessage(t *testing.T) {
	p := newMailbox(t)
	p.protocolRule(wire.SMTP, "DATA", func(rule *engine.Rule) { rule.Action, rule.Error = engine.ActionRefuse, "451" })
	s := p.connect()
	s.says("DATA\n")
	s.wantsReplies("354 go on")
	s.says("one\n.\n")
	s.wantsReplies(mailError, "end")
	if _, messages := p.kept(); messages != "" {
		t.Errorf("kept %q", messages)
	}
	s = p.connect()
	s.says("DATA\n")
	s.wantsReplies("354 go on")
	s.says("two\n.\n")
	s.wantsReplies("250 message kept")
}

func TestReplacedReplyToAMessage(t *testing.T) {
	p := newMailbox(t)
	p.protocolRule(wire.SMTP, "DATA", func(rule *engine.Rule) {
		rule.At, rule.Action, rule.Error = engine.Reply, engine.ActionReplace, "451"
	})
	s := p.connect()
	s.says("DATA\n")
	s.wantsReplies("354 go on")
	s.says("one\n.\nQUIT\n")
	s.wantsReplies(mailError, "250 QUIT")
	if _, messages := p.kept(); messages != "one\n" {
		t.Errorf("kept %q", messages)
	}
}

func TestHeldMessageOutlivesItsClient(t *testing.T) {
	p := newMailbox(t)
	p.protocolRule(wire.SMTP, "DATA", func(*engine.Rule) {})
	s := p.connect()
	s.says("DATA\n")
	s.wantsReplies("354 go on")
	s.says("one\n.\n")
	hold := p.held()
	_ = s.SetLinger(0)
	_ = s.Close()
	p.release(hold, deliver())
	eventually(t, "the message of the client that is gone", func() bool {
		_, messages := p.kept()
		return messages == "one\n"
	})
}

func TestChunksAndChallenges(t *testing.T) {
	p := newMailbox(t)
	p.protocolRule(wire.SMTP, "AUTH BDAT QUIT", func(rule *engine.Rule) {
		rule.At, rule.Action, rule.Times = engine.Reply, engine.ActionNote, -1
	})
	s := p.connect()
	s.says("AUTH LOGIN\n")
	s.wantsReplies("334 VXNlcm5hbWU6")
	s.says("UVVJVA==\n")
	s.wantsReplies("334 UGFzc3dvcmQ6")
	s.says("UVVJVA==\n")
	s.wantsReplies("235 known")
	s.send([]byte("BDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\nQUIT\r\n"))
	s.wantsReplies("250 chunk kept", "250 chunk kept", "250 QUIT")
	var noted []string
	for _, ev := range p.events(engine.Noted, 4) {
		noted = append(noted, ev.Text)
	}
	if got := strings.Join(noted, " "); got != "AUTH BDAT BDAT QUIT" {
		t.Errorf("noted %s", got)
	}
}

func TestStartTLSIsRelayed(t *testing.T) {
	p := newMailbox(t)
	s := p.connect()
	s.says("STARTTLS\n")
	s.wantsReplies("220 go on")
	for _, said := range []string{"\x16\x03\x01", "DATA\r\n"} {
		s.send([]byte(said))
		got := make([]byte, len(said))
		if _, err := io.ReadFull(s.in.R, got); err != nil || string(got) != said {
			t.Errorf("%q, %v", got, err)
		}
	}
	if ev := p.event(engine.Unreadable); !strings.Contains(ev.Reason, "TLS begins") {
		t.Errorf("%+v", ev)
	}
}
