package kafka

import (
	"errors"
	"fmt"
	"slices"
)

// A Topic names partitions of one topic in a request.
type Topic struct {
	// Topic is the topic's name. Versions that carry ids instead (Produce 13, OffsetCommit 10, TxnOffsetCommit 6)
	// leave it empty: replies to Metadata tell which name an id stands for (TopicIDs).
	Topic string `json:"topic"`
	// ID is the topic's id in Kafka's own notation, URL-safe base64; empty where the version carries names.
	ID         string  `json:"topic_id,omitempty"`
	Partitions []int32 `json:"partitions"`
}

// A Body holds the fields of a request's body that rules can match; the others are empty.
type Body struct {
	// TransactionalIDs has one element except in a batched AddPartitionsToTxn (version 4 and later).
	TransactionalIDs []string
	// Committed tells the commit from the abort in an EndTxn; nil when it could not be read.
	Committed *bool
	GroupID   string
	Topics    []Topic

	listed bool // all topics and partitions have been read, though perhaps not what follows the last of them
}

// A bodyReader reads the part of a body that matters.
type bodyReader struct {
	read func(r *reader, version int16, flexible bool, body *Body)
	// carries lists which of the matchable fields the API has.
	carries []Field
}

// A Field is a part of a body that a rule can match.
type Field string

// The fields that rules can match.
const (
	FieldCommitted       Field = "committed"
	FieldTransactionalID Field = "transactional_id"
	FieldTopic           Field = "topic"
	FieldPartition       Field = "partition"
)

// Fields lists all of them.
var Fields = []Field{FieldCommitted, FieldTransactionalID, FieldTopic, FieldPartition}

var bodies = map[int16]bodyReader{
	Produce:            {readProduce, []Field{FieldTransactionalID, FieldTopic, FieldPartition}},
	OffsetCommit:       {readOffsetCommit, []Field{FieldTopic, FieldPartition}},
	InitProducerID:     {readTransactionalID, []Field{FieldTransactionalID}},
	AddPartitionsToTxn: {readAddPartitions, []Field{FieldTransactionalID, FieldTopic, FieldPartition}},
	AddOffsetsToTxn:    {readAddOffsets, []Field{FieldTransactionalID}},
	EndTxn:             {readEndTxn, []Field{FieldTransactionalID, FieldCommitted}},
	TxnOffsetCommit:    {readTxnOffsetCommit, []Field{FieldTransactionalID, FieldTopic, FieldPartition}},
}

// Carries says whether requests of an API have the field, so that a rule that never could match is refused.
func (a API) Carries(field Field) bool {
	return slices.Contains(bodies[a.Key].carries, field)
}

// ParseBody reads the body of a request from the first bytes behind its header; whole says that they reach to the
// end of the frame. An API without matchable fields gives an empty body. ErrShort asks for a longer prefix; the body
// then holds what could be read, each field and each list up to where the prefix ends.
func ParseBody(h RequestHeader, prefix []byte, whole bool) (Body, error) {
	var body Body
	b, ok := bodies[h.API.Key]
	if !ok {
		return body, nil
	}
	if h.Version > h.API.Highest {
		return body, fmt.Errorf("%s of version %d: only versions up to %d are known", h.API.Name, h.Version, h.API.Highest)
	}
	r := reader{buf: prefix}
	b.read(&r, h.Version, h.API.IsFlexible(h.Version), &body)
	switch {
	case !errors.Is(r.err, ErrShort):
		return body, r.err
	case whole:
		return body, fmt.Errorf("%w: %s of version %d ends in the middle of its body", ErrMalformed, h.API.Name, h.Version)
	case body.listed:
		return body, nil
	default:
		return body, ErrShort
	}
}

func readTransactionalID(r *reader, _ int16, flexible bool, body *Body) {
	if id := r.nullableString(flexible); id != "" {
		body.TransactionalIDs = []string{id}
	}
}

// ProduceAcks reads what a Produce asks for from the first bytes behind its header; with 0 it gets no reply. Of a
// version not known here it gives -1.
func ProduceAcks(h RequestHeader, prefix []byte) (int16, error) {
	if h.Version > h.API.Highest {
		return -1, nil
	}
	r := reader{buf: prefix}
	if h.Version >= 3 {
		r.nullableString(h.API.IsFlexible(h.Version)) // the transactional id
	}
	return r.int16(), r.err
}

func readProduce(r *reader, version int16, flexible bool, body *Body) {
	if version >= 3 {
		readTransactionalID(r, version, flexible, body)
	}
	r.skip(2 + 4) // acks and timeout
	readTopics(r, flexible, version >= 13, body, func() {
		if flexible {
			r.skip(max(int(r.uvarint())-1, 0)) // the records
		} else {
			r.skip(max(int(r.int32()), 0))
		}
	})
}

func readOffsetCommit(r *reader, version int16, flexible bool, body *Body) {
	body.GroupID = r.string(flexible)
	if version >= 1 {
		r.skip(4)          // the generation
		r.string(flexible) // the member
	}
	if version >= 7 {
		r.nullableString(flexible) // the group instance
	}
	if version >= 2 && version <= 4 {
		r.skip(8) // the retention time
	}
	readTopics(r, flexible, version >= 10, body, func() {
		r.skip(8) // the offset
		if version >= 6 {
			r.skip(4) // the leader epoch
		}
		if version == 1 {
			r.skip(8) // the timestamp
		}
		r.nullableString(flexible) // the metadata
	})
}

func readTxnOffsetCommit(r *reader, version int16, flexible bool, body *Body) {
	body.TransactionalIDs = []string{r.string(flexible)}
	body.GroupID = r.string(flexible)
	r.skip(8 + 2) // producer id and epoch
	if version >= 3 {
		r.skip(4)                  // the generation
		r.string(flexible)         // the member
		r.nullableString(flexible) // the group instance
	}
	readTopics(r, flexible, version >= 6, body, func() {
		r.skip(8) // the offset
		if version >= 2 {
			r.skip(4) // the leader epoch
		}
		r.nullableString(flexible) // the metadata
	})
}

func readAddPartitions(r *reader, version int16, flexible bool, body *Body) {
	if version < 4 {
		body.TransactionalIDs = []string{r.string(flexible)}
		r.skip(8 + 2) // producer id and epoch
		readPartitionLists(r, flexible, body)
		return
	}
	for n := r.arrayLength(flexible); n > 0 && r.err == nil; n-- {
		if id := r.string(flexible); r.err == nil {
			body.TransactionalIDs = append(body.TransactionalIDs, id)
		}
		r.skip(8 + 2 + 1) // producer id, epoch and whether to verify only
		readPartitionLists(r, flexible, body)
		r.tags(flexible)
	}
}

func readAddOffsets(r *reader, version int16, flexible bool, body *Body) {
	readTransactionalID(r, version, flexible, body)
	r.skip(8 + 2) // producer id and epoch
	body.GroupID = r.string(flexible)
}

func readEndTxn(r *reader, version int16, flexible bool, body *Body) {
	readTransactionalID(r, version, flexible, body)
	r.skip(8 + 2) // producer id and epoch
	if committed := r.bool(); r.err == nil {
		body.Committed = &committed
	}
}

// readTopics reads an array of topics, each with an array of partitions that are structures: an index and then what
// rest skips.
func readTopics(r *reader, flexible, byID bool, body *Body, rest func()) {
	for n := r.arrayLength(flexible); n > 0 && r.err == nil; n-- {
		topic := body.addTopic(r, flexible, byID)
		for m := r.arrayLength(flexible); m > 0 && r.err == nil; m-- {
			if index := r.int32(); r.err == nil {
				topic.Partitions = append(topic.Partitions, index)
				body.listed = n == 1 && m == 1
			}
			rest()
			r.tags(flexible)
		}
		r.tags(flexible)
	}
}

// readPartitionLists reads an array of topics, each with an array of plain partition indexes.
func readPartitionLists(r *reader, flexible bool, body *Body) {
	for n := r.arrayLength(flexible); n > 0 && r.err == nil; n-- {
		topic := body.addTopic(r, flexible, false)
		for m := r.arrayLength(flexible); m > 0 && r.err == nil; m-- {
			if index := r.int32(); r.err == nil {
				topic.Partitions = append(topic.Partitions, index)
			}
		}
		r.tags(flexible)
	}
}

// addTopic reads what names a topic and appends it to the body; after an error it appends nothing.
func (body *Body) addTopic(r *reader, flexible, byID bool) *Topic {
	topic := Topic{Partitions: []int32{}}
	if byID {
		topic.ID = r.uuid()
	} else {
		topic.Topic = r.string(flexible)
	}
	if r.err != nil {
		return &Topic{}
	}
	body.Topics = append(body.Topics, topic)
	return &body.Topics[len(body.Topics)-1]
}
