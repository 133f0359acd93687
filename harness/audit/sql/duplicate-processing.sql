-- duplicate-processing: one input record was processed more often than the pipeline says.
--
-- Proof: more outputs than `most` are visible for one input position; or, where outputs do not name their input
-- position, more outputs for one id than `most` times the inputs of that id.
-- Not proof: two outputs for an id that stands twice upstream (that one is a duplicate, made upstream); an aborted
-- output beside a committed one.
-- Judged where: kind = 'topic' AND upstream IS NOT NULL AND seen

WITH
one_input AS (
    SELECT place, input AS id, src_part, src_pos, count(*) AS outputs
    FROM outputs
    WHERE visible AND input IS NOT NULL
    GROUP BY place, input, src_part, src_pos
),
one_id AS (
    SELECT
        place,
        input AS id,
        count(*) AS outputs,
        list_sort(list([part, pos])) AS positions
    FROM outputs
    WHERE visible AND input IS NOT NULL
    GROUP BY place, input
    HAVING count(*) > 1
),
available AS (SELECT place, id, count(*) AS inputs FROM inputs GROUP BY place, id),
worst AS (
    SELECT place, id, max(outputs) FILTER (WHERE src_pos IS NOT NULL) AS outputs
    FROM one_input
    GROUP BY place, id
)
SELECT
    o.place,
    o.id,
    o.positions,
    coalesce(r.cause, 'the evidence does not tell') AS cause
FROM one_id AS o
JOIN places AS p ON p.place = o.place
JOIN worst AS w ON w.place = o.place AND w.id = o.id
LEFT JOIN available AS a ON a.place = o.place AND a.id = o.id
LEFT JOIN repeated AS r ON r.place = o.place AND r.id = o.id
WHERE p.kind = 'topic' AND (w.outputs > p.most OR o.outputs > p.most * greatest(coalesce(a.inputs, 1), 1))
