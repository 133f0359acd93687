-- What follows what: made from _tables.sql for the types that ask for the order in which a topic was read and written.
-- They need all of its records, since a rank says how many stand before.

-- The rank of each position that is known to hold something. Offsets may be anything up to 2^63 - 1, and holes between
-- them are normal, so it is ranks that tell whether one follows the other.
CREATE TABLE indexed AS
SELECT place, part, pos, dense_rank() OVER (PARTITION BY place, part ORDER BY pos) AS nth
FROM (SELECT DISTINCT place, part, pos FROM occupied);

-- What each operation polled and sent, in order and with ranks. The rank of a send is known where its record stands at
-- one position and nobody else sent it; which copy came from which send is not known otherwise. What is not known is
-- assumed to be fine: `stretch` counts what stands between.
CREATE TABLE touched AS
WITH standing AS (
    SELECT place, id, min(part) AS part, min(pos) AS pos
    FROM occupied
    WHERE id IS NOT NULL
    GROUP BY place, id
    HAVING count(*) = 1
)
SELECT
    'poll' AS what,
    r.place,
    r.source,
    r.part,
    r.pos,
    i.nth,
    r.id,
    r.process,
    r.n,
    r.line,
    r.step,
    r.idx,
    r.outcome,
    0 AS stretch
FROM reads AS r
LEFT JOIN indexed AS i ON i.place = r.place AND i.part = r.part AND i.pos = r.pos
UNION ALL
SELECT
    'send' AS what,
    p.place,
    d.source,
    i.part,
    i.pos,
    i.nth,
    d.id,
    d.process,
    d.n,
    d.line,
    d.step,
    d.idx,
    NULL AS outcome,
    count(CASE WHEN i.nth IS NULL THEN 1 END) OVER (
        PARTITION BY p.place, d.process, d.n ORDER BY d.line, d.step, d.idx
    ) AS stretch
FROM sends AS d
JOIN places AS p ON p.source = d.source
LEFT JOIN sole AS s ON s.source = d.source AND s.id = d.id
LEFT JOIN standing AS o ON o.place = p.place AND o.id = s.id
LEFT JOIN indexed AS i ON i.place = o.place AND i.part = o.part AND i.pos = o.pos
WHERE p.kind = 'topic' AND d.outcome <> 'failed' AND d.line IS NOT NULL;

-- From each record to the next one of the same operation and partition: by how many ranks. Not where the operation's
-- own rebalance gave it that partition anew.
CREATE TABLE steps_inside AS
WITH followed AS (
    SELECT
        what,
        place,
        source,
        part,
        process,
        n,
        id,
        pos,
        nth,
        lag(pos) OVER (PARTITION BY what, place, part, process, n, stretch ORDER BY line, step, idx) AS before_pos,
        lag(nth) OVER (PARTITION BY what, place, part, process, n, stretch ORDER BY line, step, idx) AS before_nth
    FROM touched
)
SELECT
    f.what,
    f.place,
    f.id,
    [[f.part, f.before_pos], [f.part, f.pos]] AS positions,
    f.nth - f.before_nth AS delta,
    concat(f.process, ':', CAST(f.n AS VARCHAR)) AS operation
FROM followed AS f
ANTI JOIN assigned AS g
    ON
        g.process = f.process AND g.n = f.n AND g.place = f.source AND coalesce(g.part, f.part) = f.part
        AND g.how = 'rebalance' AND f.what = 'poll'
WHERE f.before_nth IS NOT NULL;

-- From the last record of one operation to the first of the next one of the same process, in one partition: by how
-- many ranks, and how the process came to that partition. Of polls only ok ones are gone on from. It begins anew when
-- an assign or subscribe that may have happened leaves the partition out, and when a rebalance hands it out.
CREATE TABLE steps_between AS
WITH turns AS (
    SELECT
        what,
        place,
        source,
        part,
        process,
        n,
        outcome,
        min([line, step]) AS moment,
        arg_min([nth, pos], [line, step, idx]) AS first,
        arg_min(id, [line, step, idx]) AS id,
        arg_max([nth, pos], [line, step, idx]) AS last
    FROM touched
    WHERE part IS NOT NULL
    GROUP BY what, place, source, part, process, n, outcome
),
changes AS (
    SELECT
        t.what,
        t.place,
        t.part,
        t.process,
        [a.line, a.step] AS moment,
        a.how,
        (a.how = 'rebalance') = (count(g.process) > 0) AS anew
    FROM (SELECT DISTINCT what, place, source, part, process FROM turns) AS t
    JOIN assigns AS a ON a.process = t.process
    JOIN operations AS o
        ON o.process = a.process AND o.n = a.n AND (o.outcome <> 'failed' OR a.how = 'rebalance')
    LEFT JOIN assigned AS g
        ON
            g.process = a.process AND g.line = a.line AND g.step = a.step
            AND g.place = t.source AND coalesce(g.part, t.part) = t.part
    GROUP BY t.what, t.place, t.part, t.process, a.line, a.step, a.how
),
happened AS (
    SELECT what, place, part, process, moment, how, anew, NULL AS n, NULL AS id, NULL AS first, NULL AS onward
    FROM changes
    UNION ALL
    SELECT
        what,
        place,
        part,
        process,
        moment,
        NULL AS how,
        FALSE AS anew,
        n,
        id,
        first,
        CASE WHEN what = 'send' OR outcome = 'ok' THEN last END AS onward
    FROM turns
),
eras AS (
    SELECT
        *,
        count(CASE WHEN anew THEN 1 END) OVER (PARTITION BY what, place, part, process ORDER BY moment) AS era,
        last_value(how IGNORE NULLS) OVER (PARTITION BY what, place, part, process ORDER BY moment) AS means
    FROM happened
),
followed AS (
    SELECT
        *,
        last_value(onward IGNORE NULLS) OVER (
            PARTITION BY what, place, part, process, era
            ORDER BY moment
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before
    FROM eras
)
SELECT
    what,
    place,
    id,
    [[part, before[2]], [part, first[2]]] AS positions,
    first[1] - before[1] AS delta,
    means,
    concat(process, ':', CAST(n AS VARCHAR)) AS operation
FROM followed
WHERE n IS NOT NULL AND before IS NOT NULL;

-- Which operation must have come before which: it wrote what stands before (ww), or what the other one polled (wr).
CREATE VIEW edges AS
WITH written AS (
    SELECT o.place, o.part, o.pos, o.id, concat(d.process, ':', CAST(d.n AS VARCHAR)) AS operation
    FROM occupied AS o
    JOIN places AS p ON p.place = o.place
    JOIN sole AS s ON s.source = p.source AND s.id = o.id
    JOIN durable AS d ON d.source = s.source AND d.id = s.id
),
chained AS (
    SELECT
        place,
        'ww' AS kind,
        lag(operation) OVER (PARTITION BY place, part ORDER BY pos, id) AS earlier,
        operation AS later
    FROM written
)
SELECT DISTINCT place, kind, earlier, later
FROM chained
WHERE earlier <> later
UNION
SELECT w.place, 'wr' AS kind, w.operation AS earlier, concat(r.process, ':', CAST(r.n AS VARCHAR)) AS later
FROM written AS w
JOIN reads AS r ON r.place = w.place AND r.part = w.part AND r.pos = w.pos AND r.id = w.id
WHERE w.operation <> concat(r.process, ':', CAST(r.n AS VARCHAR));
