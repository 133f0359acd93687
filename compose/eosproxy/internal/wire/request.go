package wire

// The protocols that have codecs.
const (
	Kafka    = "kafka"
	Postgres = "postgres"
	HTTP     = "http"
	SMTP     = "smtp"
)

// A Request is what rules match and events tell of a request. Fields that do not apply are absent.
type Request struct {
	Protocol string `json:"protocol,omitempty"`
	// API is the name of Kafka's API, the SQL command, the HTTP method or the SMTP verb.
	API string `json:"api"`
	// Text tells more of a request of a text protocol: a command tag, method and path, or a verb.
	Text string `json:"text,omitempty"`
	// Path is that of an HTTP request.
	Path string `json:"-"`
	*KafkaRequest
}

// A KafkaRequest is what only requests of Kafka have.
type KafkaRequest struct {
	APIVersion    int16  `json:"api_version"`
	CorrelationID int32  `json:"correlation_id"`
	ClientID      string `json:"client_id"`
	// TransactionalID is the first of TransactionalIDs, which has one element at most except in a batched
	// AddPartitionsToTxn (version 4 and later).
	TransactionalID  string   `json:"transactional_id,omitempty"`
	TransactionalIDs []string `json:"-"`
	// Committed tells the commit from the abort in an EndTxn; nil when it could not be read.
	Committed *bool   `json:"committed,omitempty"`
	GroupID   string  `json:"group_id,omitempty"`
	Topics    []Topic `json:"topics,omitempty"`
}

// A Topic names partitions of one topic in a request.
type Topic struct {
	// Topic is the topic's name. Versions that carry ids instead (Produce 13, OffsetCommit 10, TxnOffsetCommit 6)
	// leave it empty: replies to Metadata tell which name an id stands for.
	Topic string `json:"topic"`
	// ID is the topic's id in Kafka's own notation, URL-safe base64; empty where the version carries names.
	ID         string  `json:"topic_id,omitempty"`
	Partitions []int32 `json:"partitions"`
}
