-- offset-ahead-of-output: a group went past a record whose output nobody can see. This is why a loss is permanent.
--
-- Proof: the input is visible upstream, the group's committed offset is past it wherever it stands, the place was read
-- whole, and fewer than `least` of its outputs are visible.
-- Not proof: an input that the committed offset is not past.
-- Legal where none is on its way: it is lost then, and called so.
-- Evidence: upstream, committed, waiting
-- Judged where: kind = 'topic' AND upstream IS NOT NULL AND whole AND upstream_whole AND positioned
-- Legal where: waiting IS NULL
-- Sieve: records

SELECT place, id, upstream, committed, waiting
FROM shortfalls
WHERE kind = 'topic'
