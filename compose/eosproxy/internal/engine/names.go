package engine

import (
	"sync"

	"eosproxy/internal/kafka"
	"eosproxy/internal/wire"
)

// namesLimit bounds how many topic ids are remembered.
const namesLimit = 100_000

// topicNames remembers which name stands behind a topic id. A client has every id it uses from a reply to Metadata,
// which has passed a hop, and an id is never used again for another topic.
type topicNames struct {
	mu   sync.RWMutex
	byID map[string]string
}

func (t *topicNames) learn(topics []kafka.TopicID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil || len(t.byID)+len(topics) > namesLimit {
		t.byID = map[string]string{} // clients ask for Metadata again and again
	}
	for _, topic := range topics {
		t.byID[topic.ID] = topic.Name
	}
}

// fill puts in the names of topics that a request gives by id; one that is not known gets its id for a name.
func (t *topicNames) fill(topics []wire.Topic) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for i := range topics {
		topic := &topics[i]
		if topic.ID == "" {
			continue
		}
		if topic.Topic = t.byID[topic.ID]; topic.Topic == "" {
			topic.Topic = topic.ID
		}
	}
}
