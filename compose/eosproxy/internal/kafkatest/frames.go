// Package kafkatest is what tests of the relay talk through it: frames of some requests, and a broker that answers
// every request with its echo.
package kafkatest

import (
	"encoding/base64"
	"encoding/binary"
)

// A builder appends the fields of a frame.
type builder []byte

func (b builder) int8(v int8) builder   { return append(b, byte(v)) }
func (b builder) int16(v int16) builder { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func (b builder) int32(v int32) builder { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func (b builder) int64(v int64) builder { return binary.BigEndian.AppendUint64(b, uint64(v)) }
func (b builder) bytes(v []byte) builder {
	return append(b, v...)
}
func (b builder) string(v string) builder { return append(b.int16(int16(len(v))), v...) }
func (b builder) compact(v string) builder {
	return append(b.length(len(v)), v...)
}

// length is that of a compact string or array.
func (b builder) length(n int) builder { return binary.AppendUvarint(b, uint64(n+1)) }

// Frame puts the size field in front of what follows it.
func Frame(content []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), content...)
}

// Request is a request with a header of version 1.
func Request(key, version int16, correlationID int32, body []byte) []byte {
	return Frame(builder{}.int16(key).int16(version).int32(correlationID).string("client").bytes(body))
}

// FlexibleRequest is a request with a header of version 2.
func FlexibleRequest(key, version int16, correlationID int32, body []byte) []byte {
	return Frame(builder{}.int16(key).int16(version).int32(correlationID).string("client").int8(0).bytes(body))
}

// Reply is a reply with a header of version 0.
func Reply(correlationID int32, body []byte) []byte {
	return Frame(builder{}.int32(correlationID).bytes(body))
}

// Heartbeat is a request that no test's rule matches.
func Heartbeat(correlationID int32) []byte {
	return Request(12, 3, correlationID, builder{}.string("group").int32(1).string("member").int16(-1))
}

// EndTxn commits or aborts.
func EndTxn(correlationID int32, transactionalID string, commit bool) []byte {
	committed := map[bool]int8{true: 1}[commit]
	return Request(26, 1, correlationID, builder{}.string(transactionalID).int64(1001).int16(0).int8(committed))
}

// Records are those of one partition of a Produce.
type Records struct {
	Partition int32
	Bytes     []byte
}

// Produce writes to partitions of one topic, by name.
func Produce(correlationID int32, acks int16, topic string, records ...Records) []byte {
	b := builder{}.int16(-1).int16(acks).int32(1500).int32(1).string(topic).int32(int32(len(records)))
	for _, r := range records {
		b = b.int32(r.Partition).int32(int32(len(r.Bytes))).bytes(r.Bytes)
	}
	return Request(0, 8, correlationID, b)
}

// ProduceByID is a Produce of version 13, which names the topic by its id (URL-safe base64).
func ProduceByID(correlationID int32, id string, partition int32) []byte {
	b := builder{}.length(-1).int16(1).int32(1500).length(1).bytes(raw(id)).length(1)
	return FlexibleRequest(0, 13, correlationID, b.int32(partition).compact("records").int8(0).int8(0).int8(0))
}

// Metadata asks for all topics.
func Metadata(correlationID int32) []byte {
	return FlexibleRequest(3, 12, correlationID, builder{}.length(-1).int8(0).int8(0).int8(0))
}

// MetadataReply tells the id of one topic.
func MetadataReply(correlationID int32, id, name string) []byte {
	b := builder{}.int8(0).int32(0).length(0).compact("cluster").int32(1) // header's tags, throttle, brokers, cluster, controller
	b = b.length(1).int16(0).compact(name).bytes(raw(id)).int8(0).length(0).int32(0).int8(0)
	return Reply(correlationID, b.int8(0))
}

func raw(id string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		panic(err)
	}
	return b
}
