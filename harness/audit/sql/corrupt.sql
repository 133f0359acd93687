-- corrupt: a record's payload is not what its sender sent.
--
-- Proof: it is visible at the place, and its payload does not match the checksum that it carries.
-- Not proof: a record without a checksum.
-- Evidence: positions
-- Judged where: kind = 'topic' AND whole AND checked
-- Sieve: records

SELECT place, id, list_sort(list([part, pos])) AS positions
FROM sightings
WHERE visible AND NOT intact
GROUP BY place, id, CASE WHEN id IS NULL THEN part END, CASE WHEN id IS NULL THEN pos END
