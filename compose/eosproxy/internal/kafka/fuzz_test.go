package kafka

import (
	"errors"
	"strconv"
	"testing"

	"eosproxy/internal/kafkatest"
	"eosproxy/internal/wire"
	"eosproxy/internal/wiretest"
)

// Nothing makes a parser panic, hang or read more than there is; ErrShort is only said of what could go on.
func FuzzRequest(f *testing.F) {
	for _, g := range readGolden(f) {
		if g.kind == "request" {
			f.Add(g.frame)
			f.Add(g.frame[:len(g.frame)/2])
		}
	}
	f.Add([]byte{})
	f.Add([]byte("\x16\x03\x01 this is TLS, or so"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, err := ParseRequestHeader(frame)
		if err != nil {
			if !errors.Is(err, ErrShort) && !errors.Is(err, ErrMalformed) {
				t.Fatalf("header: %v", err)
			}
			return
		}
		if h.Body < 8 || h.Body > len(frame) {
			t.Fatalf("the body begins at %d of %d", h.Body, len(frame))
		}
		body := frame[h.Body:]
		_, _ = ProduceAcks(h, body)
		part, partErr := ParseBody(h, body, false)
		whole, err := ParseBody(h, body, true)
		if errors.Is(err, ErrShort) {
			t.Fatal("a whole frame is said to be too short")
		}
		consistent := errors.Is(partErr, ErrShort) || part.listed || (partErr == nil) == (err == nil)
		if !consistent || len(part.Topics) != len(whole.Topics) {
			t.Fatalf("as a prefix %+v (%v), as a whole %+v (%v)", part, partErr, whole, err)
		}
		if n := len(part.Topics) + len(part.TransactionalIDs); n > len(frame) {
			t.Fatalf("%d elements out of %d bytes", n, len(frame))
		}
	})
}

func FuzzMetadataReply(f *testing.F) {
	for _, g := range readGolden(f) {
		if g.kind == "reply" {
			f.Add(g.version, g.frame)
		}
	}
	f.Fuzz(func(t *testing.T, version int16, reply []byte) {
		_, _ = ParseReplyHeader(reply)
		for _, topic := range TopicIDs(version, reply) {
			if len(topic.ID) != 22 || topic.Name == "" || len(topic.Name) > len(reply) {
				t.Fatalf("out of %d bytes: %+v", len(reply), topic)
			}
		}
	})
}

func FuzzFrameSize(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8})
	f.Add([]byte{0x16, 3, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < SizeLength {
			return
		}
		if size, err := FrameSize(b); size < 0 || size > MaxSize || err != nil && size != 0 {
			t.Fatalf("%d, %v", size, err)
		}
	})
}

// Whatever is asked: an answer is one that a client can read to its end, and holds the error; or there is none.
func FuzzAnswer(f *testing.F) {
	for _, x := range readExchanges(f) {
		f.Add(x.request, int16(16))
		f.Add(x.request[:len(x.request)-1], int16(-1))
	}
	f.Fuzz(func(t *testing.T, request []byte, code int16) {
		reply, err := AnswerError(request, nil, strconv.Itoa(int(code)))
		if err != nil {
			return
		}
		h, err := ParseRequestHeader(request)
		if err != nil {
			t.Fatalf("an answer to what has no header: %v", err)
		}
		version := h.Version
		if h.API.Key == ApiVersions && code == unsupportedVersion {
			version = 0
		}
		if size, err := FrameSize(reply); err != nil || size != len(reply)-SizeLength {
			t.Fatalf("%d bytes, size %d, %v", len(reply), size, err)
		}
		fields, _ := fieldsOf(h.API.Name, replyKind, version)
		r := reader{buf: reply[SizeLength:]}
		r.skip(4)
		r.tags(h.API.ReplyHeaderVersion(version) > 0)
		body := readTree(&r, fields, h.API.IsFlexible(version))
		if r.err != nil || r.off != len(r.buf) {
			t.Fatalf("%s of version %d: read %d of %d bytes: %v", h.API.Name, version, r.off, len(r.buf), r.err)
		}
		if errorsIn(body, int64(code)) == 0 {
			t.Fatalf("%s of version %d: no error %d in %v", h.API.Name, version, code, body)
		}
	})
}

func errorsIn(value any, code int64) (n int) {
	switch v := value.(type) {
	case tree:
		for name, inner := range v {
			if (name == "error_code" || name == "partition_error_code") && inner == code {
				n++
			}
			n += errorsIn(inner, code)
		}
	case []any:
		for _, inner := range v {
			n += errorsIn(inner, code)
		}
	}
	return n
}

// A codec never reads beyond a stream, never stands still, and gives every byte to a frame or gives up.
func FuzzCodec(f *testing.F) {
	var requests []byte
	for _, x := range readExchanges(f) {
		requests = append(requests, kafkatest.Frame(x.request)...)
		if len(requests) > 2000 {
			f.Add(requests, kafkatest.Frame(x.reply))
			requests = nil
		}
	}
	for _, parts := range wiretest.Recordings(f, wire.Kafka) {
		f.Add(wiretest.Side(parts, true), wiretest.Side(parts, false))
	}
	f.Add([]byte("\x00\x00\x00\x0c\x00\x11\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00 bare tokens"), []byte("\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, up, down []byte) {
		c := NewCodec(func(string) bool { return true }, func([]TopicID) {})
		follow := func(stream []byte, next func(wire.Stream) (wire.Frame, error), passed func(*wire.Frame, []byte)) {
			in := wiretest.Stream{Rest: stream}
			for {
				frame, err := next(&in)
				if err != nil {
					return
				}
				if frame.Size <= 0 {
					t.Fatalf("a frame of %d bytes", frame.Size)
				}
				taken, whole, _ := in.Take(&frame)
				if !whole {
					return
				}
				passed(&frame, taken)
			}
		}
		follow(up, c.Request, func(frame *wire.Frame, taken []byte) {
			for _, x := range frame.Requests {
				_, _ = c.Answer(x, taken, "16")
			}
			c.Expect(frame)
		})
		follow(down, c.Reply, func(*wire.Frame, []byte) {})
	})
}
