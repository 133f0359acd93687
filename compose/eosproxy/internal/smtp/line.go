package smtp

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eosproxy/internal/wire"
)

// line waits for a line, counted from an offset, and shows everything up to and with it.
func line(in wire.Stream, from int) ([]byte, error) {
	for n := from + 1; n <= wire.PeekLimit; {
		b, err := in.Peek(max(n, min(in.Buffered(), wire.PeekLimit)))
		if err != nil {
			return nil, err
		}
		if end := bytes.IndexByte(b[from:], '\n'); end >= 0 {
			return b[:from+end+1], nil
		}
		n = len(b) + 1
	}
	return nil, &wire.Unreadable{Reason: fmt.Sprintf("a line that does not end within %d bytes", wire.PeekLimit)}
}

// reply waits for a reply, which may have several lines, and gives its code.
func reply(in wire.Stream) (total, code int, err error) {
	for {
		b, err := line(in, total)
		if err != nil {
			return 0, 0, err
		}
		one := b[total:]
		digits := one[:min(len(one), 3)]
		if code, err = strconv.Atoi(string(digits)); err != nil || code < 200 || code > 599 {
			return 0, 0, &wire.Unreadable{Reason: fmt.Sprintf("%q is no line of an SMTP reply", one[:min(len(one), 40)])}
		}
		if total = len(b); one[3] != '-' {
			return total, code, nil
		}
	}
}

// A command as far as it matters.
type command struct {
	verb string // in capital letters; "" when there is none
	size int    // how many bytes of a BDAT follow
}

func parseCommand(line []byte) (c command, odd string) {
	words := strings.Fields(string(line))
	if len(words) == 0 || strings.Trim(strings.ToUpper(words[0]), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return c, fmt.Sprintf("%q is no SMTP command", line[:min(len(line), 40)])
	}
	c.verb = strings.ToUpper(words[0])
	if c.verb != bdat {
		return c, ""
	}
	if len(words) > 1 {
		if n, err := strconv.ParseUint(words[1], 10, 31); err == nil {
			c.size = int(n)
			return c, ""
		}
	}
	return c, fmt.Sprintf("%q does not say how many bytes follow", line[:min(len(line), 40)])
}

// content covers a message up to and with the dot that ends it. Only a line of its own ends it, as RFC 5321 has it.
type content struct{ state contentState }

type contentState byte

const (
	atLineStart contentState = iota
	inLine
	behindCR
	behindDot
	behindDotCR
)

func (e *content) Next(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		if e.state == inLine { // the rest of it does not matter
			i := bytes.IndexByte(b[n:], '\r')
			if i < 0 {
				return len(b), false, nil
			}
			n += i
		}
		done = e.state == behindDotCR && b[n] == '\n'
		e.state = e.state.next(b[n])
		if n++; done {
			return n, true, nil
		}
	}
	return n, false, nil
}

func (s contentState) next(c byte) contentState {
	switch {
	case c == '\r' && s == behindDot:
		return behindDotCR
	case c == '\r':
		return behindCR
	case c == '\n' && (s == behindCR || s == behindDotCR):
		return atLineStart
	case c == '.' && s == atLineStart:
		return behindDot
	default:
		return inLine
	}
}

const (
	bdat     = "BDAT"
	data     = "DATA"
	auth     = "AUTH"
	startTLS = "STARTTLS"
)

var verbs = strings.Fields("AUTH BDAT DATA EHLO ETRN EXPN HELO HELP LHLO MAIL NOOP QUIT RCPT RSET STARTTLS VRFY")

// CheckAPI refuses what is no verb.
func CheckAPI(verb string) error {
	if !slices.Contains(verbs, verb) {
		return fmt.Errorf("SMTP has no command %q: it has %s", verb, strings.Join(verbs, ", "))
	}
	return nil
}

// CarriedBy lists which fields rules can match: none.
func CarriedBy(string) []string { return nil }

// CheckCode refuses what is no code of an error.
func CheckCode(_, code string) error {
	if n, err := strconv.Atoi(code); err != nil || n < 400 || n > 599 {
		return fmt.Errorf("%q is no code of an error: 400 to 599 are", code)
	}
	return nil
}
