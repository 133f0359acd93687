package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"eosproxy/internal/http1"
	"eosproxy/internal/kafka"
	"eosproxy/internal/postgres"
	"eosproxy/internal/smtp"
	"eosproxy/internal/wire"
)

// A Match describes requests of one protocol ("" is Kafka's); fields that are absent match anything. Topic may be a
// name or, for the versions that carry ids, an id; Path is what the path of an HTTP request begins with.
type Match struct {
	Protocol        string  `json:"protocol,omitempty"`
	API             string  `json:"api"`
	Path            *string `json:"path,omitempty"`
	Committed       *bool   `json:"committed,omitempty"`
	TransactionalID *string `json:"transactional_id,omitempty"`
	Topic           *string `json:"topic,omitempty"`
	Partition       *int32  `json:"partition,omitempty"`
}

func (m *Match) protocol() string { return cmp.Or(m.Protocol, wire.Kafka) }

// A vocabulary says which requests and which error codes a protocol has.
type vocabulary struct {
	checkAPI  func(name string) error
	carries   func(api string) []string    // which fields rules can match
	checkCode func(api, code string) error // whether a request can be answered with that error
}

var vocabularies = map[string]vocabulary{
	wire.Kafka:    {kafka.CheckAPI, kafka.CarriedBy, kafka.CheckCode},
	wire.Postgres: {postgres.CheckAPI, postgres.CarriedBy, postgres.CheckCode},
	wire.HTTP:     {http1.CheckAPI, http1.CarriedBy, http1.CheckCode},
	wire.SMTP:     {smtp.CheckAPI, smtp.CarriedBy, smtp.CheckCode},
}

// check refuses what never could match: a fault that silently never fires is worse than an error. code is the error
// that a request is to be answered with; "" if none.
func (m *Match) check(code string) error {
	v, ok := vocabularies[m.protocol()]
	if !ok {
		return fmt.Errorf("protocol: %q has no requests that are known", m.Protocol)
	}
	if err := v.checkAPI(m.API); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	var errs []error
	carried := v.carries(m.API)
	for _, field := range m.given() {
		if !slices.Contains(carried, field) {
			errs = append(errs, fmt.Errorf("%s: a request of %s has none", field, m.API))
		}
	}
	if code != "" {
		if err := v.checkCode(m.API, code); err != nil {
			errs = append(errs, fmt.Errorf("error: %w", err))
		}
	}
	return errors.Join(errs...)
}

// given lists which fields are not absent.
func (m *Match) given() (fields []string) {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"committed", m.Committed != nil},
		{"transactional_id", m.TransactionalID != nil},
		{"topic", m.Topic != nil},
		{"partition", m.Partition != nil},
		{"path", m.Path != nil},
	} {
		if f.given {
			fields = append(fields, f.name)
		}
	}
	return fields
}

func (m *Match) hits(r *wire.Request) bool {
	return m.protocol() == r.Protocol && m.API == r.API &&
		(m.Path == nil || strings.HasPrefix(r.Path, *m.Path)) &&
		(r.KafkaRequest == nil || m.hitsKafka(r.KafkaRequest))
}

func (m *Match) hitsKafka(r *wire.KafkaRequest) bool {
	return (m.Committed == nil || r.Committed != nil && *m.Committed == *r.Committed) &&
		(m.TransactionalID == nil || slices.Contains(r.TransactionalIDs, *m.TransactionalID)) &&
		(m.Topic == nil && m.Partition == nil || slices.ContainsFunc(r.Topics, m.hitsTopic))
}

func (m *Match) hitsTopic(t wire.Topic) bool {
	return (m.Topic == nil || *m.Topic == t.Topic || t.ID != "" && *m.Topic == t.ID) &&
		(m.Partition == nil || slices.Contains(t.Partitions, *m.Partition))
}
