-- disorder: the sequence of one key goes back.
--
-- Proof: within one partition of one place that was read whole, in the order of positions, the first sighting of a
-- record has a lower sequence than the first sighting of an earlier record of the same key. Later sightings are
-- duplicates, and named as such: a batch that is repeated as a whole goes back without any record being out of order.
-- Not proof: two producer instances that write one key, since nothing orders what they send; a key that moved to
-- another partition.
-- Evidence: positions, key, sequence, after
-- Judged where: whole AND sequenced
-- Sieve: records

WITH
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
            PARTITION BY f.place, f.part, f.key, d.sender
            ORDER BY f.pos
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS after
    FROM first_sightings AS f
    JOIN places AS p ON p.place = f.place
    LEFT JOIN senders AS d ON d.source = p.origin AND d.id = f.id
    WHERE p.whole
)
SELECT
    place,
    id,
    list_sort(list([part, pos])) AS positions,
    max(key) AS key,
    max(seq) AS sequence,
    max(after) AS after
FROM ordered
WHERE seq < after
GROUP BY place, id
