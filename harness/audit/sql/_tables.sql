-- The tables that every type of anomaly reads, made from what was loaded (harness/audit/evidence.py).
--
-- A position is (part, pos): partition and offset of a topic, 0 and row number of a table. `source` is what was read:
-- one topic or table. A `place` is a view of it: `invoices` shows what a read_committed consumer gets,
-- `invoices@read_uncommitted` everything. A send names its source.

-- Positions that the sightings fill more than once. What stands there is not known, so nothing is said of them.
CREATE TABLE clashes AS
SELECT source, part, pos
FROM sighted
GROUP BY source, part, pos
HAVING count(*) > 1;

CREATE VIEW log AS
SELECT s.*
FROM sighted AS s
ANTI JOIN clashes AS c ON c.source = s.source AND c.part = s.part AND c.pos = s.pos;

-- What is known of the ends of each partition.
CREATE TABLE ends AS
SELECT place AS source, part, max(low) AS low, min(stable) AS stable, max(high) AS high
FROM positions
GROUP BY place, part;

-- Committed offsets of groups. NULL: the group never committed one there.
CREATE TABLE offsets AS
SELECT place AS source, grp, part, min(committed) AS committed
FROM positions
WHERE grp IS NOT NULL
GROUP BY place, grp, part;

-- Operations that never ended are unknown.
CREATE TABLE operations AS
SELECT b.process, b.n, b.kind, b.txn, coalesce(e.outcome, 'unknown') AS outcome
FROM begun AS b
LEFT JOIN ended AS e ON e.process = b.process AND e.n = b.n;

-- One row per place, with what may be concluded there:
--   seen            it was read
--   whole           from its beginning to its end, so that absence proves something
--   upstream_whole  the same of the place it is fed from
--   known           every writer left a complete ledger: a record no ledger speaks of was sent by nobody
--   polled          somebody with a ledger read it at this isolation level (Kafka's default where none is told)
--   positioned      the offsets of its group are known in every partition upstream
--   ended           the ends of all its partitions are known
--   listed          so are the transactions that were open at the end
--   named           its records of transactions carry the transaction's name
--   sequenced       its records with a key carry a sequence
CREATE TABLE places AS
WITH
partitions AS (
    SELECT source, part FROM log
    UNION
    SELECT source, part FROM ends
),
complete AS (
    SELECT s.source, s.whole AND c.source IS NULL AND t.source IS NULL AS whole
    FROM sources AS s
    LEFT JOIN (SELECT DISTINCT source FROM clashes) AS c ON c.source = s.source
    LEFT JOIN (SELECT DISTINCT source FROM ends WHERE low > 0) AS t ON t.source = s.source
),
ledgers AS (SELECT app, bool_and(whole) AS whole FROM processes GROUP BY app),
known AS (
    SELECT w.place, bool_and(f.ledgers AND coalesce(l.whole, FALSE)) AS known
    FROM writers AS w
    CROSS JOIN facts AS f
    LEFT JOIN ledgers AS l ON l.app = w.app
    GROUP BY w.place
),
polled AS (
    SELECT DISTINCT p.place AS source, coalesce(r.isolation, 'read_uncommitted') AS isolation
    FROM polls AS p
    JOIN operations AS o ON o.process = p.process AND o.n = p.n AND o.outcome = 'ok'
    JOIN processes AS r ON r.process = p.process
),
positioned AS (
    SELECT g.source, g.grp, bool_and(o.source IS NOT NULL) AS positioned
    FROM (SELECT DISTINCT source, grp FROM offsets) AS g
    JOIN partitions AS p ON p.source = g.source
    LEFT JOIN offsets AS o ON o.source = g.source AND o.grp = g.grp AND o.part = p.part
    GROUP BY g.source, g.grp
),
ended AS (
    SELECT p.source, bool_and(e.source IS NOT NULL) AS ended
    FROM partitions AS p
    LEFT JOIN ends AS e ON e.source = p.source AND e.part = p.part
    GROUP BY p.source
),
carried AS (
    SELECT
        source,
        bool_and(txn IS NOT NULL OR status = 'plain') AS named,
        bool_and(seq IS NOT NULL OR key IS NULL) AS sequenced
    FROM log
    GROUP BY source
)
SELECT
    d.place,
    d.kind,
    d.isolation,
    d.source,
    d.upstream,
    d.upstream_source,
    d.origin,
    d.grp,
    d.least,
    d.most,
    c.source IS NOT NULL AS seen,
    coalesce(c.whole, FALSE) AS whole,
    coalesce(u.whole, FALSE) AS upstream_whole,
    coalesce(k.known, FALSE) AS known,
    o.source IS NOT NULL AS polled,
    coalesce(g.positioned, FALSE) AS positioned,
    coalesce(e.ended, FALSE) AS ended,
    f.transactions AS listed,
    coalesce(r.named, TRUE) AS named,
    coalesce(r.sequenced, TRUE) AS sequenced
FROM declared AS d
CROSS JOIN facts AS f
LEFT JOIN complete AS c ON c.source = d.source
LEFT JOIN complete AS u ON u.source = d.upstream_source
LEFT JOIN known AS k ON k.place = d.place
LEFT JOIN polled AS o ON o.source = d.source AND o.isolation = d.isolation
LEFT JOIN positioned AS g ON g.source = d.upstream_source AND g.grp = d.grp
LEFT JOIN ended AS e ON e.source = d.source
LEFT JOIN carried AS r ON r.source = d.source;

-- One row per record that an operation tried to send. In a transaction, ok means that its commit returned ok. Outside
-- of one it is the record's own acknowledgement that counts, whatever became of the rest of its operation.
CREATE TABLE sends AS
WITH acknowledged AS (
    SELECT process, n, place, id, min([part, pos]) AS position
    FROM acked
    GROUP BY process, n, place, id
),
tried AS (
    SELECT
        coalesce(a.process, k.process) AS process,
        coalesce(a.n, k.n) AS n,
        coalesce(a.place, k.place) AS source,
        coalesce(a.id, k.id) AS id,
        coalesce(a.after_commit, FALSE) AS after_commit,
        k.process IS NOT NULL AS acknowledged,
        k.position[1] AS part,
        k.position[2] AS pos
    FROM announced AS a
    FULL JOIN acknowledged AS k
        ON k.process = a.process AND k.n = a.n AND k.place = a.place AND k.id IS NOT DISTINCT FROM a.id
)
SELECT
    t.process,
    t.n,
    t.source,
    t.id,
    t.after_commit,
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

-- Ids of the records that processed places are fed with, there or not.
CREATE TABLE fed AS
SELECT l.source, l.id
FROM log AS l
SEMI JOIN places AS p ON p.upstream_source = l.source
UNION
SELECT d.source, d.id
FROM sends AS d
SEMI JOIN places AS p ON p.upstream_source = d.source;

-- Which input each record of a processed place was made from: the record of the same id, since apps copy it. An id of
-- its own stands for the record at the position that it names. Not so the other way round: after a truncation another
-- record may stand at that position.
CREATE VIEW outputs AS
SELECT
    p.place,
    s.part,
    s.pos,
    s.visible,
    CASE WHEN f.id IS NULL THEN coalesce(u.id, s.id) ELSE s.id END AS input,
    CASE WHEN s.src_place = p.upstream_source THEN s.src_part END AS src_part,
    CASE WHEN s.src_place = p.upstream_source THEN s.src_pos END AS src_pos
FROM places AS p
JOIN sightings AS s ON s.place = p.place
LEFT JOIN fed AS f ON f.source = p.upstream_source AND f.id = s.id
LEFT JOIN log AS u
    ON u.source = p.upstream_source AND u.source = s.src_place AND u.part = s.src_part AND u.pos = s.src_pos
WHERE p.upstream IS NOT NULL;

-- The inputs of each processed place, as its group could read them: passed, when the group's committed offset is past
-- them; late, when it is known not to be.
CREATE VIEW inputs AS
SELECT
    p.place,
    s.id,
    s.part,
    s.pos,
    o.committed,
    coalesce(s.pos < o.committed, FALSE) AS passed,
    o.source IS NOT NULL AND coalesce(s.pos >= o.committed, TRUE) AS late
FROM places AS p
JOIN sightings AS s ON s.place = p.upstream AND s.visible
LEFT JOIN offsets AS o ON o.source = p.upstream_source AND o.grp = p.grp AND o.part = s.part;

-- Every id that stands at a place more often than the pipeline says.
CREATE TABLE again AS
WITH counted AS (
    SELECT s.place, s.id, p.most
    FROM sightings AS s
    JOIN places AS p ON p.place = s.place
    WHERE s.visible AND s.id IS NOT NULL
    GROUP BY s.place, s.id, p.most
    HAVING count(*) > p.most
)
SELECT
    s.place,
    p.kind,
    p.source,
    p.upstream,
    p.upstream_source,
    p.most,
    s.id,
    count(*) AS times,
    count(DISTINCT s.producer) AS producers,
    min(s.producer) AS lowest_producer,
    count(DISTINCT s.epoch) AS epochs,
    count(DISTINCT [s.part, s.bseq]) AS sequences,
    count(DISTINCT [s.src_part, s.src_pos]) FILTER (WHERE s.src_pos IS NOT NULL) AS inputs,
    count(DISTINCT s.writer) AS writers,
    list_sort(list(DISTINCT s.writer) FILTER (WHERE s.writer IS NOT NULL)) AS written_by,
    list_sort(list([s.part, s.pos])) AS positions,
    list_sort(list([s.part, s.pos, s.producer, s.epoch, s.bseq])) AS batches
FROM sightings AS s
JOIN places AS p ON p.place = s.place
SEMI JOIN counted AS c ON c.place = s.place AND c.id = s.id
WHERE s.visible
GROUP BY s.place, p.kind, p.source, p.upstream, p.upstream_source, p.most, s.id;

-- … and whether that was so upstream already: each copy is allowed where it has an input of its own.
CREATE TABLE inherited AS
SELECT
    a.place,
    a.id,
    a.times <= a.most * count(*) FILTER (WHERE u.status IN ('plain', 'committed'))
    AND (a.inputs = 0 OR a.times <= a.most * a.inputs) AS from_upstream,
    count(*) FILTER (WHERE u.status = 'aborted') > 0 AND a.times <= a.most * a.inputs AS from_aborted
FROM again AS a
JOIN log AS u ON u.source = a.upstream_source AND u.id = a.id
GROUP BY a.place, a.id, a.times, a.most, a.inputs;

-- Those at topics, and why: first what their batches say, then who tried to send them.
CREATE TABLE repeated AS
WITH tried AS (
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
)
SELECT
    a.place,
    a.id,
    a.positions,
    a.batches,
    CASE
        WHEN u.from_upstream THEN 'it was repeated upstream already'
        WHEN u.from_aborted THEN 'an aborted copy of it was processed too'
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
        WHEN a.lowest_producer < 0 AND t.operations = 1 THEN 'idempotence was off: a retry was stored twice'
        WHEN a.lowest_producer < 0 OR a.producers = 1 THEN 'the evidence does not tell'
        WHEN a.upstream IS NULL THEN 'a restarted producer sent again'
        ELSE 'reprocessed after a restart'
    END AS cause
FROM again AS a
LEFT JOIN tried AS t ON t.source = a.source AND t.id = a.id
LEFT JOIN inherited AS u ON u.place = a.place AND u.id = a.id
WHERE a.kind = 'topic';

-- Every record that a group's committed offset is past, at each of its positions upstream, and that has fewer outputs
-- than it must have, and why. Outputs behind an open transaction count: they may still become visible.
CREATE TABLE shortfalls AS
WITH due AS (
    SELECT
        place,
        id,
        list_sort(list([part, pos])) AS upstream,
        list_sort(list(DISTINCT [part, committed])) AS committed
    FROM inputs
    WHERE id IS NOT NULL
    GROUP BY place, id
    HAVING bool_and(passed)
),
made AS (SELECT place, input AS id, count(*) AS outputs FROM outputs GROUP BY place, input),
short AS (
    SELECT d.place, p.kind, p.source, p.upstream_source, p.known, d.id, d.upstream, d.committed
    FROM due AS d
    JOIN places AS p ON p.place = d.place
    LEFT JOIN made AS m ON m.place = d.place AND m.id = d.id
    WHERE p.whole AND coalesce(m.outputs, 0) < p.least
),
tried AS (
    SELECT
        d.source,
        d.id,
        bool_or(d.outcome = 'ok') AS confirmed,
        bool_or(d.after_commit) AS after_commit
    FROM sends AS d
    SEMI JOIN short AS s ON s.source = d.source AND s.id = d.id
    GROUP BY d.source, d.id
),
fetched AS (
    SELECT s.place, s.id
    FROM short AS s
    JOIN polls AS p ON p.place = s.upstream_source AND p.id = s.id
    JOIN processes AS r ON r.process = p.process
    JOIN writers AS w ON w.place = s.place AND w.app = r.app
    GROUP BY s.place, s.id
)
SELECT
    s.place,
    s.kind,
    s.id,
    s.upstream,
    s.committed,
    CASE
        WHEN t.confirmed THEN 'its output was confirmed, but is not there'
        WHEN t.after_commit THEN 'the offset was committed before the output was written'
        WHEN t.id IS NOT NULL THEN 'the offset was committed although the output was not confirmed'
        WHEN NOT s.known THEN 'the committed offset is past it'
        WHEN f.id IS NOT NULL THEN 'the offset was committed before the output was written'
        ELSE 'the group went past it without reading it'
    END AS cause
FROM short AS s
LEFT JOIN tried AS t ON t.source = s.source AND t.id = s.id
LEFT JOIN fetched AS f ON f.place = s.place AND f.id = s.id;
