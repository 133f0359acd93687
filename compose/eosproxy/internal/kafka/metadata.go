package kafka

// zeroID is what a topic without an id has.
const zeroID = "AAAAAAAAAAAAAAAAAAAAAA"

// A TopicID says which name stands behind a topic id.
type TopicID struct{ ID, Name string }

// TopicIDs reads from the first bytes behind the size field of a reply to Metadata which topics it names; versions
// before 10 tell no ids. Of a reply that goes on behind the prefix, or that is malformed, it gives what it could read.
func TopicIDs(version int16, reply []byte) []TopicID {
	api, _ := Lookup(Metadata)
	if version < 10 || version > api.Highest {
		return nil
	}
	r := reader{buf: reply}
	r.skip(4) // the correlation id
	r.tags(true)
	r.skip(4) // the throttle time
	for n := r.arrayLength(true); n > 0 && r.err == nil; n-- {
		r.skip(4) // the broker's node id
		r.string(true)
		r.skip(4) // its port
		r.nullableString(true)
		r.tags(true)
	}
	r.nullableString(true) // the cluster id
	r.skip(4)              // the controller
	var topics []TopicID
	for n := r.arrayLength(true); n > 0 && r.err == nil; n-- {
		r.skip(2) // the error
		name := r.nullableString(true)
		if id := r.uuid(); r.err == nil && name != "" && id != zeroID {
			topics = append(topics, TopicID{ID: id, Name: name})
		}
		r.skip(1) // whether it is internal
		skipPartitions(&r)
		r.skip(4) // the operations allowed
		r.tags(true)
	}
	return topics
}

func skipPartitions(r *reader) {
	for n := r.arrayLength(true); n > 0 && r.err == nil; n-- {
		r.skip(2 + 4 + 4 + 4) // error, index, leader, leader epoch
		for range 3 {         // replicas, in-sync replicas, offline replicas
			r.skip(4 * r.arrayLength(true))
		}
		r.tags(true)
	}
}
