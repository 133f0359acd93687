-- stalled: records are there upstream, and the group that should move them has not come to them: late, not lost.
--
-- Proof: the record is visible upstream at or after the group's committed offset, or the group committed none there.
-- Not proof: an offset below the end with nothing but control markers and aborted records behind it.
-- Evidence: upstream, committed
-- Judged where: upstream IS NOT NULL AND isolation IS DISTINCT FROM 'read_uncommitted' AND upstream_whole AND positioned
-- Sieve: records

SELECT
    i.place,
    i.id,
    list_sort(list([i.part, i.pos])) AS upstream,
    list_sort(list(DISTINCT [i.part, i.committed])) AS committed
FROM inputs AS i
JOIN places AS p ON p.place = i.place
WHERE p.isolation IS DISTINCT FROM 'read_uncommitted' AND i.late
GROUP BY i.place, i.id, CASE WHEN i.id IS NULL THEN i.part END, CASE WHEN i.id IS NULL THEN i.pos END
