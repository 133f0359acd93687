package kafka

import (
	"errors"
	"testing"
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
