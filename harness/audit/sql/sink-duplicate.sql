-- sink-duplicate: one record in more rows of a table than the pipeline says.
--
-- Proof: more rows than `most` carry one id.
-- Not proof: a row that was written again in place (an upsert).
-- Judged where: kind = 'table' AND seen

WITH
again AS (
    SELECT
        s.place,
        s.id,
        count(*) AS times,
        count(DISTINCT [s.src_part, s.src_pos]) FILTER (WHERE s.src_pos IS NOT NULL) AS inputs,
        count(DISTINCT s.writer) AS writers,
        count(DISTINCT [r.app, CAST(r.instance AS VARCHAR)]) AS instances,
        list_sort(list(DISTINCT s.writer) FILTER (WHERE s.writer IS NOT NULL)) AS written_by,
        list_sort(list([s.part, s.pos])) AS positions
    FROM sightings AS s
    JOIN places AS p ON p.place = s.place
    LEFT JOIN processes AS r ON r.process = s.writer
    WHERE p.kind = 'table' AND s.id IS NOT NULL
    GROUP BY s.place, s.id
    HAVING count(*) > max(p.most)
),
upstream AS (
    SELECT a.place, a.id, count(*) AS times
    FROM again AS a
    JOIN inputs AS i ON i.place = a.place AND i.id = a.id
    GROUP BY a.place, a.id
)
SELECT
    a.place,
    a.id,
    a.positions,
    a.written_by,
    CASE
        WHEN u.times >= a.times AND a.inputs IN (0, a.times) THEN 'it was repeated upstream already'
        WHEN a.inputs = a.times THEN 'an aborted copy of it was processed too'
        WHEN a.instances > 1 THEN 'processed again by another instance: the rows were committed, the offset was not'
        WHEN a.writers > 1 THEN 'processed again after a restart: the rows were committed, the offset was not'
        WHEN a.writers = 1 THEN 'processed again by the same process'
        ELSE 'the evidence does not tell'
    END AS cause
FROM again AS a
LEFT JOIN upstream AS u ON u.place = a.place AND u.id = a.id
