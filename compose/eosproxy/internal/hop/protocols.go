package hop

import (
	"fmt"
	"maps"
	"slices"

	"eosproxy/internal/http1"
	"eosproxy/internal/kafka"
	"eosproxy/internal/postgres"
	"eosproxy/internal/smtp"
	"eosproxy/internal/wire"
)

// TCP is the protocol of a hop that does not look at its bytes.
const TCP = "tcp"

// Kafka is the protocol of brokers and their clients.
const Kafka = wire.Kafka

// protocols makes the codec of a connection, for every protocol of a hop.
var protocols = map[string]func(c *conn) wire.Codec{
	TCP: func(*conn) wire.Codec { return nil },
	wire.Kafka: func(c *conn) wire.Codec {
		if c.source.Lane == "" {
			return kafka.NewCodec(c.watches(wire.Kafka), nil)
		}
		return kafka.NewCodec(c.watches(wire.Kafka), c.hop.opts.Engine.LearnTopics)
	},
	wire.Postgres: func(c *conn) wire.Codec { return postgres.NewCodec(c.watches(wire.Postgres)) },
	wire.HTTP:     func(c *conn) wire.Codec { return http1.NewCodec(c.watches(wire.HTTP)) },
	wire.SMTP:     func(c *conn) wire.Codec { return smtp.NewCodec(c.watches(wire.SMTP)) },
}

// watches says which requests of a protocol rules are to see.
func (c *conn) watches(protocol string) func(api string) bool {
	return func(api string) bool { return c.hop.opts.Engine.Watches(c.source, protocol, api) }
}

func checkProtocol(name string) error {
	if _, ok := protocols[name]; !ok {
		return fmt.Errorf("protocol: %q is none of %q", name, slices.Sorted(maps.Keys(protocols)))
	}
	return nil
}
