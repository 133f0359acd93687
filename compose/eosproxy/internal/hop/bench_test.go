package hop

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
)

// BenchmarkPipelined sends frames of 512 bytes one behind another, and reads their replies.
func BenchmarkPipelined(b *testing.B) {
	const abreast = 128
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	request := kafkatest.Produce(1, -1, "orders", kafkatest.Records{Bytes: make([]byte, 512-60)})
	reply := kafkatest.Reply(1, make([]byte, 4))
	go answer(listener, len(request), reply)
	set := NewSet(Options{Engine: engine.New(engine.NewLog(100)), DialTimeout: kafkatest.Patience})
	states, err := set.Create([]Config{{
		Name: "h", Lane: "lane-1", Listen: "127.0.0.1:0", Upstream: listener.Addr().String(), Protocol: Kafka,
	}})
	if err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("tcp", states[0].Listen)
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for many := bytes.Repeat(request, abreast); ; {
			if _, err := c.Write(many); err != nil {
				return
			}
		}
	}()
	in := bufio.NewReaderSize(c, readBuffer)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := in.Discard(len(reply)); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	_ = c.Close()
	set.Close(kafkatest.Patience)
}

// answer replies to every request of one connection, without looking at it.
func answer(listener net.Listener, length int, reply []byte) {
	c, err := listener.Accept()
	if err != nil {
		return
	}
	in, out := bufio.NewReaderSize(c, readBuffer), bufio.NewWriterSize(c, readBuffer)
	for {
		if _, err := in.Discard(length); err != nil && err != io.EOF {
			return
		} else if err == io.EOF {
			_ = c.Close()
			return
		}
		_, _ = out.Write(reply)
		if in.Buffered() < length {
			_ = out.Flush()
		}
	}
}
