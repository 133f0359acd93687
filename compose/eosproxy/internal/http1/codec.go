// Package http1 reads HTTP/1.1 as far as a relay needs it: where a message ends, and which response belongs to which
// request. The heads are read by the standard library; bodies pass byte by byte, since its readers would change them.
package http1

import (
	"fmt"
	"net/http"
	"strconv"

	"eosproxy/internal/wire"
)

// A Codec reads one connection between a client and a server.
type Codec struct {
	watches func(method string) bool

	present   expected // the request that was read last
	responses wire.Queue[expected]

	switched string // to what the connection was switched: written before decided is closed
}

// An expected response, or the one that is made here in its place.
type expected struct {
	request *wire.Exchange
	method  string
	closes  bool          // the connection ends behind the response
	decided chan struct{} // closed when it is known whether the protocol is switched; nil when that was not asked for
	answer  []byte        // to be inserted; nil when the server is to respond
}

// NewCodec makes a codec of one connection. watches says which methods rules are to see.
func NewCodec(watches func(method string) bool) *Codec { return &Codec{watches: watches} }

// Request reads the head of the request that comes next.
func (c *Codec) Request(in wire.Stream) (wire.Frame, error) {
	if _, err := in.Peek(1); err != nil {
		return wire.Frame{}, err
	}
	if c.present.decided != nil {
		if err := in.Await(c.present.decided); err != nil {
			return wire.Frame{}, err
		}
		if c.switched != "" {
			return wire.Frame{}, c.opaque()
		}
	}
	if n, err := emptyLine(in); n > 0 || err != nil {
		return wire.Frame{Size: n}, err
	}
	b, err := head(in)
	if err != nil {
		return wire.Frame{}, err
	}
	r, err := parseRequest(b)
	if err != nil {
		return wire.Frame{}, err
	}
	f := wire.Frame{Size: len(b)}
	switch expects := wants(r.Header, "Expect", "100-continue"); {
	case r.ContentLength < 0:
		f.Extent, f.Lazy = &chunks{}, expects
	case expects && r.ContentLength > 0:
		f.Extent, f.Lazy = &fixed{r.ContentLength}, true
	default:
		f.Size += int(r.ContentLength)
	}
	c.request(r, &f)
	return f, nil
}

func (c *Codec) request(r *http.Request, f *wire.Frame) {
	c.present = expected{method: r.Method, closes: r.Close || f.Lazy}
	if r.Method == http.MethodConnect || wants(r.Header, "Connection", "upgrade") {
		c.present.decided = make(chan struct{})
	}
	text := r.Method + " " + r.URL.Path
	if r.Method == http.MethodConnect {
		text = r.Method + " " + r.Host
	}
	c.present.request = &wire.Exchange{
		Request: wire.Request{Protocol: wire.HTTP, API: r.Method, Text: text, Path: r.URL.Path},
		Watched: c.watches(r.Method), Timed: c.present.decided == nil,
	}
	f.Requests = []*wire.Exchange{c.present.request}
}

func (c *Codec) opaque() error {
	return &wire.Unreadable{Reason: c.switched + ": what follows is no HTTP and is relayed as it is"}
}

// Expect expects the response to a request.
func (c *Codec) Expect(f *wire.Frame) bool {
	if len(f.Requests) == 0 {
		return true
	}
	return c.responses.Add(c.present)
}

// Refuse has the answer inserted behind the responses to the requests before. Of a client that waits to be told to
// send the body it cannot be known whether it is going to come.
func (c *Codec) Refuse(f *wire.Frame, _ *wire.Exchange, answer []byte) wire.Refusal {
	if c.present.decided != nil {
		close(c.present.decided)
	}
	refused := c.present
	refused.request, refused.answer = nil, answer
	c.responses.Add(refused)
	return wire.Refusal{Close: f.Lazy}
}

// Answer makes the error response to the request that was read last.
func (c *Codec) Answer(_ *wire.Exchange, _ []byte, code string) ([]byte, error) {
	if err := CheckCode("", code); err != nil {
		return nil, err
	}
	status, _ := strconv.Atoi(code)
	const body = "error made by eosproxy\n"
	head := fmt.Sprintf("HTTP/1.1 %s %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n",
		code, http.StatusText(status), len(body))
	if c.present.closes {
		head += "Connection: close\r\n"
	}
	if c.present.method == http.MethodHead {
		return []byte(head + "\r\n"), nil
	}
	return []byte(head + "\r\n" + body), nil
}

// CheckCode refuses what is no status of an error.
func CheckCode(_, code string) error {
	if n, err := strconv.Atoi(code); err != nil || n < 400 || n > 599 {
		return fmt.Errorf("%q is no status of an error: 400 to 599 are", code)
	}
	return nil
}

// due says that an answer made here comes next.
func (c *Codec) due() bool {
	next, ok := c.responses.Head()
	return ok && next.answer != nil
}

// Reply reads the head of the response that comes next.
func (c *Codec) Reply(in wire.Stream) (wire.Frame, error) {
	if c.switched != "" {
		return wire.Frame{}, c.opaque()
	}
	due, err := wire.AwaitReply(in, c.due)
	if err != nil {
		return wire.Frame{}, err
	}
	next, ok := c.responses.Head()
	if due {
		c.responses.Pop()
		return wire.Frame{Insert: next.answer, Close: next.closes}, nil
	}
	b, err := head(in)
	if err != nil {
		return wire.Frame{}, err
	}
	r, err := parseResponse(b, &http.Request{Method: next.method})
	if err != nil {
		return wire.Frame{}, err
	}
	f := wire.Frame{Size: len(b)}
	if r.StatusCode < 200 && (r.StatusCode != http.StatusSwitchingProtocols || next.decided == nil) {
		return f, nil // the response proper is still to come
	}
	if !ok {
		f.Odd = fmt.Sprintf("a response %d without a request", r.StatusCode)
	}
	c.responses.Pop()
	f.Answers = next.request
	c.body(r, next, &f)
	if next.decided != nil {
		close(next.decided)
	}
	return f, nil
}

// body finds what belongs to a response behind its head.
func (c *Codec) body(r *http.Response, request expected, f *wire.Frame) {
	switch {
	case r.StatusCode == http.StatusSwitchingProtocols:
		c.switched = "101 Switching Protocols"
	case request.method == http.MethodConnect && r.StatusCode < 300:
		c.switched = fmt.Sprintf("CONNECT answered with %d", r.StatusCode)
	case request.method == http.MethodHead, r.StatusCode == http.StatusNoContent, r.StatusCode == http.StatusNotModified:
	case len(r.TransferEncoding) > 0:
		f.Extent, f.Lazy = &chunks{}, true
	case r.ContentLength < 0:
		f.Extent, f.Lazy = untilEnd{}, true
	default:
		f.Size += int(r.ContentLength)
	}
}

// Replace closes the connection where what is replaced has no end, or would have switched it to something else.
func (c *Codec) Replace(f *wire.Frame, _ []byte) {
	_, endless := f.Extent.(untilEnd)
	f.Close = endless || c.switched != ""
}
