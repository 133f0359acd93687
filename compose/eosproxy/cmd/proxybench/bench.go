package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// patience bounds every wait for a peer.
const patience = 30 * time.Second

// bursts is how many bursts of requests measure the throughput of each path in a round, in turns.
const bursts = 10

// replyLength is that of all replies, about what a broker answers a Produce.
const replyLength = 64

// A bench is a broker, and where it can be reached by each path.
type bench struct {
	api       string
	broker    net.Listener
	addresses map[string]string
}

func newBench(api string) (*bench, error) {
	broker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bench{api: api, broker: broker, addresses: map[string]string{"direct": broker.Addr().String()}}
	go b.accept()
	var hops []struct{ Listen string }
	var proxy struct{ Listen string }
	upstream := broker.Addr().String()
	err = errors.Join(
		b.call("/eos/hops", []map[string]string{{
			"name": "bench", "lane": "bench", "listen": "127.0.0.1:0", "upstream": upstream, "protocol": "kafka",
		}}, &hops),
		b.call("/proxies", map[string]any{"name": "bench", "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true}, &proxy),
	)
	if err != nil {
		b.close()
		return nil, err
	}
	b.addresses["hop"], b.addresses["toxiproxy"] = hops[0].Listen, proxy.Listen
	return b, nil
}

func (b *bench) close() { _ = b.broker.Close() }

// call asks eosproxy for something new.
func (b *bench) call(path string, what, answer any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	r, err := http.Post("http://"+b.api+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusCreated {
		err = fmt.Errorf("%s: %s: %s", path, r.Status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	return err
}

func (b *bench) accept() {
	for {
		c, err := b.broker.Accept()
		if err != nil {
			return
		}
		go answer(c)
	}
}

// answer replies to every request, without looking at more than its header.
func answer(c net.Conn) {
	defer func() { _ = c.Close() }()
	in, out := bufio.NewReaderSize(c, 256<<10), bufio.NewWriterSize(c, 64<<10)
	reply := make([]byte, replyLength)
	binary.BigEndian.PutUint32(reply, replyLength-4)
	for {
		head, err := in.Peek(12)
		if err != nil {
			return
		}
		copy(reply[4:8], head[8:12]) // the correlation id
		if _, err := in.Discard(4 + int(binary.BigEndian.Uint32(head))); err != nil {
			return
		}
		_, _ = out.Write(reply)
		if in.Buffered() < 12 { // the next request is not here yet
			if err := out.Flush(); err != nil {
				return
			}
		}
	}
}

// produce makes a Produce of version 8 of so many bytes.
func produce(total int) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(total-4))
	frame = append(frame, 0, 0, 0, 8, 0, 0, 0, 0)                             // API, version, correlation id
	frame = append(frame, "\x00\x05bench\xff\xff\xff\xff\x00\x00\x75\x30"...) // client, no transaction, acks, timeout
	frame = append(frame, "\x00\x00\x00\x01\x00\x06orders\x00\x00\x00\x01\x00\x00\x00\x00"...)
	frame = binary.BigEndian.AppendUint32(frame, uint32(total-len(frame)-4))
	return append(frame, make([]byte, total-len(frame))...)
}

func number(frame []byte, n int) { binary.BigEndian.PutUint32(frame[8:], uint32(n)) }

// round measures every path with requests of one size, over a connection of its own.
func (b *bench) round(s size, round int) ([]result, error) {
	conns, results := make([]net.Conn, len(paths)), make([]result, len(paths))
	for i, path := range paths {
		c, err := net.DialTimeout("tcp", b.addresses[path], patience)
		if err != nil {
			return nil, err
		}
		defer func() { _ = c.Close() }()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return nil, err
		}
		conns[i], results[i] = c, result{Round: round, Size: s.Name, Path: path}
	}
	took, err := trips(conns, s)
	if err != nil {
		return nil, err
	}
	busy := make([]time.Duration, len(paths))
	for burst := range bursts * len(paths) {
		i := (burst + round) % len(paths) // nobody is always the first
		lasted, err := throughput(conns[i], s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", paths[i], err)
		}
		busy[i] += lasted
	}
	for i := range results {
		r := &results[i]
		r.P50, r.P99 = percentile(took[i], 50), percentile(took[i], 99)
		r.FramesPerS = float64(bursts*s.Burst) / busy[i].Seconds()
		r.MBPerS = r.FramesPerS * float64(s.Bytes) / 1e6
	}
	return results, nil
}

// trips sends requests one after the other, over one path after the other, and gives how long their replies took.
func trips(conns []net.Conn, s size) ([][]time.Duration, error) {
	frame, reply := produce(s.Bytes), make([]byte, replyLength)
	took := make([][]time.Duration, len(conns))
	for n := range s.Trips + s.Trips/10 {
		for i, c := range conns {
			number(frame, n)
			begin := time.Now()
			if _, err := c.Write(frame); err != nil {
				return nil, fmt.Errorf("%s: %w", paths[i], err)
			}
			if _, err := io.ReadFull(c, reply); err != nil {
				return nil, fmt.Errorf("%s: %w", paths[i], err)
			}
			if !bytes.Equal(reply[4:8], frame[8:12]) {
				return nil, fmt.Errorf("%s: the reply to request %d is %x", paths[i], n, reply[:8])
			}
			if n >= s.Trips/10 { // the first ones warm up
				took[i] = append(took[i], time.Since(begin))
			}
		}
	}
	return took, nil
}

// percentile gives one of them in µs.
func percentile(took []time.Duration, percent int) float64 {
	sorted := slices.Sorted(slices.Values(took))
	return float64(sorted[(len(sorted)-1)*percent/100].Nanoseconds()) / 1e3
}

// throughput sends a burst of requests, each with a write of its own, as many abreast as the size says, and gives how
// long it took until all were answered.
func throughput(c net.Conn, s size) (time.Duration, error) {
	window := make(chan struct{}, s.Abreast) // of the requests that are on their way
	over := make(chan struct{})
	defer close(over)
	begin := time.Now()
	go func() {
		frame := produce(s.Bytes)
		for n := range s.Burst {
			select {
			case window <- struct{}{}:
			case <-over:
				return
			}
			number(frame, n)
			if _, err := c.Write(frame); err != nil {
				return // the reader meets it, too
			}
		}
	}()
	in := bufio.NewReaderSize(c, 64<<10)
	for range s.Burst {
		if _, err := in.Discard(replyLength); err != nil {
			return 0, err
		}
		<-window
	}
	return time.Since(begin), nil
}
