package kafka

import (
	"bytes"
	"testing"

	"eosproxy/internal/kafkatest"
	"eosproxy/internal/wiretest"
)

// BenchmarkCodec reads a request that no rule wants, and its reply.
func BenchmarkCodec(b *testing.B) {
	const many = 100
	requests := bytes.Repeat(kafkatest.Produce(1, -1, "orders", kafkatest.Records{Bytes: make([]byte, 450)}), many)
	replies := bytes.Repeat(kafkatest.Reply(1, make([]byte, 60)), many)
	var up, down wiretest.Stream
	c := NewCodec(func(string) bool { return false }, nil)
	b.ReportAllocs()
	for n := range b.N {
		if n%many == 0 {
			up.Rest, down.Rest = requests, replies
		}
		request, err := c.Request(&up)
		if err != nil {
			b.Fatal(err)
		}
		c.Expect(&request)
		up.Rest = up.Rest[request.Size:]
		reply, err := c.Reply(&down)
		if err != nil || reply.Answers == nil {
			b.Fatal(reply.Odd, err)
		}
		down.Rest = down.Rest[reply.Size:]
	}
}
