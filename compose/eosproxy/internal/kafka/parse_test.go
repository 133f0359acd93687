package kafka

import (
	"errors"
	"strings"
	"testing"

	"eosproxy/internal/kafkatest"
)

func TestFrameSize(t *testing.T) {
	for _, c := range []struct {
		name, first, wrong string
		size               int
	}{
		{"empty", "\x00\x00\x00\x00", "", 0},
		{"small", "\x00\x00\x01\x02", "", 258},
		{"largest", "\x10\x00\x00\x00", "", MaxSize},
		{"too large", "\x10\x00\x00\x01", "cannot begin a Kafka frame", 0},
		{"negative", "\xff\xff\xff\xff", "cannot begin a Kafka frame", 0},
		{"TLS", "\x16\x03\x01\x02", "TLS handshake", 0},
		{"HTTP", "GET ", `"GET " cannot begin a Kafka frame`, 0},
	} {
		size, err := FrameSize([]byte(c.first))
		switch {
		case c.wrong == "" && (err != nil || size != c.size):
			t.Errorf("%s: %d, %v", c.name, size, err)
		case c.wrong != "" && (!errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
	}
}

func TestUnreadable(t *testing.T) {
	endTxn := kafkatest.EndTxn(1, "tx", true)[SizeLength:]
	for _, c := range []struct {
		name  string
		frame []byte
		wrong string
	}{
		{"unknown API", kafkatest.Request(4711, 0, 7, nil)[SizeLength:], "unknown API key 4711"},
		{"negative API", kafkatest.Request(-1, 0, 7, nil)[SizeLength:], "unknown API key -1"},
		{"negative version", kafkatest.Request(26, -2, 7, nil)[SizeLength:], "EndTxn of version -2"},
		{"unknown version", kafkatest.FlexibleRequest(26, 99, 7, nil)[SizeLength:], "only versions up to 5 are known"},
		{"torn body", endTxn[:len(endTxn)-1], "EndTxn of version 1 ends in the middle of its body"},
		{"negative string", kafkatest.Request(26, 1, 7, []byte{0xff, 0xf0})[SizeLength:], "malformed: length -16"},
		{"negative array", kafkatest.Request(8, 2, 7, append(make([]byte, 2+4+2+8), 0xff, 0, 0, 0))[SizeLength:], "array of -16777216 elements"},
		{"long varint", kafkatest.FlexibleRequest(26, 3, 7, []byte{255, 255, 255, 255, 255, 1})[SizeLength:], "varint of more than 32 bits"},
	} {
		h, err := ParseRequestHeader(c.frame)
		if err == nil {
			var body Body
			if body, err = ParseBody(h, c.frame[h.Body:], true); body.Committed != nil {
				t.Errorf("%s: whether it commits was read from nothing", c.name)
			}
		}
		if !errors.Is(err, ErrMalformed) && c.name != "unknown version" || !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
	}
}

func TestAcksOfAnUnknownVersionAskForAReply(t *testing.T) {
	h, err := ParseRequestHeader(kafkatest.FlexibleRequest(0, 99, 1, make([]byte, 20))[SizeLength:])
	if err != nil {
		t.Fatal(err)
	}
	if acks, err := ProduceAcks(h, make([]byte, 20)); acks != -1 || err != nil {
		t.Errorf("acks %d, %v", acks, err)
	}
}
