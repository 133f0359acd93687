-- missing-effect: a record was committed as processed, and had no effect.
--
-- Proof: the record is visible upstream, the group's committed offset is past it wherever it stands, the service's or
-- mailbox's log was read whole, and fewer than `least` of what it accepted carry the id.
-- Not proof: a record that the committed offset is not past (see stalled); one effect for an id that is twice upstream.
-- Evidence: upstream, committed, cause
-- Judged where: kind IN ('service', 'mailbox') AND upstream IS NOT NULL AND whole AND upstream_whole AND positioned
-- Sieve: records

SELECT place, id, upstream, committed, cause
FROM shortfalls
WHERE kind IN ('service', 'mailbox') AND lost
