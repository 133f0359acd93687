-- lost-write: a record was confirmed to its sender, and is not in the topic.
--
-- Proof: its send is ok (acknowledged, or its transaction's commit returned ok), the topic was read from its first
-- offset to its last, and no record of that id is there.
-- Where nobody read the topic when all was over: its send must have happened, none of its positions is behind the first
-- position of a record that an ok poll returned from its partition, and no ok poll ever returned it.
-- Not proof: an unknown send that is missing; a record behind an open transaction, which may still become visible; one
-- that readers have not come to (see unseen).
-- Evidence: acknowledged, instead, cause
-- Judged where: kind = 'topic' AND ((whole AND known) OR (NOT final_read AND known AND polled))
-- Sieve: records

WITH
missing AS (
    SELECT p.place, p.source, d.id, d.part, d.pos, d.acknowledged
    FROM places AS p
    JOIN sends AS d ON d.source = p.source AND d.outcome = 'ok'
    ANTI JOIN sightings AS s ON s.place = p.place AND s.id = d.id
    WHERE p.kind = 'topic' AND p.whole AND d.id IS NOT NULL
),
standing AS (
    SELECT o.place, p.source, o.part, o.id, min(o.pos) AS first, max(o.pos) AS last
    FROM occupied AS o
    JOIN places AS p ON p.place = o.place
    WHERE NOT p.final_read AND o.id IS NOT NULL
    GROUP BY o.place, p.source, o.part, o.id
),
bounds AS (
    SELECT r.place, r.part, max(s.first) AS bound
    FROM reads AS r
    JOIN standing AS s ON s.place = r.place AND s.part = r.part AND s.id = r.id
    WHERE r.outcome = 'ok'
    GROUP BY r.place, r.part
),
passed AS (
    SELECT s.place, s.id, s.part, s.first
    FROM standing AS s
    JOIN bounds AS b ON b.place = s.place AND b.part = s.part
    SEMI JOIN durable AS d ON d.source = s.source AND d.id = s.id
    ANTI JOIN (SELECT source, id FROM reads WHERE outcome = 'ok') AS r ON r.source = s.source AND r.id = s.id
    WHERE s.last <= b.bound
)
SELECT
    m.place,
    m.id,
    list_sort(list(DISTINCT [m.part, m.pos]) FILTER (WHERE m.pos >= 0)) AS acknowledged,
    list_sort(list(DISTINCT i.id) FILTER (WHERE i.id IS NOT NULL)) AS instead,
    CASE
        WHEN bool_or(l.status = 'aborted') THEN 'the commit returned ok, but the log says it was aborted'
        WHEN bool_or(m.pos >= e.high OR i.source IS NOT NULL) THEN 'acknowledged, but the log was truncated before it'
        WHEN bool_or(m.acknowledged) THEN 'acknowledged, but not in the log'
        ELSE 'the commit returned ok, but the send was never acknowledged'
    END AS cause
FROM missing AS m
LEFT JOIN log AS l ON l.source = m.source AND l.id = m.id
LEFT JOIN log AS i ON i.source = m.source AND i.part = m.part AND i.pos = m.pos
LEFT JOIN ends AS e ON e.source = m.source AND e.part = m.part
GROUP BY m.place, m.id
UNION ALL
SELECT
    place,
    id,
    list_sort(list([part, first])) AS acknowledged,
    NULL AS instead,
    'it must have been written, and readers went past it' AS cause
FROM passed
GROUP BY place, id
