-- inconsistent-offsets: one position of a topic held more than one record.
--
-- Proof: polls of any outcome, sends that must have happened, and the final read name two ids for one partition and
-- offset of one view.
-- Not proof: a record whose id nobody knows; a send that is unknown; what the final read itself tells twice, since that
-- file is damaged then.
-- Evidence: positions, records
-- Judged where: kind = 'topic' AND (whole OR NOT final_read)
-- Sieve: records

SELECT
    place,
    min(id) AS id,
    [[part, pos]] AS positions,
    list_sort(list(DISTINCT id) FILTER (WHERE id IS NOT NULL)) AS records
FROM occupied
GROUP BY place, part, pos
HAVING count(DISTINCT id) > 1
