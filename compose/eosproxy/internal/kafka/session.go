package kafka

import (
	"cmp"
	"maps"
	"slices"
)

// A fetchSession is what a client fetches over one connection. Its first Fetch lists all partitions, and those behind
// it only what has changed, so that a rule for a partition would miss most of them if nobody remembered. Clients begin a
// new session on a new connection.
type fetchSession struct {
	partitions map[sessionTopic]map[int32]bool // nil when the session began before it was looked at
}

// A sessionTopic has a name or an id.
type sessionTopic struct{ name, id string }

// update follows the session and gives the topics that a Fetch asks for, if they are wanted; err is why its body could
// not be read.
func (s *fetchSession) update(body *Body, err error, wanted bool) []Topic {
	if err != nil {
		s.partitions = nil
		return body.Topics
	}
	if body.epoch <= 0 { // a new session, or none
		s.partitions = map[sessionTopic]map[int32]bool{}
	}
	if s.partitions == nil {
		return body.Topics
	}
	for _, t := range body.Topics {
		key := sessionTopic{t.Topic, t.ID}
		if s.partitions[key] == nil {
			s.partitions[key] = map[int32]bool{}
		}
		for _, p := range t.Partitions {
			s.partitions[key][p] = true
		}
	}
	for _, t := range body.forgotten {
		key := sessionTopic{t.Topic, t.ID}
		for _, p := range t.Partitions {
			delete(s.partitions[key], p)
		}
		if len(s.partitions[key]) == 0 {
			delete(s.partitions, key)
		}
	}
	if !wanted || body.epoch <= 0 {
		return body.Topics
	}
	return s.topics()
}

// topics lists the session's partitions, in order.
func (s *fetchSession) topics() []Topic {
	topics := make([]Topic, 0, len(s.partitions))
	for key, partitions := range s.partitions {
		topics = append(topics, Topic{Topic: key.name, ID: key.id, Partitions: slices.Sorted(maps.Keys(partitions))})
	}
	slices.SortFunc(topics, func(a, b Topic) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return topics
}
