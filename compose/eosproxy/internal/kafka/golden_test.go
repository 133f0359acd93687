package kafka

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A golden line of testdata/golden-4.4.0.txt, which Kafka's own classes have written.
type golden struct {
	kind, api string
	version   int16
	bodyAt    int
	frame     []byte // without its size field
	want      struct {
		Acks             *int16            `json:"acks"`
		TransactionalIDs []string          `json:"transactional_ids"`
		Committed        *bool             `json:"committed"`
		Group            string            `json:"group"`
		Topics           []Topic           `json:"topics"`
		Names            map[string]string `json:"names"`
	}
}

func (g golden) String() string { return fmt.Sprintf("%s %s version %d", g.kind, g.api, g.version) }

func readGolden(t testing.TB) []golden {
	t.Helper()
	var all []golden
	for _, line := range lines(t, "testdata/golden-4.4.0.txt") {
		columns := strings.Fields(line)
		version, _ := strconv.Atoi(columns[2])
		g := golden{kind: columns[0], api: columns[1], version: int16(version)}
		g.bodyAt, _ = strconv.Atoi(columns[3])
		if err := json.Unmarshal([]byte(columns[4]), &g.want); err != nil {
			t.Fatalf("%v: %v", g, err)
		}
		raw, err := hex.DecodeString(columns[5])
		if err != nil {
			t.Fatalf("%v: %v", g, err)
		}
		size, err := FrameSize(raw)
		if err != nil || size != len(raw)-SizeLength {
			t.Fatalf("%v: size %d (%v) of a frame of %d bytes", g, size, err, len(raw))
		}
		g.frame = raw[SizeLength:]
		all = append(all, g)
	}
	if len(all) < 300 {
		t.Fatalf("only %d golden frames", len(all))
	}
	return all
}

func lines(t testing.TB, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var all []string
	for s := bufio.NewScanner(f); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}

func TestGoldenRequests(t *testing.T) {
	correlationID := int32(0)
	for _, g := range readGolden(t) {
		if g.kind != "request" {
			continue
		}
		correlationID++
		h, err := ParseRequestHeader(g.frame)
		if err != nil {
			t.Errorf("%v: %v", g, err)
			continue
		}
		want := RequestHeader{API: h.API, Version: g.version, CorrelationID: correlationID, ClientID: "client", Body: g.bodyAt}
		if h != want || h.API.Name != g.api {
			t.Errorf("%v: header %+v, want %+v", g, h, want)
		}
		body, err := ParseBody(h, g.frame[h.Body:], true)
		if err != nil {
			t.Errorf("%v: %v", g, err)
		}
		g.check(t, body)
		if g.want.Acks != nil {
			if acks, err := ProduceAcks(h, g.frame[h.Body:]); acks != *g.want.Acks || err != nil {
				t.Errorf("%v: acks %d (%v), want %d", g, acks, err, *g.want.Acks)
			}
		}
	}
}

func (g golden) check(t *testing.T, body Body) {
	t.Helper()
	topics := slices.EqualFunc(body.Topics, g.want.Topics, func(a, b Topic) bool {
		return a.Topic == b.Topic && a.ID == b.ID && slices.Equal(a.Partitions, b.Partitions)
	})
	committed := (body.Committed == nil) == (g.want.Committed == nil) &&
		(body.Committed == nil || *body.Committed == *g.want.Committed)
	if !slices.Equal(body.TransactionalIDs, g.want.TransactionalIDs) || !committed ||
		body.GroupID != g.want.Group || !topics {
		t.Errorf("%v: read %+v, want %+v", g, body, g.want)
	}
}

// Whatever the length of the prefix: it is either too short, or it gives what the whole frame gives.
func TestGoldenPrefixes(t *testing.T) {
	for _, g := range readGolden(t) {
		if g.kind != "request" {
			continue
		}
		whole, _ := ParseRequestHeader(g.frame)
		for n := range len(g.frame) {
			h, err := ParseRequestHeader(g.frame[:n])
			if n < g.bodyAt {
				if !errors.Is(err, ErrShort) {
					t.Fatalf("%v: a header of %d bytes of %d: %v", g, n, g.bodyAt, err)
				}
				continue
			}
			if h != whole || err != nil {
				t.Fatalf("%v: a prefix of %d bytes has header %+v (%v), want %+v", g, n, h, err, whole)
			}
			body, err := ParseBody(h, g.frame[h.Body:n], false)
			switch {
			case err == nil:
				g.check(t, body)
			case !errors.Is(err, ErrShort):
				t.Fatalf("%v: a prefix of %d bytes: %v", g, n, err)
			}
			if len(body.Topics) > len(g.want.Topics) || len(body.TransactionalIDs) > len(g.want.TransactionalIDs) {
				t.Fatalf("%v: a prefix of %d bytes gives %+v", g, n, body)
			}
		}
	}
}

func TestGoldenReplies(t *testing.T) {
	for _, g := range readGolden(t) {
		if g.kind != "reply" {
			continue
		}
		if id, err := ParseReplyHeader(g.frame); id != 4711 || err != nil {
			t.Errorf("%v: correlation id %d, %v", g, id, err)
		}
		names := map[string]string{}
		for _, topic := range TopicIDs(g.version, g.frame) {
			names[topic.ID] = topic.Name
		}
		if !maps.Equal(names, g.want.Names) {
			t.Errorf("%v: read %v, want %v", g, names, g.want.Names)
		}
		for n := range len(g.frame) { // a prefix gives what is in it
			for _, topic := range TopicIDs(g.version, g.frame[:n]) {
				if g.want.Names[topic.ID] != topic.Name {
					t.Fatalf("%v: a prefix of %d bytes gives %v", g, n, topic)
				}
			}
		}
	}
}

// testdata/headers-4.4.0.txt tells which header every version of every API has.
func TestHeaderVersions(t *testing.T) {
	all := lines(t, "testdata/headers-4.4.0.txt")
	if len(all) != len(apis) {
		t.Errorf("%d APIs, Kafka has %d", len(apis), len(all))
	}
	for _, line := range all {
		columns := strings.Fields(line)
		key, _ := strconv.Atoi(columns[0])
		highest, _ := strconv.Atoi(columns[2])
		api, ok := Lookup(int16(key))
		if byName, _ := LookupName(columns[1]); !ok || api.Key != int16(key) || byName != api {
			t.Errorf("API %d is %+v, Kafka calls it %s", key, api, columns[1])
		}
		if highest < 0 {
			continue // dropped by Kafka 4
		}
		if api.Highest != int16(highest) {
			t.Errorf("%s: highest version %d, want %d", api.Name, api.Highest, highest)
		}
		for version, want := range columns[3:] {
			v := int16(version)
			if got := fmt.Sprintf("%d/%d", api.RequestHeaderVersion(v), api.ReplyHeaderVersion(v)); got != want {
				t.Errorf("%s version %d: header versions %s, want %s", api.Name, v, got, want)
			}
		}
	}
}
