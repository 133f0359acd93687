package hop

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"eosproxy/internal/engine"
	"eosproxy/internal/kafkatest"
	"eosproxy/internal/wire"
)

// recorded is the golden stream of requests.
func recorded(t *testing.T) [][]byte {
	t.Helper()
	text, err := os.ReadFile("../kafka/testdata/golden-4.4.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		columns := strings.Fields(line)
		frame, err := hex.DecodeString(columns[len(columns)-1])
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return frames
}

// Whatever the frames, however they are cut up, and whatever is watched for: the bytes that arrive are those sent.
func TestBytesArePreserved(t *testing.T) {
	known := recorded(t)
	for trial := range 60 {
		t.Run(fmt.Sprint(trial), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(trial), 4711))
			up := randomStream(random, known)
			down := randomStream(random, known)
			r := newRig(t)
			rules := trial%3 > 0
			upstream := newPeer(t, down, random.Uint64(), rules) // nothing is held for an upstream that has ended
			protocol := Kafka
			if trial%10 == 9 {
				protocol = TCP
			}
			h := r.hop("lane-1", "h", upstream.address, protocol)
			if rules { // one that reads, and one that even takes frames into memory
				topic := map[bool]string{true: "orders", false: "no such topic"}[trial%3 == 1]
				r.rule(func(rule *engine.Rule) {
					rule.ID, rule.Action, rule.Times = "note", engine.ActionNote, -1
					rule.Match = []engine.Match{{API: "Produce", Topic: &topic}, {API: "OffsetCommit", Topic: &topic}, {API: "EndTxn"}}
				})
				r.rule(func(rule *engine.Rule) { rule.ID, rule.Times, rule.HoldMSMax = "hold", 3, 1 })
			}
			c, err := net.Dial("tcp", h.State().Listen)
			if err != nil {
				t.Fatal(err)
			}
			got := exchange(c.(*net.TCPConn), up, random.Uint64(), false)
			same(t, "downwards", got, down)
			same(t, "upwards", <-upstream.got, up)
			eventually(t, "bytes are counted", func() bool {
				s := h.State()
				return s.BytesUp == int64(len(up)) && s.BytesDown == int64(len(down))
			})
		})
	}
}

func TestRecordedStreamIsPreserved(t *testing.T) {
	stream := bytes.Join(recorded(t), nil)
	r := newRig(t)
	upstream := newPeer(t, stream, 1, false)
	h := r.hop("lane-1", "h", upstream.address, Kafka)
	c, err := net.Dial("tcp", h.State().Listen)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "downwards", exchange(c.(*net.TCPConn), stream, 2, false), stream)
	same(t, "upwards", <-upstream.got, stream)
}

func same(t *testing.T, way string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Errorf("%s: %d bytes instead of %d, different from byte %d on", way, len(got), len(want), at)
	}
}

// A randomStream of frames, known ones and arbitrary ones; their sizes lie around those of the buffers.
func randomStream(random *rand.Rand, known [][]byte) []byte {
	sizes := []int{0, 1, 3, 4, 5, 8, 100, 512 - 5, 512 - 4, 512, 5000, writeBuffer, readBuffer - 4, readBuffer, 3 * readBuffer}
	var stream []byte
	for range 1 + random.IntN(40) {
		switch random.IntN(5) {
		case 0:
			content := make([]byte, max(0, sizes[random.IntN(len(sizes))]+random.IntN(3)-1))
			for i := range content {
				content[i] = byte(random.Uint32())
			}
			stream = append(stream, kafkatest.Frame(content)...)
		case 1:
			records := make([]byte, sizes[random.IntN(len(sizes))])
			stream = append(stream, kafkatest.Produce(int32(random.Uint32()), int16(random.IntN(3)-1), "orders",
				kafkatest.Records{Bytes: records}, kafkatest.Records{Partition: 1, Bytes: records})...)
		default:
			stream = append(stream, known[random.IntN(len(known))]...)
		}
	}
	if random.IntN(10) == 0 {
		stream = append(stream, kafkatest.Produce(1, -1, "orders", kafkatest.Records{Bytes: make([]byte, wire.FrameLimit+99)})...)
	}
	if random.IntN(4) == 0 { // torn off
		stream = stream[:len(stream)-random.IntN(min(len(stream), 20))]
	}
	return stream
}

// A peer serves one connection: it sends its stream and gives what it got.
type peer struct {
	address string
	got     chan []byte
}

func newPeer(t *testing.T, stream []byte, seed uint64, endsLast bool) peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := peer{address: listener.Addr().String(), got: make(chan []byte, 1)}
	go func() {
		c, err := listener.Accept()
		if err != nil {
			close(p.got)
			return
		}
		p.got <- exchange(c.(*net.TCPConn), stream, seed, endsLast)
	}()
	return p
}

// exchange sends a stream in random pieces, and reads all that the other side sends. Its own end it sends behind its
// stream, or when it is to end last, behind the end of the other side.
func exchange(c *net.TCPConn, stream []byte, seed uint64, endsLast bool) []byte {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(6 * kafkatest.Patience))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		random := rand.New(rand.NewPCG(seed, 0))
		for len(stream) > 0 {
			most := []int{1, 7, 100, 3000, 100_000}[random.IntN(5)]
			n := min(len(stream), 1+random.IntN(most))
			if _, err := c.Write(stream[:n]); err != nil {
				return
			}
			if stream = stream[n:]; random.IntN(10) == 0 {
				time.Sleep(time.Duration(random.IntN(300)) * time.Microsecond)
			}
		}
		if !endsLast {
			_ = c.CloseWrite()
		}
	}()
	got, err := io.ReadAll(c)
	<-sent
	if err != nil && !errors.Is(err, io.EOF) {
		return append(got, fmt.Sprintf(" … %v", err)...)
	}
	return got
}
