-- regressed-effect: a write to the row of a key put an older value over a newer one. Upserts hide duplicates, not this.
--
-- Proof: in the history of a table whose rows are identified by key, a write replaced a record of the same sender with a
-- higher sequence of that key.
-- Not proof: the same record written again; records of two producer instances, since nothing orders what they send.
-- Evidence: positions, over, made_by
-- Judged where: kind = 'table' AND whole AND historied
-- Sieve: whole, because the history of a table is not sieved

SELECT
    p.place,
    h.id,
    list_sort(list([0, h.pos])) AS positions,
    list_sort(list(DISTINCT h.over_id) FILTER (WHERE h.over_id IS NOT NULL)) AS over,
    list_sort(list(DISTINCT h.writer) FILTER (WHERE h.writer IS NOT NULL)) AS made_by
FROM history AS h
JOIN places AS p ON p.source = h.source
LEFT JOIN senders AS s ON s.source = p.origin AND s.id = h.id
LEFT JOIN senders AS o ON o.source = p.origin AND o.id = h.over_id
WHERE h.seq < h.over_seq AND s.sender IS NOT DISTINCT FROM o.sender
GROUP BY p.place, h.id, CASE WHEN h.id IS NULL THEN h.pos END
