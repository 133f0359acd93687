-- The sieve: which records could take part in a finding. Of all others nothing is left for the queries in sql/, which
-- stay the only specification: they find the same with it and without it (tests/quality/audit/test_sieve.py).
--
-- It is DuckDB's alone (a hash is another function elsewhere), and it may err on one side only: to name too many.
-- A record is *even*, and left out, when it was announced once and acknowledged by the same ok operation, in every
-- topic or table that has it; stands there once, committed or plain, below the last stable offset and below the
-- committed offset of whoever reads it, where it was acknowledged, and under the transaction it was announced in; and
-- stands in every place that is fed from one that has it, and in no place without that.
-- Hashes of 64 bits stand for ids and positions. What goes into an exclusive or is hashed twice: a hash of several values
-- is made by such an operation itself, so that two records that changed places would cancel each other out.

CREATE SCHEMA sieve;

-- What every source (topic, table, service, mailbox) is told of at all. A pipeline is what is fed from one origin;
-- what does not fit into the bits of a mark is of no pipeline (nr 20), and all its records are suspects.
CREATE TABLE sieve.sources AS
WITH every AS (
    SELECT source FROM declared
    UNION
    SELECT source FROM sources
    UNION
    SELECT source FROM sent
),
acks AS (SELECT place, bool_or(pos >= 0) AS placed FROM acked GROUP BY place),
records AS (
    SELECT source, bool_or(txn IS NOT NULL) AS named, bool_or(status NOT IN ('plain', 'committed')) AS mixed
    FROM sighted
    GROUP BY source
)
SELECT
    e.source,
    dense_rank() OVER (ORDER BY coalesce(o.origin, e.source)) AS pipeline,
    least(row_number() OVER (PARTITION BY coalesce(o.origin, e.source) ORDER BY e.source) - 1, 20) AS nr,
    t.source IS NOT NULL OR e.source IN (SELECT source FROM places WHERE known) AS told,
    a.place IS NOT NULL AS acked,
    coalesce(a.placed, FALSE) AS placed,
    t.source IS NOT NULL AND coalesce(r.named, FALSE) AS named,
    coalesce(r.mixed, FALSE) AS mixed,
    e.source IN (SELECT source FROM places WHERE kind = 'topic') AS is_topic
FROM every AS e
LEFT JOIN (SELECT source, min(origin) AS origin FROM places GROUP BY source) AS o ON o.source = e.source
LEFT JOIN sent AS t ON t.source = e.source
LEFT JOIN acks AS a ON a.place = e.source
LEFT JOIN records AS r ON r.source = e.source;

-- From which position on something of a partition is not yet stable, or not yet passed by a group that reads it.
CREATE TABLE sieve.limits AS
WITH ahead AS (
    SELECT source, part, stable AS pos FROM ends
    UNION ALL
    SELECT source, part, coalesce(committed, -9223372036854775808) AS pos FROM offsets
)
SELECT a.source, a.part, min(a.pos) AS pos
FROM ahead AS a
JOIN (SELECT source, part, max(pos) AS pos FROM sighted GROUP BY source, part) AS l
    ON l.source = a.source AND l.part = a.part AND l.pos >= a.pos
GROUP BY a.source, a.part;

CREATE TABLE sieve.undone AS
SELECT b.process, b.n, b.txn, e.outcome IS NOT DISTINCT FROM 'failed' AS failed
FROM begun AS b
LEFT JOIN ended AS e ON e.process = b.process AND e.n = b.n
WHERE e.outcome IS DISTINCT FROM 'ok';

-- One row per appearance of a record. `mark` is one bit for what appeared where (announced, acknowledged, standing);
-- 2^63 for what is not even in itself. `tie` is what has to be equal on both sides: of an even record all of it cancels
-- out.
CREATE VIEW sieve.appearances AS
SELECT
    s.pipeline,
    hash(a.id) AS h,
    CASE WHEN u.n IS NULL AND s.nr < 20 THEN CAST(1 AS UBIGINT) << (3 * s.nr) ELSE CAST(1 AS UBIGINT) << 63 END AS mark,
    xor(
        CASE WHEN s.acked THEN hash(hash('operation', s.nr, a.process, a.n)) ELSE 0 END,
        CASE WHEN s.named THEN hash(hash('transaction', s.nr, b.txn)) ELSE 0 END
    ) AS tie
FROM announced AS a
JOIN sieve.sources AS s ON s.source = a.place
LEFT JOIN sieve.undone AS u ON u.process = a.process AND u.n = a.n
LEFT JOIN (SELECT process, n, txn FROM begun WHERE txn IS NOT NULL) AS b ON b.process = a.process AND b.n = a.n
UNION ALL
SELECT
    s.pipeline,
    hash(a.id) AS h,
    CASE WHEN s.nr < 20 THEN CAST(1 AS UBIGINT) << (3 * s.nr + 1) ELSE CAST(1 AS UBIGINT) << 63 END AS mark,
    xor(
        hash(hash('operation', s.nr, a.process, a.n)),
        CASE WHEN s.placed THEN hash(hash('position', s.nr, a.part, a.pos)) ELSE 0 END
    ) AS tie
FROM acked AS a
JOIN sieve.sources AS s ON s.source = a.place
UNION ALL
SELECT
    s.pipeline,
    hash(l.id) AS h,
    CASE
        WHEN
            s.nr < 20 AND l.status IN ('plain', 'committed') AND c.pos IS NULL AND m.pos IS NULL
            AND l.intact IS DISTINCT FROM FALSE AND l.accepted IS DISTINCT FROM FALSE
            THEN CAST(1 AS UBIGINT) << (3 * s.nr + 2)
        ELSE CAST(1 AS UBIGINT) << 63
    END AS mark,
    xor(
        CASE WHEN s.placed THEN hash(hash('position', s.nr, l.part, l.pos)) ELSE 0 END,
        CASE WHEN s.named THEN hash(hash('transaction', s.nr, l.txn)) ELSE 0 END
    ) AS tie
FROM sighted AS l
JOIN sieve.sources AS s ON s.source = l.source
LEFT JOIN clashes AS c ON c.source = l.source AND c.part = l.part AND c.pos = l.pos
LEFT JOIN sieve.limits AS m ON m.source = l.source AND m.part = l.part AND l.pos >= m.pos;

-- Records that are not even. `several`: it may stand more than once somewhere.
CREATE TABLE sieve.suspects AS
SELECT h, n <> bit_count(marks) OR marks >> 63 = 1 AS several
FROM (
    SELECT pipeline, h, bit_or(mark) AS marks, count(*) AS n, bit_xor(tie) AS tie
    FROM sieve.appearances
    GROUP BY pipeline, h
)
WHERE n <> bit_count(marks) OR tie <> 0 OR marks >> 63 = 1 OR NOT ($even);

-- Disorder: every key whose sequence goes back, from its first sightings alone. As a read_committed consumer sees it,
-- and as a read_uncommitted one does, where that is not the same.
INSERT INTO sieve.suspects
WITH shown AS (
    SELECT FALSE AS dirty, hash(l.source, l.part, l.key) AS lane, hash(l.id) AS h, l.seq, l.pos
    FROM sighted AS l
    WHERE
        l.status IN ('plain', 'committed') AND l.accepted IS DISTINCT FROM FALSE
        AND l.id IS NOT NULL AND l.key IS NOT NULL AND l.seq IS NOT NULL
        AND l.source IN (SELECT source FROM places WHERE whole)
    UNION ALL
    SELECT TRUE AS dirty, hash(l.source, l.part, l.key) AS lane, hash(l.id) AS h, l.seq, l.pos
    FROM sighted AS l
    WHERE
        l.accepted IS DISTINCT FROM FALSE AND l.id IS NOT NULL AND l.key IS NOT NULL AND l.seq IS NOT NULL
        AND l.source IN (SELECT source FROM places WHERE whole)
        AND l.source IN (SELECT source FROM sieve.sources WHERE mixed)
),
several AS (SELECT h FROM sieve.suspects WHERE several),
first_ones AS (
    SELECT s.dirty, s.lane, s.seq, s.pos FROM shown AS s ANTI JOIN several AS m ON m.h = s.h
    UNION ALL
    SELECT s.dirty, s.lane, min(s.seq) AS seq, min(s.pos) AS pos
    FROM shown AS s
    SEMI JOIN several AS m ON m.h = s.h
    GROUP BY s.dirty, s.lane, s.h
),
followed AS (
    SELECT lane, seq < lag(seq) OVER (PARTITION BY dirty, lane ORDER BY pos) AS goes_back FROM first_ones
),
crooked AS (SELECT DISTINCT lane FROM followed WHERE goes_back)
SELECT DISTINCT hash(l.id) AS h, FALSE AS several
FROM sighted AS l
SEMI JOIN crooked AS c ON c.lane = hash(l.source, l.part, l.key);

-- Regressed effects: what a write put over something newer, and that.
INSERT INTO sieve.suspects
SELECT hash(unnest([id, over_id])) AS h, FALSE AS several
FROM history
WHERE seq < over_seq;

-- Precommitted reads: what was sent by an operation that polled from the same place.
INSERT INTO sieve.suspects
SELECT DISTINCT hash(a.id) AS h, FALSE AS several
FROM announced AS a
SEMI JOIN (SELECT process, n, place FROM strides WHERE what = 'poll') AS p
    ON p.process = a.process AND p.n = a.n AND p.place = a.place;

-- Torn transactions and what was done in undone ones: whole transactions. Those of suspects, those that did not end ok,
-- and names that stand for more than one.
CREATE TABLE sieve.txns AS
SELECT DISTINCT txn FROM sieve.undone WHERE txn IS NOT NULL
UNION
SELECT txn FROM begun WHERE txn IS NOT NULL GROUP BY txn HAVING count(*) > 1
UNION
SELECT txn
FROM sighted
WHERE txn IS NOT NULL
GROUP BY txn
HAVING min(producer) <> max(producer) OR min(epoch) <> max(epoch)
    OR bool_or(producer IS NULL OR epoch IS NULL OR status = 'plain') AND bool_or(status <> 'plain')
UNION
SELECT txn FROM sighted WHERE txn IS NOT NULL AND (id IS NULL OR hash(id) IN (SELECT h FROM sieve.suspects))
UNION
SELECT b.txn
FROM announced AS a
JOIN begun AS b ON b.process = a.process AND b.n = a.n
WHERE b.txn IS NOT NULL AND (a.id IS NULL OR hash(a.id) IN (SELECT h FROM sieve.suspects));

INSERT INTO sieve.suspects
SELECT hash(id) AS h, FALSE AS several FROM sighted WHERE txn IN (SELECT txn FROM sieve.txns)
UNION
SELECT hash(a.id) AS h, FALSE AS several
FROM announced AS a
JOIN begun AS b ON b.process = a.process AND b.n = a.n
WHERE b.txn IN (SELECT txn FROM sieve.txns);

-- Skipped sends: whole operations of suspects.
INSERT INTO sieve.suspects
WITH concerned AS (
    SELECT DISTINCT process, n, place
    FROM announced
    WHERE id IS NULL OR hash(id) IN (SELECT h FROM sieve.suspects)
)
SELECT DISTINCT hash(a.id) AS h, FALSE AS several
FROM announced AS a
SEMI JOIN concerned AS c ON c.process = a.process AND c.n = a.n AND c.place = a.place;

-- What stands at the positions that suspects name: their inputs, and where they were acknowledged or polled.
INSERT INTO sieve.suspects
WITH spots AS (
    SELECT src_place AS source, src_part AS part, src_pos AS pos
    FROM sighted
    WHERE src_pos IS NOT NULL AND (id IS NULL OR hash(id) IN (SELECT h FROM sieve.suspects))
    UNION
    SELECT place AS source, part, pos
    FROM acked
    WHERE pos >= 0 AND (id IS NULL OR hash(id) IN (SELECT h FROM sieve.suspects))
    UNION
    SELECT place AS source, part, pos
    FROM polls
    WHERE id IS NULL OR hash(id) IN (SELECT h FROM sieve.suspects)
)
SELECT DISTINCT hash(l.id) AS h, FALSE AS several
FROM sighted AS l
SEMI JOIN spots AS s ON s.source = l.source AND s.part = l.part AND s.pos = l.pos;

-- Order. A partition is smooth when each process went through it from stride to stride, always onward, polled all that
-- stands there between its first and its last record, and nothing else; and when what it sent stands where it was
-- acknowledged. Then nothing is skipped or read backwards, however many records are left out; but between the records
-- that one operation sent there may be others, so that these are kept. Of any other partition everything is kept.
--
-- Sends of suspects that may have happened, and were not acknowledged where they stand: their operations.
CREATE TABLE sieve.unplaced AS
SELECT DISTINCT a.process, a.n, a.place
FROM announced AS a
SEMI JOIN sieve.sources AS s ON s.source = a.place AND s.is_topic
LEFT JOIN sieve.undone AS u ON u.process = a.process AND u.n = a.n
ANTI JOIN (SELECT process, n, place, id FROM acked WHERE pos >= 0) AS k
    ON k.process = a.process AND k.n = a.n AND k.place = a.place AND k.id = a.id
WHERE (a.id IS NULL OR hash(a.id) IN (SELECT h FROM sieve.suspects)) AND u.failed IS DISTINCT FROM TRUE;

-- … and where their records stand: those that are sent once, and stand somewhere.
CREATE TABLE sieve.located AS
WITH tried AS (
    SELECT process, n, place, id, count(*) AS times
    FROM announced
    WHERE hash(id) IN (SELECT h FROM sieve.suspects)
    GROUP BY process, n, place, id
    UNION ALL
    SELECT DISTINCT k.process, k.n, k.place, k.id, 1 AS times
    FROM acked AS k
    ANTI JOIN announced AS a ON a.process = k.process AND a.n = k.n AND a.place = k.place AND a.id = k.id
    WHERE hash(k.id) IN (SELECT h FROM sieve.suspects)
),
sole AS (
    SELECT t.place, t.id
    FROM tried AS t
    LEFT JOIN sieve.undone AS u ON u.process = t.process AND u.n = t.n
    WHERE u.failed IS DISTINCT FROM TRUE
    GROUP BY t.place, t.id
    HAVING sum(t.times) = 1
)
SELECT a.process, a.n, a.line, a.step, a.idx, a.place, l.part, l.pos, count(*) OVER (PARTITION BY a.place, a.id) AS times
FROM announced AS a
SEMI JOIN sieve.unplaced AS u ON u.process = a.process AND u.n = a.n AND u.place = a.place
SEMI JOIN sole AS s ON s.place = a.place AND s.id = a.id
JOIN sighted AS l ON l.source = a.place AND l.id = a.id;

CREATE TABLE sieve.strides AS
SELECT s.what, s.process, s.line, s.step, s.place, s.part, s.first, s.last, s.records, s.smooth
FROM strides AS s
SEMI JOIN sieve.sources AS t ON t.source = s.place AND t.is_topic
LEFT JOIN sieve.undone AS f ON f.process = s.process AND f.n = s.n AND f.failed
LEFT JOIN sieve.unplaced AS u ON u.process = s.process AND u.n = s.n AND u.place = s.place
WHERE s.what = 'poll' OR (f.n IS NULL AND u.n IS NULL)
UNION ALL
SELECT
    'send' AS what,
    process,
    min(line) AS line,
    min(step) AS step,
    place,
    part,
    min(pos) AS first,
    max(pos) AS last,
    count(*) AS records,
    bool_and(times = 1 AND pos >= 0 AND onward) AS smooth
FROM (
    SELECT
        *,
        coalesce(pos > lag(pos) OVER (PARTITION BY process, n, place, part ORDER BY line, step, idx), TRUE) AS onward
    FROM sieve.located
)
GROUP BY process, n, place, part;

-- Positions that suspects were acknowledged at, and that hold nothing.
CREATE TABLE sieve.strays AS
SELECT DISTINCT a.place AS source, a.part, a.pos
FROM acked AS a
LEFT JOIN sieve.undone AS u ON u.process = a.process AND u.n = a.n
ANTI JOIN (SELECT source, part, pos FROM sighted WHERE status IN ('plain', 'committed')) AS l
    ON l.source = a.place AND l.part = a.part AND l.pos = a.pos
WHERE
    a.pos >= 0 AND u.failed IS DISTINCT FROM TRUE
    AND (a.id IS NULL OR hash(a.id) IN (SELECT h FROM sieve.suspects));

CREATE TABLE sieve.spans AS
SELECT place AS source, part, first, last
FROM sieve.strides
WHERE what = 'send' AND last - first > records - 1
UNION
SELECT s.place AS source, s.part, s.first, s.last
FROM sieve.strides AS s
SEMI JOIN sieve.strays AS y ON y.source = s.place AND y.part = s.part AND y.pos BETWEEN s.first AND s.last
WHERE s.what = 'send';

CREATE TABLE sieve.rough AS
WITH onward AS (
    SELECT
        place,
        part,
        smooth AND coalesce(
            first > lag(last) OVER (PARTITION BY what, process, place, part ORDER BY line, step), TRUE
        ) AS smooth
    FROM sieve.strides
),
runs AS (
    SELECT process, place, part, min(first) AS first, max(last) AS last, sum(records) AS records
    FROM sieve.strides
    WHERE what = 'poll'
    GROUP BY process, place, part
),
polled AS (
    SELECT process, place, part, bit_xor(hash(hash(id, pos))) AS records
    FROM polls
    GROUP BY process, place, part
),
standing AS (
    SELECT r.process, r.place, r.part, count(*) AS n, bit_xor(hash(hash(l.id, l.pos))) AS records
    FROM runs AS r
    JOIN processes AS p ON p.process = r.process
    JOIN sighted AS l ON l.source = r.place AND l.part = r.part AND l.pos BETWEEN r.first AND r.last
    LEFT JOIN ends AS e ON e.source = l.source AND e.part = l.part
    ANTI JOIN clashes AS c ON c.source = l.source AND c.part = l.part AND c.pos = l.pos
    WHERE
        p.isolation IS DISTINCT FROM 'read_committed'
        OR (l.status IN ('plain', 'committed') AND (e.stable IS NULL OR l.pos < e.stable))
    GROUP BY r.process, r.place, r.part
)
SELECT place AS source, part FROM onward WHERE NOT smooth
UNION
SELECT r.place AS source, r.part
FROM runs AS r
JOIN polled AS p ON p.process = r.process AND p.place = r.place AND p.part = r.part
LEFT JOIN standing AS s ON s.process = r.process AND s.place = r.place AND s.part = r.part
WHERE s.n IS DISTINCT FROM r.records OR s.records IS DISTINCT FROM p.records
UNION
SELECT r.place AS source, r.part
FROM runs AS r
SEMI JOIN sieve.strays AS y ON y.source = r.place AND y.part = r.part AND y.pos BETWEEN r.first AND r.last
UNION
SELECT source, part FROM sieve.spans GROUP BY source, part HAVING count(*) > 100
UNION
SELECT l.source, l.part
FROM (SELECT DISTINCT source, part FROM sighted) AS l
SEMI JOIN sieve.sources AS s ON s.source = l.source AND s.told AND NOT s.placed AND s.is_topic;

DELETE FROM sieve.rough WHERE source IN (SELECT source FROM sieve.sources WHERE NOT is_topic);

INSERT INTO sieve.suspects
SELECT hash(l.id) AS h, FALSE AS several
FROM sighted AS l
SEMI JOIN sieve.rough AS r ON r.source = l.source AND r.part = l.part
UNION
SELECT hash(l.id) AS h, FALSE AS several
FROM polls AS l
SEMI JOIN sieve.rough AS r ON r.source = l.place AND r.part = l.part
UNION
SELECT hash(l.id) AS h, FALSE AS several
FROM acked AS l
SEMI JOIN sieve.rough AS r ON r.source = l.place AND r.part = l.part
UNION
SELECT hash(l.id) AS h, FALSE AS several
FROM sighted AS l
JOIN sieve.spans AS s ON s.source = l.source AND s.part = l.part AND l.pos BETWEEN s.first AND s.last;

-- What is left.
CREATE TABLE sieve.ids AS SELECT DISTINCT h FROM sieve.suspects;

CREATE TABLE main.sighted AS
SELECT * FROM whole.sighted WHERE id IS NULL OR hash(id) IN (SELECT h FROM sieve.ids);

CREATE TABLE main.announced AS
SELECT * FROM whole.announced WHERE id IS NULL OR hash(id) IN (SELECT h FROM sieve.ids);

CREATE TABLE main.acked AS
SELECT * FROM whole.acked WHERE id IS NULL OR hash(id) IN (SELECT h FROM sieve.ids);

CREATE TABLE main.polls AS
SELECT * FROM whole.polls WHERE id IS NULL OR hash(id) IN (SELECT h FROM sieve.ids);

CREATE TABLE main.history AS
SELECT * FROM whole.history
WHERE
    id IS NULL
    OR seq < over_seq
    OR hash(id) IN (SELECT h FROM sieve.ids)
    OR hash(over_id) IN (SELECT h FROM sieve.ids);

CREATE TABLE sieve.operations AS
SELECT process, n FROM main.announced
UNION
SELECT process, n FROM main.acked
UNION
SELECT process, n FROM main.polls
UNION
SELECT process, n FROM assigns
UNION
SELECT process, n FROM begun WHERE txn IN (SELECT txn FROM sieve.txns);

CREATE TABLE main.begun AS
SELECT b.* FROM whole.begun AS b SEMI JOIN sieve.operations AS o ON o.process = b.process AND o.n = b.n;

CREATE TABLE main.ended AS
SELECT e.* FROM whole.ended AS e SEMI JOIN sieve.operations AS o ON o.process = e.process AND o.n = e.n;
