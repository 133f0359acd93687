package kafka

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eosproxy/internal/wire"
)

// Kafka's error codes are these, without 0, which is no error.
const (
	LowestError  = -1
	HighestError = 136
)

// errNoPlace says that a reply has no place for an error.
var errNoPlace = errors.New("its reply has no place for an error")

// A shape says how the reply to a request tells an error. Where a reply lists what the request lists, the error stands
// with each of the elements.
type shape struct {
	// repeats gives for a field of the reply the fields of the request that it repeats, at the same level: the first
	// of them that there is. "." is the element itself of an array without structures.
	repeats map[string][]string
	// values are what fields of the reply have when there is an error, if that differs from what they have when nothing
	// is put in them.
	values map[string]any
	// The levels of the reply at which the error stands.
	at levels
}

type levels int

const (
	highest levels = iota // only at the highest level that has a place for it
	lowest                // only at the lowest level
	every
)

// shapes tells of the APIs whose replies repeat something. For each field of the reply that is not as it is when
// nothing is put in it there is a word: "field" repeats the one of the same name, "field=other|another" one of other
// names, "field:value" has that number or null. TestAnswers compares the outcome with what Kafka's own classes answer.
var shapes = map[int16]shape{
	Produce: newShape(highest, "responses=topic_data name topic_id partition_responses=partition_data index base_offset:-1"),
	Fetch: newShape(lowest, "session_id responses=topics topic topic_id partitions partition_index=partition "+
		"high_watermark:-1"),
	listOffsets:  newShape(highest, "topics name partitions partition_index"),
	Metadata:     newShape(every, "topics name topic_id"),
	OffsetCommit: newShape(highest, "topics name topic_id partitions partition_index"),
	offsetFetch: newShape(highest, "topics name partitions=partition_indexes partition_index=. committed_offset:-1 "+
		"groups group_id"),
	findCoordinator:      newShape(highest, "coordinators=coordinator_keys key=. node_id:-1 port:-1"),
	JoinGroup:            newShape(highest, "protocol_name:null"),
	describeGroups:       newShape(highest, "groups group_id=."),
	createTopics:         newShape(highest, "topics name"),
	deleteTopics:         newShape(highest, "responses=topics|topic_names name=.|name topic_id"),
	deleteRecords:        newShape(highest, "topics name partitions partition_index low_watermark:-1"),
	InitProducerID:       newShape(highest, "producer_epoch:-1"),
	offsetForLeaderEpoch: newShape(highest, "topics topic partitions partition"),
	AddPartitionsToTxn: newShape(highest, "results_by_topic_v3_and_below=v3_and_below_topics name "+
		"results_by_partition=partitions partition_index=."),
	writeTxnMarkers:  newShape(highest, "markers producer_id topics name partitions=partition_indexes partition_index=."),
	TxnOffsetCommit:  newShape(highest, "topics name topic_id partitions partition_index"),
	createAcls:       newShape(highest, "results=creations"),
	deleteAcls:       newShape(highest, "filter_results=filters"),
	describeConfigs:  newShape(highest, "results=resources resource_type resource_name"),
	alterConfigs:     newShape(highest, "responses=resources resource_type resource_name"),
	createPartitions: newShape(highest, "results=topics name"),
	deleteGroups:     newShape(highest, "results=groups_names group_id=."),
	electLeaders: newShape(every, "replica_election_results=topic_partitions topic partition_result=partitions "+
		"partition_id=."),
	incrementalAlterConfigs: newShape(highest, "responses=resources resource_type resource_name"),
	alterReassignments:      newShape(every, "responses=topics name partitions partition_index"),
	describeProducers:       newShape(highest, "topics name partitions=partition_indexes partition_index=."),
	describeTransactions:    newShape(highest, "transaction_states=transactional_ids transactional_id=."),
	consumerGroupDescribe:   newShape(highest, "groups=group_ids group_id=."),
	shareGroupDescribe:      newShape(highest, "groups=group_ids group_id=."),
	streamsGroupDescribe:    newShape(highest, "groups=group_ids group_id=."),
}

func newShape(at levels, text string) shape {
	s := shape{repeats: map[string][]string{}, values: map[string]any{}, at: at}
	for _, word := range strings.Fields(text) {
		if name, value, ok := strings.Cut(word, ":"); ok {
			if s.values[name] = nil; value != "null" {
				s.values[name] = number(value)
			}
		} else if name, others, ok := strings.Cut(word, "="); ok {
			s.repeats[name] = strings.Split(others, "|")
		} else {
			s.repeats[word] = []string{word}
		}
	}
	return s
}

// Errors that mean something of their own.
const (
	unsupportedVersion       = 35
	fetchSessionIDNotFound   = 70
	invalidFetchSessionEpoch = 71
	fetchSessionTopicIDError = 106
)

// sessionErrors are those that a Fetch as a whole has, and no partition.
var sessionErrors = []int64{fetchSessionIDNotFound, invalidFetchSessionEpoch, fetchSessionTopicIDError}

// CheckCode says why requests of an API cannot be answered with an error, whatever their version.
func CheckCode(api, code string) error {
	if _, err := errorCode(code); err != nil {
		return err
	}
	known, _ := LookupName(api)
	_, shaped := shapes[known.Key]
	for _, s := range schemas()[message{api, replyKind}] {
		if shaped || slices.ContainsFunc(s.fields, isError) {
			return nil
		}
	}
	return fmt.Errorf("%s cannot be answered: %w that is known here", api, errNoPlace)
}

// errorCode reads one of Kafka's error codes.
func errorCode(text string) (int64, error) {
	code, err := strconv.ParseInt(text, 10, 16)
	if err != nil || code < LowestError || code > HighestError || code == 0 {
		return 0, fmt.Errorf("%w: Kafka's are the numbers from %d to %d without 0, not %q",
			wire.ErrCode, LowestError, HighestError, text)
	}
	return code, nil
}

func isError(f field) bool { return f.name == "error_code" || f.name == "partition_error_code" }

// AnswerError makes the reply, its size field included, that answers a request with an error. request is the frame
// behind its size field; topics are what it asks for, for a Fetch, whose session may know more than the request names.
func AnswerError(request []byte, topics []Topic, code string) ([]byte, error) {
	wanted, err := errorCode(code)
	if err != nil {
		return nil, err
	}
	h, err := ParseRequestHeader(request)
	if err != nil {
		return nil, err
	}
	if h.API.Key == ApiVersions && wanted == unsupportedVersion {
		return refuseVersion(h), nil
	}
	asked, _ := fieldsOf(h.API.Name, requestKind, h.Version)
	fields, known := fieldsOf(h.API.Name, replyKind, h.Version)
	if !known {
		return nil, fmt.Errorf("%s of version %d is not known", h.API.Name, h.Version)
	}
	r := reader{buf: request, off: h.Body}
	body := readTree(&r, asked, h.API.IsFlexible(h.Version))
	if r.err != nil {
		return nil, fmt.Errorf("%s of version %d cannot be read: %w", h.API.Name, h.Version, r.err)
	}
	if h.API.Key == Fetch && len(topics) > 0 {
		body["topics"] = fetched(topics)
	}
	a := answering{shape: shapes[h.API.Key], code: wanted}
	if slices.Contains(sessionErrors, wanted) {
		a.at = highest
	}
	reply := a.fill(fields, body, false)
	if a.placed == 0 && a.at == lowest { // an incremental Fetch that names no partitions
		a.at = highest
		reply = a.fill(fields, body, false)
	}
	if a.placed == 0 {
		return nil, fmt.Errorf("%s of version %d: %w", h.API.Name, h.Version, errNoPlace)
	}
	return encodeReply(h, h.Version, fields, reply), nil
}

// refuseVersion answers an ApiVersions as a broker does that is older than its client: in version 0, which every
// client can read, and with the versions that it understands.
func refuseVersion(h RequestHeader) []byte {
	fields, _ := fieldsOf(h.API.Name, replyKind, 0)
	understood := tree{"api_key": int64(h.API.Key), "max_version": int64(max(h.Version-1, 0))}
	return encodeReply(h, 0, fields, tree{"error_code": int64(unsupportedVersion), "api_keys": []any{understood}})
}

// fetched lists topics as a Fetch does.
func fetched(topics []Topic) []any {
	list := make([]any, 0, len(topics))
	for _, t := range topics {
		partitions := make([]any, 0, len(t.Partitions))
		for _, p := range t.Partitions {
			partitions = append(partitions, tree{"partition": int64(p)})
		}
		id := make([]byte, 16)
		_, _ = base64.RawURLEncoding.Decode(id, []byte(t.ID)) // it was encoded here
		list = append(list, tree{"topic": t.Topic, "topic_id": id, "partitions": partitions})
	}
	return list
}

func encodeReply(h RequestHeader, version int16, fields []field, body tree) []byte {
	w := treeWriter{buf: make([]byte, SizeLength, 256), flexible: h.API.IsFlexible(version)}
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(h.CorrelationID))
	if h.API.ReplyHeaderVersion(version) > 0 {
		w.buf = append(w.buf, 0) // no tagged fields
	}
	w.write(fields, body)
	binary.BigEndian.PutUint32(w.buf, uint32(len(w.buf)-SizeLength))
	return w.buf
}

// An answering is one reply on its way.
type answering struct {
	shape
	code   int64
	placed int // in how many places the error stands
}

// fill makes a level of the reply out of the same level of the request; done says that the error stands above it.
func (a *answering) fill(fields []field, request tree, done bool) tree {
	t := tree{}
	here := slices.ContainsFunc(fields, isError)
	switch a.at {
	case highest:
		here = here && !done
	case lowest:
		here = here && !slices.ContainsFunc(fields, func(f field) bool { return a.isList(&f) })
	}
	for i := range fields {
		f := &fields[i]
		value, repeated := a.repeated(f.name, request)
		switch {
		case isError(*f) && here:
			t[f.name] = a.code
			a.placed++
		case a.isList(f):
			if a.at != highest || !done && !here {
				elements, _ := value.([]any)
				t[f.name] = a.fillAll(f.elements, elements, done || here)
			}
		case repeated && (value != nil || f.nullable):
			t[f.name] = value
		default:
			if fixed, ok := a.values[f.name]; ok && (fixed != nil || f.nullable) {
				t[f.name] = fixed
			}
		}
	}
	return t
}

func (a *answering) fillAll(fields []field, elements []any, done bool) []any {
	filled := make([]any, 0, len(elements))
	for _, element := range elements {
		level, ok := element.(tree)
		if !ok {
			level = tree{".": element}
		}
		filled = append(filled, a.fill(fields, level, done))
	}
	return filled
}

// isList says that a field of the reply lists what the request lists.
func (a *answering) isList(f *field) bool {
	return f.kind == "array" && f.elements != nil && a.repeats[f.name] != nil
}

// repeated finds what a field of the reply repeats.
func (a *answering) repeated(name string, request tree) (any, bool) {
	for _, other := range a.repeats[name] {
		if value, ok := request[other]; ok {
			return value, true
		}
	}
	return nil, false
}
