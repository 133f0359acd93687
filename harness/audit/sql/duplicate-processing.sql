-- duplicate-processing: one input record was processed more often than the pipeline says.
--
-- Proof: more outputs than `most` are visible for one input position; or, where the place upstream was read whole,
-- more outputs for one id than `most` times the inputs of that id.
-- Not proof: two outputs for an id that stands twice upstream (that one is a duplicate, made upstream); an aborted
-- output beside a committed one.
-- Evidence: positions, inputs, cause
-- Judged where: kind = 'topic' AND upstream IS NOT NULL AND whole AND upstream_whole
-- Sieve: records

WITH
made AS (
    SELECT place, input AS id, src_part, src_pos, part, pos
    FROM outputs
    WHERE visible AND input IS NOT NULL
),
of_input AS (
    SELECT place, id, max(outputs) AS outputs
    FROM (
        SELECT place, id, count(*) AS outputs
        FROM made
        WHERE src_pos IS NOT NULL
        GROUP BY place, id, src_part, src_pos
    )
    GROUP BY place, id
),
of_id AS (
    SELECT place, id, count(*) AS outputs, list_sort(list([part, pos])) AS positions
    FROM made
    GROUP BY place, id
    HAVING count(*) > 1
),
available AS (
    SELECT place, id, count(*) AS inputs, list_sort(list([part, pos])) AS positions
    FROM inputs
    GROUP BY place, id
)
SELECT
    o.place,
    o.id,
    o.positions,
    a.positions AS inputs,
    coalesce(r.cause, 'the evidence does not tell') AS cause
FROM of_id AS o
JOIN places AS p ON p.place = o.place
LEFT JOIN of_input AS i ON i.place = o.place AND i.id = o.id
LEFT JOIN available AS a ON a.place = o.place AND a.id = o.id
LEFT JOIN repeated AS r ON r.place = o.place AND r.id = o.id
WHERE
    p.kind = 'topic'
    AND (i.outputs > p.most OR (p.upstream_whole AND o.outputs > p.most * greatest(coalesce(a.inputs, 1), 1)))
