package hop

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/wire"
)

// lingerTime is how long a connection that is closed with FIN still swallows what its peer sends. Without it the
// kernel would answer those bytes with an RST, so that a client which writes would meet a reset instead of a close, and
// what is on its way to the upstream could be lost.
const lingerTime = 2 * time.Second

// A conn relays between a client and the upstream.
type conn struct {
	hop      *Hop
	source   engine.Source
	client   *net.TCPConn
	upstream *net.TCPConn // nil until dialled

	codec      wire.Codec       // nil when the bytes are not looked at
	opaque     atomic.Bool      // both directions are relayed as they are from here on
	unreadable sync.Once        // what could not be read is announced once
	unsent     []*wire.Exchange // what is going on with the next write; of the direction of requests alone
	down       *direction       // the direction of replies

	// Each direction ends its own source: these are closed when nothing can reach the peer any more, and deaf when
	// replies are not read any more.
	upstreamGone, clientGone, deaf chan struct{}

	endMu sync.Mutex    // guards the end against the dialling
	ended chan struct{} // closed when the connection has ended
}

func newConn(h *Hop, client *net.TCPConn) *conn {
	source := engine.Source{Hop: h.name, Lane: h.lane, Link: h.link, Connection: lastConnection.Add(1)}
	c := &conn{
		hop: h, source: source, client: client, upstreamGone: make(chan struct{}), clientGone: make(chan struct{}),
		deaf: make(chan struct{}), ended: make(chan struct{}),
	}
	c.codec = protocols[h.protocol](c)
	c.opaque.Store(c.codec == nil)
	return c
}

// run relays until both directions have ended.
func (c *conn) run(address string) {
	if !c.dial(address) {
		return
	}
	why := make(chan string, 2)
	up := c.newDirection(c.client, c.upstream, c.hop.requests, &c.hop.counters.bytesUp)
	down := c.newDirection(c.upstream, c.client, c.hop.replies, &c.hop.counters.bytesDown)
	c.down, up.gone, up.deaf, down.gone = down, c.upstreamGone, c.deaf, c.clientGone
	up.out.beforeWrite, up.going = c.stamp, c.expect
	down.out.survive = true // so that a held request outlives its client
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		defer both.Done()
		why <- c.relayUp(up)
	}()
	go func() {
		defer both.Done()
		why <- c.relayDown(down)
	}()
	first := <-why
	both.Wait()
	c.end(engine.Close, first)
	_, _ = io.Copy(io.Discard, c.client) // until its end or the deadline that end has set
	_ = c.client.Close()
	_ = c.upstream.Close()
}

// dial connects to the upstream. Where that fails the client gets an RST, as near as an accepted connection can come
// to a refused one; in a withheld direction even that does not get through.
func (c *conn) dial(address string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), c.hop.opts.DialTimeout)
	defer cancel()
	go func() { // a connection that ends need not wait for its dialling
		select {
		case <-c.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	var dialer net.Dialer
	upstream, err := dialer.DialContext(ctx, "tcp", address)
	c.endMu.Lock()
	if err == nil {
		c.upstream = upstream.(*net.TCPConn)
	}
	over := c.isEnded()
	c.endMu.Unlock()
	switch {
	case over:
		if err == nil {
			_ = upstream.Close()
		}
		_ = c.client.Close()
		return false
	case err != nil:
		c.hop.counters.refusedUpstream.Add(1)
		c.hop.replies.pass(0, c.ended)
		c.hop.remove(c)
		abort(c.client)
		return false
	}
	c.log(engine.Opened, "client "+c.client.RemoteAddr().String())
	return true
}

// end ends the connection, at once and without waiting for anybody; later calls do nothing. From here on nothing
// more reaches the client.
func (c *conn) end(fate engine.Fate, why string) {
	c.endMu.Lock()
	defer c.endMu.Unlock()
	if c.isEnded() {
		return
	}
	close(c.ended)
	if fate == engine.Reset {
		abort(c.client)
	} else {
		closeGently(c.client)
	}
	c.hop.remove(c)
	if c.upstream != nil {
		closeGently(c.upstream)
		c.log(engine.Closed, why)
	}
}

// closeGently sends a FIN; the relays still swallow what the peer sends, and run closes the rest.
func closeGently(peer *net.TCPConn) {
	_ = peer.CloseWrite()
	_ = peer.SetDeadline(time.Now().Add(lingerTime))
}

// setReadDeadline bounds the next reads from a peer, unless the connection has ended and with it all of them.
func (c *conn) setReadDeadline(peer *net.TCPConn, t time.Time) bool {
	c.endMu.Lock()
	defer c.endMu.Unlock()
	if c.isEnded() {
		return false
	}
	_ = peer.SetReadDeadline(t)
	return true
}

func (c *conn) isEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// log logs an event of the connection itself. Links between brokers have too many of those.
func (c *conn) log(kind, reason string) {
	if c.source.Lane != "" {
		c.hop.opts.Engine.Log.Append(engine.Event{Kind: kind, Source: c.source, Reason: reason})
	}
}

// unread announces, once per connection, that something could not be read and was relayed as it is.
func (c *conn) unread(frame *engine.Frame, reason string) {
	c.unreadable.Do(func() { c.announce(frame, reason) })
}

// announce announces that something could not be read.
func (c *conn) announce(frame *engine.Frame, reason string) {
	c.hop.opts.Engine.Log.Append(engine.Event{
		Kind: engine.Unreadable, Source: c.source, Frame: frame, Reason: reason,
	})
}

// ending tells in words how a direction ended.
func ending(who string, err error) string {
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return who + " closed"
	case errors.Is(err, syscall.ECONNRESET):
		return who + " reset"
	default:
		return who + ": " + err.Error()
	}
}
