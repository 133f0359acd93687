-- lost-write: a record was confirmed to its sender, and is not in the topic.
--
-- Proof: its send is ok (acknowledged, or its transaction's commit returned ok), the topic was read from its first
-- offset to its last, and no record of that id is there.
-- Not proof: an unknown send that is missing; a record behind an open transaction, which may still become visible.
-- Evidence: acknowledged, cause
-- Judged where: kind = 'topic' AND whole AND known

SELECT
    p.place,
    d.id,
    list_sort(list(DISTINCT [d.part, d.pos]) FILTER (WHERE d.pos >= 0)) AS acknowledged,
    CASE
        WHEN bool_or(l.status = 'aborted') THEN 'the commit returned ok, but the log says it was aborted'
        WHEN bool_or(d.acknowledged) THEN 'acknowledged, but not in the log'
        ELSE 'the commit returned ok, but the send was never acknowledged'
    END AS cause
FROM places AS p
JOIN sends AS d ON d.source = p.source AND d.outcome = 'ok'
LEFT JOIN log AS l ON l.source = d.source AND l.id = d.id
ANTI JOIN sightings AS s ON s.place = p.place AND s.id = d.id
WHERE p.kind = 'topic' AND p.whole AND d.id IS NOT NULL
GROUP BY p.place, d.id
