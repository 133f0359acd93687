-- lost-processing: an input record was committed as processed, and its output is not there.
--
-- Proof: the input is visible upstream, the group's committed offset is past it wherever it stands, the place was read
-- whole, and fewer than `least` outputs for it are there, uncommitted ones included. The offset is why nobody will
-- process it again.
-- Not proof: an input that the committed offset is not past (see stalled); an output behind an open transaction; one
-- output for an id that is twice upstream.
-- Evidence: upstream, committed, aborted, cause
-- Judged where: kind = 'topic' AND upstream IS NOT NULL AND whole AND upstream_whole AND positioned
-- Sieve: records

SELECT place, id, upstream, committed, aborted, cause
FROM shortfalls
WHERE kind = 'topic' AND lost
