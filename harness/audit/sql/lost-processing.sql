-- lost-processing: an input record was committed as processed, and its output is not there.
--
-- Proof: the input is visible upstream, the group's committed offset is past it, the place was read whole, and fewer
-- than `least` outputs for it are there, uncommitted ones included. The offset is why nobody will process it again.
-- Not proof: an input that the committed offset is not past (see stalled); an output behind an open transaction.
-- Judged where: kind = 'topic' AND upstream IS NOT NULL AND seen AND whole AND positioned

SELECT s.place, s.id, s.upstream, s.committed, s.cause
FROM shortfalls AS s
JOIN places AS p ON p.place = s.place
WHERE p.kind = 'topic' AND p.whole AND p.positioned
