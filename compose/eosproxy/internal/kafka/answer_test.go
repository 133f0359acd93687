package kafka

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"eosproxy/internal/wire"
)

// An exchange of testdata/answers-4.4.0.txt: what Kafka's own classes answer when a request fails.
type exchange struct {
	api            string
	version        int16
	request, reply []byte
}

func readExchanges(t testing.TB) (all []exchange) {
	t.Helper()
	for _, line := range lines(t, "testdata/answers-4.4.0.txt") {
		columns := strings.Fields(line)
		version, err := strconv.Atoi(columns[1])
		request, err1 := hex.DecodeString(columns[2])
		reply, err2 := hex.DecodeString(columns[3])
		if err := errors.Join(err, err1, err2); err != nil {
			t.Fatal(err)
		}
		all = append(all, exchange{columns[0], int16(version), request, reply})
	}
	if len(all) < 300 {
		t.Fatalf("only %d exchanges", len(all))
	}
	return all
}

// canonical gives a reply as text: without the messages that Kafka's classes put beside some errors, and with lists
// in one order, since those classes keep some of them in hash maps. All of the reply must have been read.
func (x exchange) canonical(t *testing.T, reply []byte) string {
	t.Helper()
	api, _ := LookupName(x.api)
	fields, ok := fieldsOf(x.api, replyKind, x.version)
	if !ok {
		t.Fatalf("%s of version %d has no schema", x.api, x.version)
	}
	r := reader{buf: reply, off: 4}
	r.tags(api.ReplyHeaderVersion(x.version) > 0)
	body := readTree(&r, fields, api.IsFlexible(x.version))
	if r.err != nil || r.off != len(reply) {
		t.Errorf("%s of version %d: read %d of %d bytes of %x: %v", x.api, x.version, r.off, len(reply), reply, r.err)
	}
	text, err := json.Marshal(sorted(body))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sorted(value any) any {
	switch v := value.(type) {
	case tree:
		for name, inner := range v {
			v[name] = sorted(inner)
		}
		delete(v, "error_message")
	case []any:
		for i := range v {
			v[i] = sorted(v[i])
		}
		slices.SortFunc(v, func(a, b any) int {
			left, _ := json.Marshal(a)
			right, _ := json.Marshal(b)
			return bytes.Compare(left, right)
		})
	}
	return value
}

// The APIs whose replies list what tools have asked for in ways of their own.
var unanswerable = []string{
	"AlterReplicaLogDirs", "AlterClientQuotas", "AlterUserScramCredentials", "DescribeTopicPartitions",
	"InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState", "DeleteShareGroupState",
	"ReadShareGroupStateSummary", "DescribeShareGroupOffsets",
}

// The APIs whose replies hold more than the error when Kafka's classes make them, though it tells nobody anything.
var terse = []string{
	"CreateDelegationToken", "ListPartitionReassignments", "DescribeClientQuotas", "DescribeUserScramCredentials",
}

// Every request of every version is answered as Kafka's own classes answer it.
func TestAnswers(t *testing.T) {
	for _, x := range readExchanges(t) {
		code := "16"
		if x.api == "Fetch" {
			code = "6"
		}
		reply, err := AnswerError(x.request, nil, code)
		noPlace := x.api == "DescribeLogDirs" && x.version < 3 // only replies from version 3 on have one
		if noPlace || slices.Contains(unanswerable, x.api) {
			if err == nil || !noPlace && CheckCode(x.api, code) == nil {
				t.Errorf("%s of version %d is answered", x.api, x.version)
			}
			continue
		}
		if err := errors.Join(err, CheckCode(x.api, code)); err != nil {
			t.Error(err)
			continue
		}
		if size, err := FrameSize(reply); err != nil || size != len(reply)-SizeLength {
			t.Errorf("%s of version %d: size %d of %d bytes, %v", x.api, x.version, size, len(reply), err)
		}
		got, want := x.canonical(t, reply[SizeLength:]), x.canonical(t, x.reply)
		if slices.Contains(terse, x.api) {
			if !strings.Contains(got, `"error_code":16`) {
				t.Errorf("%s of version %d: %s", x.api, x.version, got)
			}
			continue
		}
		if got != want || !bytes.Equal(reply[SizeLength:][:4], x.reply[:4]) {
			t.Errorf("%s of version %d:\n%s, want\n%s", x.api, x.version, got, want)
		}
	}
}

func TestErrorCodes(t *testing.T) {
	for code, valid := range map[string]bool{
		"-1": true, "1": true, "136": true, "0": false, "137": false, "-2": false, "": false, "NOT_COORDINATOR": false,
	} {
		if err := CheckCode("EndTxn", code); (err == nil) != valid || err != nil && !errors.Is(err, wire.ErrCode) {
			t.Errorf("%q: %v", code, err)
		}
	}
}

// An ApiVersions that asks for a version which a broker does not have is answered in version 0, with the versions
// that it has.
func TestUnsupportedVersion(t *testing.T) {
	for _, x := range readExchanges(t) {
		if x.api != "ApiVersions" {
			continue
		}
		reply, err := AnswerError(x.request, nil, "35")
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"api_keys":[{"api_key":18,"max_version":%d,"min_version":0}],"error_code":35}`, max(x.version-1, 0))
		x.version = 0
		if got := x.canonical(t, reply[SizeLength:]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What a Fetch as a whole has for an error stands with no partition; an incremental Fetch may name none.
func TestAnswersOfFetchSessions(t *testing.T) {
	for _, x := range readExchanges(t) {
		if x.api != "Fetch" || x.version < 7 {
			continue
		}
		reply, err := AnswerError(x.request, nil, "71")
		if got := x.canonical(t, reply[SizeLength:]); err != nil || !strings.Contains(got, `{"error_code":71,"responses":[],"session_id":`) {
			t.Errorf("version %d: %s, %v", x.version, got, err)
		}
		fields, _ := fieldsOf("Fetch", requestKind, x.version)
		h, _ := ParseRequestHeader(x.request)
		w := treeWriter{buf: slices.Clone(x.request[:h.Body]), flexible: h.API.IsFlexible(x.version)}
		w.write(fields, tree{"session_id": int64(8), "session_epoch": int64(3)})
		reply, err = AnswerError(w.buf, nil, "6")
		if got := x.canonical(t, reply[SizeLength:]); err != nil || !strings.Contains(got, `{"error_code":6,"responses":[],"session_id":8`) {
			t.Errorf("version %d: %s, %v", x.version, got, err)
		}
		known := []Topic{{Topic: "orders", ID: "AAAAAAAAAAcAAAAAAAAAAQ", Partitions: []int32{2, 5}}}
		reply, err = AnswerError(w.buf, known, "6") // the session knows what the request does not name
		got := x.canonical(t, reply[SizeLength:])
		if err != nil || strings.Count(got, `"error_code":6`) != 2 || !strings.Contains(got, `"partition_index":5`) ||
			strings.Contains(got, `"topic":"orders"`) != (x.version < 13) {
			t.Errorf("version %d: %s, %v", x.version, got, err)
		}
	}
}

func TestWhatCannotBeAnswered(t *testing.T) {
	endTxn := append([]byte{0, 26, 0, 1, 0, 0, 0, 7, 0, 0}, "\x00\x02tx\x00\x00\x00\x00\x00\x00\x03\xe9\x00\x00\x01"...)
	if _, err := AnswerError(endTxn, nil, "16"); err != nil {
		t.Fatal(err)
	}
	unknown := slices.Clone(endTxn)
	unknown[3] = 99
	allTopics := []byte{0, 3, 0, 4, 0, 0, 0, 7, 0, 0, 0xff, 0xff, 0xff, 0xff, 0} // Metadata
	for want, request := range map[string][]byte{
		"EndTxn of version 99 is not known":             unknown,
		"EndTxn of version 1 cannot be read":            endTxn[:len(endTxn)-1],
		"Metadata of version 4: its reply has no place": allTopics,
		"too short": endTxn[:5],
	} {
		if reply, err := AnswerError(request, nil, "16"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%x, %v; want %q", reply, err, want)
		}
	}
}
