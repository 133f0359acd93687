-- disorder: the sequence of one key goes back.
--
-- Proof: within one partition of one place that was read whole, in the order of positions, the first sighting of a
-- record has a lower sequence than the first sighting of an earlier record of the same key. Later sightings are
-- duplicates, and named as such: a batch that is repeated as a whole goes back without any record being out of order.
-- Not proof: two producer instances that write one key, since nothing orders what they send; a key that moved to
-- another partition.
-- Evidence: positions, key, sequence, after
-- Judged where: whole AND sequenced

WITH
origins AS (
    SELECT d.id, min(concat(r.app, '#', CAST(r.instance AS VARCHAR))) AS sender
    FROM sends AS d
    JOIN processes AS r ON r.process = d.process
    SEMI JOIN places AS p ON p.source = d.source AND p.upstream IS NULL
    WHERE d.id IS NOT NULL
    GROUP BY d.id
),
first_sightings AS (
    SELECT s.place, s.part, s.key, s.id, min(s.seq) AS seq, min(s.pos) AS pos
    FROM sightings AS s
    WHERE s.visible AND s.id IS NOT NULL AND s.key IS NOT NULL AND s.seq IS NOT NULL
    GROUP BY s.place, s.part, s.key, s.id
),
ordered AS (
    SELECT
        f.place,
        f.part,
        f.pos,
        f.key,
        f.id,
        f.seq,
        max(f.seq) OVER (
            PARTITION BY f.place, f.part, f.key, o.sender
            ORDER BY f.pos
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS after
    FROM first_sightings AS f
    LEFT JOIN origins AS o ON o.id = f.id
)
SELECT
    o.place,
    o.id,
    list_sort(list([o.part, o.pos])) AS positions,
    max(o.key) AS key,
    max(o.seq) AS sequence,
    max(o.after) AS after
FROM ordered AS o
JOIN places AS p ON p.place = o.place
WHERE p.whole AND o.seq < o.after
GROUP BY o.place, o.id
