-- The tables that every type of anomaly reads, made from what was loaded (harness/audit/evidence.py).
--
-- A position is (part, pos): partition and offset of a topic, 0 and row number of a table. `source` is what was read:
-- one topic or table. A `place` is a view of it: `invoices` shows what a read_committed consumer gets,
-- `invoices@read_uncommitted` everything. A send names its source.

-- What is known of the ends of each partition.
CREATE TABLE ends AS
SELECT place AS source, part, max(low) AS low, min(stable) AS stable, max(high) AS high
FROM positions
GROUP BY place, part;

-- seen: it was read. whole: to its end and from its beginning, so that absence proves something.
-- known: every writer left a complete ledger, so that a record no ledger speaks of was sent by nobody.
-- polled: somebody with a ledger read it at this isolation level (Kafka's default where the ledger does not say). positioned: its group's offsets are known.
CREATE TABLE places AS
WITH
known AS (
    SELECT w.place, bool_and(coalesce(l.whole, FALSE)) AS known
    FROM writers AS w
    LEFT JOIN (SELECT app, bool_and(whole) AS whole FROM processes GROUP BY app) AS l ON l.app = w.app
    GROUP BY w.place
),
trimmed AS (SELECT source, bool_or(low > 0) AS trimmed FROM ends GROUP BY source),
polled AS (
    SELECT DISTINCT p.place AS source, coalesce(r.isolation, 'read_uncommitted') AS isolation
    FROM polls AS p
    JOIN processes AS r ON r.process = p.process
),
positioned AS (SELECT DISTINCT place AS source, grp FROM positions WHERE grp IS NOT NULL)
SELECT
    d.place,
    d.kind,
    d.isolation,
    d.source,
    d.upstream,
    d.upstream_source,
    d.grp,
    d.least,
    d.most,
    s.source IS NOT NULL AS seen,
    coalesce(s.whole, FALSE) AND NOT coalesce(t.trimmed, FALSE) AS whole,
    coalesce(k.known, FALSE) AS known,
    o.source IS NOT NULL AS polled,
    g.source IS NOT NULL AS positioned,
    e.source IS NOT NULL AS ended
FROM declared AS d
LEFT JOIN sources AS s ON s.source = d.source
LEFT JOIN trimmed AS t ON t.source = d.source
LEFT JOIN known AS k ON k.place = d.place
LEFT JOIN polled AS o ON o.source = d.source AND o.isolation = d.isolation
LEFT JOIN positioned AS g ON g.source = d.upstream_source AND g.grp = d.grp
LEFT JOIN (SELECT DISTINCT source FROM ends) AS e ON e.source = d.source;

-- Operations that never ended are unknown.
CREATE TABLE operations AS
SELECT b.process, b.n, b.kind, b.txn, coalesce(e.outcome, 'unknown') AS outcome
FROM begun AS b
LEFT JOIN ended AS e ON e.process = b.process AND e.n = b.n;

-- One row per record that an operation tried to send. In a transaction, ok means that its commit returned ok. Outside
-- of one it is the record's own acknowledgement that counts, whatever became of the rest of its operation.
CREATE TABLE sends AS
WITH acknowledged AS (
    SELECT process, n, place, id, min(part) AS part, arg_min(pos, part) AS pos
    FROM acked
    GROUP BY process, n, place, id
),
tried AS (
    SELECT
        coalesce(a.process, k.process) AS process,
        coalesce(a.n, k.n) AS n,
        coalesce(a.place, k.place) AS source,
        coalesce(a.id, k.id) AS id,
        k.process IS NOT NULL AS acknowledged,
        k.part,
        k.pos
    FROM announced AS a
    FULL JOIN acknowledged AS k
        ON k.process = a.process AND k.n = a.n AND k.place = a.place AND k.id IS NOT DISTINCT FROM a.id
)
SELECT
    t.process,
    t.n,
    t.source,
    t.id,
    o.txn,
    t.acknowledged,
    t.part,
    t.pos,
    CASE
        WHEN o.txn IS NOT NULL THEN o.outcome
        WHEN t.acknowledged AND o.outcome <> 'failed' THEN 'ok'
        WHEN NOT t.acknowledged AND o.outcome = 'failed' THEN 'failed'
        ELSE 'unknown'
    END AS outcome
FROM tried AS t
LEFT JOIN operations AS o ON o.process = t.process AND o.n = t.n;

-- What was seen at each place. Not visible: what a read_committed consumer does not get yet, because it stands behind
-- an open transaction; it may still come, so it is never called lost.
CREATE VIEW sightings AS
SELECT
    p.place,
    p.source,
    l.part,
    l.pos,
    l.id,
    l.key,
    l.seq,
    l.src_place,
    l.src_part,
    l.src_pos,
    l.txn,
    l.status,
    l.producer,
    l.epoch,
    l.bseq,
    l.writer,
    p.isolation IS DISTINCT FROM 'read_committed'
    OR (l.status <> 'open' AND (e.stable IS NULL OR l.pos < e.stable)) AS visible
FROM places AS p
JOIN log AS l ON l.source = p.source
LEFT JOIN ends AS e ON e.source = l.source AND e.part = l.part
WHERE p.isolation IS DISTINCT FROM 'read_committed' OR l.status <> 'aborted';

-- Which input each record of a processed place was made from: the record at the position it names, else the record
-- of the same id.
CREATE VIEW outputs AS
SELECT
    p.place,
    s.part,
    s.pos,
    s.visible,
    coalesce(u.id, s.id) AS input,
    CASE WHEN s.src_place = p.upstream_source THEN s.src_part END AS src_part,
    CASE WHEN s.src_place = p.upstream_source THEN s.src_pos END AS src_pos
FROM places AS p
JOIN sightings AS s ON s.place = p.place
LEFT JOIN log AS u
    ON u.source = p.upstream_source AND u.source = s.src_place AND u.part = s.src_part AND u.pos = s.src_pos
WHERE p.upstream IS NOT NULL;

-- The inputs of each processed place, as its group could read them, and whether the group's committed offset is past
-- each of them.
CREATE VIEW inputs AS
SELECT
    p.place,
    s.id,
    s.part,
    s.pos,
    g.committed,
    s.pos < coalesce(g.committed, 0) AS passed
FROM places AS p
JOIN sightings AS s ON s.place = p.upstream AND s.visible
LEFT JOIN positions AS g ON g.place = p.upstream_source AND g.grp = p.grp AND g.part = s.part;

-- Every id that stands more than once at a topic place, and why: first what its batches say, then who tried to send it.
CREATE TABLE repeated AS
WITH again AS (
    SELECT
        s.place,
        p.source,
        p.upstream,
        s.id,
        count(*) AS times,
        count(DISTINCT s.producer) AS producers,
        min(s.producer) AS lowest_producer,
        count(DISTINCT s.epoch) AS epochs,
        count(DISTINCT s.bseq) AS sequences,
        count(DISTINCT [s.src_part, s.src_pos]) FILTER (WHERE s.src_pos IS NOT NULL) AS inputs,
        list_sort(list([s.part, s.pos])) AS positions
    FROM sightings AS s
    JOIN places AS p ON p.place = s.place
    WHERE p.kind = 'topic' AND s.visible AND s.id IS NOT NULL
    GROUP BY s.place, p.source, p.upstream, s.id
    HAVING count(*) > 1
),
tried AS (
    SELECT
        d.source,
        d.id,
        count(DISTINCT [d.process, CAST(d.n AS VARCHAR)]) AS operations,
        count(DISTINCT d.process) AS processes,
        count(DISTINCT [r.app, CAST(r.instance AS VARCHAR)]) AS instances
    FROM sends AS d
    JOIN processes AS r ON r.process = d.process
    SEMI JOIN again AS a ON a.source = d.source AND a.id = d.id
    GROUP BY d.source, d.id
),
upstream AS (
    SELECT a.place, a.id, count(*) AS times
    FROM again AS a
    JOIN sightings AS s ON s.place = a.upstream AND s.id = a.id AND s.visible
    GROUP BY a.place, a.id
)
SELECT
    a.place,
    a.id,
    a.times,
    a.positions,
    CASE
        WHEN u.times >= a.times AND a.inputs IN (0, a.times) THEN 'it was repeated upstream already'
        WHEN a.inputs = a.times THEN 'an aborted copy of it was processed too'
        WHEN a.lowest_producer >= 0 AND a.producers = 1 AND a.epochs = 1 AND a.sequences = 1
            THEN 'the broker did not deduplicate'
        WHEN a.lowest_producer >= 0 AND a.producers = 1 AND a.epochs = 1
            THEN 'the application sent again'
        WHEN a.lowest_producer >= 0 AND a.producers = 1 AND t.operations = 1
            THEN 'the client sent again under a new epoch'
        WHEN a.lowest_producer >= 0 AND a.producers = 1 AND a.upstream IS NOT NULL
            THEN 'reprocessed after an abort or by a zombie'
        WHEN t.instances > 1 AND a.upstream IS NULL THEN 'several producers sent it'
        WHEN t.instances > 1 THEN 'reprocessed by another instance'
        WHEN t.processes > 1 AND a.upstream IS NULL THEN 'a restarted producer sent again'
        WHEN t.processes > 1 THEN 'reprocessed after a restart'
        WHEN t.operations > 1 AND a.upstream IS NULL THEN 'the application sent again'
        WHEN t.operations > 1 THEN 'reprocessed by the same process'
        WHEN a.lowest_producer < 0 THEN 'idempotence was off: a retry was stored twice'
        WHEN a.producers = 1 THEN 'the client sent again under a new epoch'
        WHEN a.upstream IS NULL THEN 'a restarted producer sent again'
        ELSE 'reprocessed after a restart'
    END AS cause
FROM again AS a
LEFT JOIN tried AS t ON t.source = a.source AND t.id = a.id
LEFT JOIN upstream AS u ON u.place = a.place AND u.id = a.id;

-- Every input that the group's committed offset is past and that has fewer outputs than it must have, and why. At a
-- topic each input position must have its own outputs; at a table a row may stand for several (an upsert keeps one).
CREATE TABLE shortfalls AS
WITH counted AS (
    SELECT
        place,
        input AS id,
        src_part,
        src_pos,
        count(*) AS outputs
    FROM outputs
    GROUP BY place, input, src_part, src_pos
),
lacking AS (
    SELECT
        i.place,
        i.id,
        CAST(sum(greatest(p.least - coalesce(c.outputs, 0), 0)) AS BIGINT) AS lacking,
        list_sort(list([i.part, i.pos])) AS upstream,
        max(i.committed) AS committed
    FROM inputs AS i
    JOIN places AS p ON p.place = i.place
    LEFT JOIN counted AS c
        ON c.place = i.place AND c.id = i.id AND c.src_part = i.part AND c.src_pos = i.pos
    WHERE i.passed AND i.id IS NOT NULL
    GROUP BY i.place, i.id
    HAVING sum(greatest(p.least - coalesce(c.outputs, 0), 0)) > 0
),
others AS (
    SELECT
        o.place,
        o.input AS id,
        count(*) AS outputs,
        count(*) FILTER (WHERE o.src_pos IS NULL) AS without_source
    FROM outputs AS o
    SEMI JOIN lacking AS l ON l.place = o.place AND l.id = o.input
    GROUP BY o.place, o.input
),
short AS (
    SELECT l.place, p.source, p.upstream_source, p.known, l.id, l.upstream, l.committed
    FROM lacking AS l
    JOIN places AS p ON p.place = l.place
    LEFT JOIN others AS o ON o.place = l.place AND o.id = l.id
    WHERE
        CASE
            WHEN p.kind = 'table' THEN coalesce(o.outputs, 0) < p.least
            ELSE coalesce(o.without_source, 0) < l.lacking
        END
),
tried AS (
    SELECT d.source, d.id, count(*) AS sends, count(*) FILTER (WHERE d.outcome = 'ok') AS succeeded
    FROM sends AS d
    SEMI JOIN short AS s ON s.source = d.source AND s.id = d.id
    GROUP BY d.source, d.id
),
fetched AS (
    SELECT s.place, s.id, count(*) AS polls
    FROM short AS s
    JOIN polls AS p ON p.place = s.upstream_source AND p.id = s.id
    JOIN processes AS r ON r.process = p.process
    JOIN writers AS w ON w.place = s.place AND w.app = r.app
    GROUP BY s.place, s.id
)
SELECT
    s.place,
    s.id,
    s.upstream,
    s.committed,
    CASE
        WHEN t.succeeded > 0 THEN 'its output was confirmed, but is not there'
        WHEN t.sends > 0 THEN 'the offset was committed although the output was not confirmed'
        WHEN NOT s.known THEN 'the committed offset is past it'
        WHEN f.polls > 0 THEN 'the offset was committed before the output was written'
        ELSE 'the group went past it without reading it'
    END AS cause
FROM short AS s
LEFT JOIN tried AS t ON t.source = s.source AND t.id = s.id
LEFT JOIN fetched AS f ON f.place = s.place AND f.id = s.id;
