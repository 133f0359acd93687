-- sink-loss: a record was committed as processed, and the table does not have it.
--
-- Proof: the record is visible upstream, the group's committed offset is past it wherever it stands, the table was
-- read whole, and fewer than `least` of its rows carry the id. The offset is why nobody will write it any more.
-- Not proof: a record that the committed offset is not past (see stalled); one row for an id that is twice upstream; a row
-- that the table's history says another record of its key was written over.
-- Evidence: upstream, committed, cause
-- Judged where: kind = 'table' AND upstream IS NOT NULL AND whole AND upstream_whole AND positioned
-- Sieve: records

SELECT place, id, upstream, committed, cause
FROM shortfalls
WHERE kind = 'table' AND lost
