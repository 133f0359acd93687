package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"eosproxy/internal/wire"
)

// maxBody is far beyond what is sent as one body.
const maxBody = 1 << 50

// head waits for the head of a message, a start line and fields, up to and with the empty line that ends it.
func head(in wire.Stream) ([]byte, error) {
	for n := 1; n <= wire.PeekLimit; {
		b, err := in.Peek(max(n, min(in.Buffered(), wire.PeekLimit)))
		if err != nil {
			return nil, err
		}
		if end := headEnd(b); end > 0 {
			return b[:end], nil
		}
		if reason := noHead(b); reason != "" {
			return nil, &wire.Unreadable{Reason: reason}
		}
		n = len(b) + 1
	}
	return nil, &wire.Unreadable{Reason: fmt.Sprintf("the head of a message is longer than %d bytes", wire.PeekLimit)}
}

// headEnd is how long the head is that b begins with; 0 if it goes on.
func headEnd(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return 0
		}
		if line := bytes.TrimSuffix(b[at:at+i], []byte("\r")); len(line) == 0 && at > 0 {
			return at + i + 1
		}
		at += i + 1
	}
}

// noHead says why bytes cannot begin a message of HTTP/1; "" if they may.
func noHead(b []byte) string {
	switch {
	case b[0] == 0x16:
		return "TLS handshake: a hop of protocol \"http\" cannot look into TLS"
	case bytes.HasPrefix(b, []byte("PRI * HTTP/2")):
		return "HTTP/2 begins: a hop of protocol \"http\" reads HTTP/1.1"
	case b[0] <= ' ' || b[0] >= 0x7f:
		return fmt.Sprintf("%q cannot begin a message of HTTP/1.1", b[:min(len(b), 8)])
	}
	return ""
}

// emptyLine is how long an empty line is that comes before a message, as some clients send it; 0 if there is none.
func emptyLine(in wire.Stream) (int, error) {
	b, err := in.Peek(1)
	if err != nil {
		return 0, err
	}
	switch b[0] {
	case '\n':
		return 1, nil
	case '\r':
		if b, err = in.Peek(2); err != nil || b[1] != '\n' {
			return 0, err
		}
		return 2, nil
	}
	return 0, nil
}

func parseRequest(b []byte) (*http.Request, error) {
	if reason := noHead(b); reason != "" {
		return nil, &wire.Unreadable{Reason: reason}
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		return nil, &wire.Unreadable{Reason: fmt.Sprintf("no request of HTTP/1.1: %v", err)}
	}
	if r.ContentLength > maxBody {
		return nil, &wire.Unreadable{Reason: fmt.Sprintf("a body of %d bytes", r.ContentLength)}
	}
	return r, nil
}

func parseResponse(b []byte, to *http.Request) (*http.Response, error) {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), to)
	if err != nil {
		return nil, &wire.Unreadable{Reason: fmt.Sprintf("no response of HTTP/1.1: %v", err)}
	}
	if r.ContentLength > maxBody {
		return nil, &wire.Unreadable{Reason: fmt.Sprintf("a body of %d bytes", r.ContentLength)}
	}
	return r, nil
}

// wants says whether a field lists a token.
func wants(h http.Header, field, token string) bool {
	for _, value := range h.Values(field) {
		for _, one := range strings.Split(value, ",") {
			if strings.EqualFold(strings.TrimSpace(one), token) {
				return true
			}
		}
	}
	return false
}

// CheckAPI refuses what is no method.
func CheckAPI(method string) error {
	for _, c := range method {
		if c != '-' && c != '_' && (c < 'A' || c > 'Z') {
			return fmt.Errorf("%q is no method of HTTP: capital letters are needed", method)
		}
	}
	if method == "" {
		return errors.New("missing")
	}
	return nil
}

// CarriedBy lists which fields of a request rules can match.
func CarriedBy(string) []string { return []string{"path"} }
