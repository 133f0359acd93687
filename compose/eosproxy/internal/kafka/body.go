package kafka

import (
	"errors"
	"fmt"
	"slices"

	"eosproxy/internal/wire"
)

// A Topic names partitions of one topic in a request.
type Topic = wire.Topic

// A Body holds the fields of a request's body that rules can match or events tell; the others are empty.
type Body struct {
	// TransactionalIDs has one element except where requests are batched (AddPartitionsToTxn 4 and later).
	TransactionalIDs []string
	// Committed tells the commit from the abort in an EndTxn or a WriteTxnMarkers; nil when it could not be read, or
	// when a WriteTxnMarkers has both.
	Committed *bool
	GroupID   string
	Topics    []Topic

	mixed     bool // there are commits and aborts
	sessionID int32
	epoch     int32   // of the session of a Fetch
	forgotten []Topic // what a Fetch takes out of its session
	listed    bool    // all topics and partitions have been read, though perhaps not what follows the last of them
}

// A role is what a field of a request is to rules and events.
type role int

const (
	noRole role = iota
	roleTransactionalID
	roleCommitted
	roleGroupID
	roleTopics // a list of topics
	roleTopicName
	roleTopicID
	rolePartitions // a topic's list of partitions
	rolePartition
	roleForgotten
	roleSessionID
	roleSessionEpoch
)

// Kafka has several names for the same thing.
var roles = map[string]role{
	"transactional_id": roleTransactionalID, "v3_and_below_transactional_id": roleTransactionalID,
	"committed": roleCommitted, "transaction_result": roleCommitted,
	"group_id": roleGroupID,
	"topics":   roleTopics, "topic_data": roleTopics, "v3_and_below_topics": roleTopics, "topic_partitions": roleTopics,
	"name": roleTopicName, "topic": roleTopicName, "topic_name": roleTopicName, "topic_id": roleTopicID,
	"partitions": rolePartitions, "partition_data": rolePartitions, "partition_indexes": rolePartitions,
	"index": rolePartition, "partition": rolePartition, "partition_index": rolePartition, "partition_id": rolePartition,
	"forgotten_topics_data": roleForgotten, "session_id": roleSessionID, "session_epoch": roleSessionEpoch,
}

// ParseBody reads the body of a request from the first bytes behind its header; whole says that they reach to the
// end of the frame. ErrShort asks for a longer prefix; the body then holds what could be read, each field and each
// list up to where the prefix ends.
func ParseBody(h RequestHeader, prefix []byte, whole bool) (Body, error) {
	body := Body{epoch: -1}
	fields, ok := fieldsOf(h.API.Name, requestKind, h.Version)
	switch {
	case h.Version > h.API.Highest:
		return body, fmt.Errorf("%s of version %d: only versions up to %d are known", h.API.Name, h.Version, h.API.Highest)
	case !ok:
		return body, fmt.Errorf("%s of version %d: Kafka 4 has dropped it", h.API.Name, h.Version)
	}
	b := bodyReader{reader: reader{buf: prefix}, flexible: h.API.IsFlexible(h.Version), body: &body}
	b.structure(fields)
	switch {
	case !errors.Is(b.err, ErrShort):
		return body, b.err
	case whole:
		return body, fmt.Errorf("%w: %s of version %d ends in the middle of its body", ErrMalformed, h.API.Name, h.Version)
	case body.listed:
		return body, nil
	default:
		return body, ErrShort
	}
}

// A bodyReader reads the part of a body that matters, by what the schema says, and skips the rest.
type bodyReader struct {
	reader
	flexible bool
	body     *Body
	inside   int // of so many lists that are not of topics
}

func (b *bodyReader) structure(fields []field) {
	for i := range fields {
		if b.err != nil {
			return
		}
		b.field(&fields[i])
	}
	b.tags(b.flexible)
}

func (b *bodyReader) field(f *field) {
	body := b.body
	switch {
	case f.role == roleTransactionalID && f.kind == "string":
		if id := b.nullableString(b.flexible); b.err == nil && id != "" {
			body.TransactionalIDs = append(body.TransactionalIDs, id)
		}
	case f.role == roleCommitted && f.kind == "boolean":
		b.committed()
	case f.role == roleGroupID && f.kind == "string":
		if id := b.nullableString(b.flexible); body.GroupID == "" {
			body.GroupID = id
		}
	case f.role == roleTopics && f.elements != nil:
		b.topics(f, &body.Topics)
	case f.role == roleForgotten:
		b.topics(f, &body.forgotten)
	case f.role == roleSessionID:
		body.sessionID = b.int32()
	case f.role == roleSessionEpoch && f.kind == "int32":
		body.epoch = b.int32()
	default:
		b.skipped(f)
	}
}

func (b *bodyReader) committed() {
	committed := b.bool()
	body := b.body
	switch {
	case b.err != nil || body.mixed:
	case body.Committed != nil && *body.Committed != committed:
		body.Committed, body.mixed = nil, true
	default:
		body.Committed = &committed
	}
}

// skipped passes over a field that says nothing itself; what is inside of it may.
func (b *bodyReader) skipped(f *field) {
	switch {
	case f.kind == "array":
		b.inside++
		defer func() { b.inside-- }()
		for n := b.arrayLength(b.flexible); n > 0 && b.err == nil; n-- {
			if f.elements != nil {
				b.structure(f.elements)
			} else {
				b.plain(f.plain)
			}
		}
	case f.kind != "struct":
		b.plain(f.kind)
	case !f.nullable || b.int8() >= 0:
		b.structure(f.elements)
	}
}

func (b *bodyReader) plain(kind string) {
	switch kind {
	case "string":
		b.nullableBytes(b.flexible)
	case "bytes", "records":
		b.skip(max(b.bytesLength(b.flexible), 0))
	default:
		b.skip(widths[kind])
	}
}

// topics reads a list of topics. Each is added with its name, before its partitions.
func (b *bodyReader) topics(f *field, to *[]Topic) {
	for n := b.arrayLength(b.flexible); n > 0 && b.err == nil; n-- {
		topic := Topic{Partitions: []int32{}}
		at := -1 // where it is in the list
		for i := range f.elements {
			inner := &f.elements[i]
			switch {
			case inner.role == roleTopicName && inner.kind == "string":
				topic.Topic = b.nullableString(b.flexible)
			case inner.role == roleTopicID:
				topic.ID = b.topicID()
			default:
				if at < 0 && b.err == nil {
					at = len(*to)
					*to = append(*to, topic)
				}
				if inner.role == rolePartitions && b.err == nil {
					b.partitions(inner, &(*to)[at], n == 1)
				} else {
					b.skipped(inner)
				}
			}
			if b.err != nil {
				return
			}
		}
		if at < 0 {
			*to = append(*to, topic)
		}
		b.tags(b.flexible)
	}
}

// topicID reads an id; a topic that is named has none.
func (b *bodyReader) topicID() string {
	if id := b.uuid(); id != zeroID {
		return id
	}
	return ""
}

func (b *bodyReader) partitions(f *field, topic *Topic, last bool) {
	for n := b.arrayLength(b.flexible); n > 0 && b.err == nil; n-- {
		if f.elements == nil {
			b.partition(topic, false)
			continue
		}
		for i := range f.elements {
			if inner := &f.elements[i]; inner.role == rolePartition {
				b.partition(topic, last && n == 1)
			} else {
				b.skipped(inner)
			}
		}
		b.tags(b.flexible)
	}
}

func (b *bodyReader) partition(topic *Topic, last bool) {
	if index := b.int32(); b.err == nil {
		topic.Partitions = append(topic.Partitions, index)
		b.body.listed = last && b.inside == 0
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
		r.nullableBytes(h.API.IsFlexible(h.Version)) // the transactional id
	}
	return r.int16(), r.err
}

// CarriedBy lists which fields of an API's requests rules can match.
func CarriedBy(api string) (fields []string) {
	for _, s := range schemas()[message{api, requestKind}] {
		fields = append(fields, carried(s.fields)...)
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

func carried(fields []field) (found []string) {
	for i := range fields {
		f := &fields[i]
		switch {
		case f.role == roleTransactionalID && f.kind == "string":
			found = append(found, "transactional_id")
		case f.role == roleCommitted:
			found = append(found, "committed")
		case f.role == roleTopics && f.elements != nil:
			found = append(found, "topic")
			if slices.ContainsFunc(f.elements, func(inner field) bool { return inner.role == rolePartitions }) {
				found = append(found, "partition")
			}
		case f.role != roleForgotten:
			found = append(found, carried(f.elements)...)
		}
	}
	return found
}
