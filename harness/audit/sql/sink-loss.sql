-- sink-loss: a record was committed as processed, and the table does not have it.
--
-- Proof: the record is visible upstream, the group's committed offset is past it, the table was read whole, and fewer
-- than `least` of its rows carry the id. The offset is why nobody will write it any more.
-- Not proof: a record that the committed offset is not past (see stalled); one row for an id that is twice upstream.
-- Judged where: kind = 'table' AND upstream IS NOT NULL AND seen AND whole AND positioned

SELECT s.place, s.id, s.upstream, s.committed, s.cause
FROM shortfalls AS s
JOIN places AS p ON p.place = s.place
WHERE p.kind = 'table' AND p.whole AND p.positioned
