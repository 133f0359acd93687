-- The tables that every type of anomaly reads, made from what was loaded (harness/audit/evidence.py) and from what is
-- known of all of it (_facts.sql).
--
-- A position is (part, pos): partition and offset of a topic, 0 and row number of a table. A send names its source.

CREATE VIEW log AS
SELECT s.*
FROM sighted AS s
ANTI JOIN clashes AS c ON c.source = s.source AND c.part = s.part AND c.pos = s.pos;

-- Operations that never ended are unknown.
CREATE TABLE operations AS
SELECT b.process, b.n, b.kind, b.txn, coalesce(e.outcome, 'unknown') AS outcome
FROM begun AS b
LEFT JOIN ended AS e ON e.process = b.process AND e.n = b.n;

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
        a.line,
        a.step,
        a.idx,
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
    t.line,
    t.step,
    t.idx,
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

-- Records that one send alone, of those that may have happened, tried to put into a source: what becomes of the record
-- became of that send.
CREATE VIEW sole AS
SELECT source, id
FROM sends
WHERE outcome <> 'failed' AND id IS NOT NULL
GROUP BY source, id
HAVING count(*) = 1;

-- What polls of every outcome returned, at the view of the topic that the reader has.
CREATE VIEW reads AS
SELECT p.place, p.source, l.part, l.pos, l.id, l.process, l.n, l.line, l.step, l.idx, o.outcome, o.txn
FROM polls AS l
JOIN processes AS r ON r.process = l.process
JOIN places AS p ON p.source = l.place AND p.isolation = coalesce(r.isolation, 'read_uncommitted')
JOIN operations AS o ON o.process = l.process AND o.n = l.n
WHERE p.kind = 'topic';

-- Sends that must have happened: those that are ok, and unknown ones of which an ok poll returned what only they can
-- have written. Of a transaction one record is enough, if a read_committed consumer got it.
CREATE VIEW durable AS
WITH shown AS (
    SELECT d.process, d.n, d.source, d.id, d.txn, bool_or(p.isolation = 'read_committed') AS committed
    FROM sends AS d
    JOIN sole AS s ON s.source = d.source AND s.id = d.id
    JOIN reads AS r ON r.source = d.source AND r.id = d.id AND r.outcome = 'ok'
    JOIN places AS p ON p.place = r.place
    WHERE d.outcome = 'unknown'
    GROUP BY d.process, d.n, d.source, d.id, d.txn
)
SELECT d.process, d.n, d.source, d.id, d.part, d.pos
FROM sends AS d
LEFT JOIN (SELECT DISTINCT process, n FROM shown WHERE txn IS NOT NULL AND committed) AS t
    ON t.process = d.process AND t.n = d.n
LEFT JOIN (SELECT process, n, source, id FROM shown WHERE txn IS NULL) AS r
    ON r.process = d.process AND r.n = d.n AND r.source = d.source AND r.id = d.id
WHERE d.outcome = 'ok' OR (d.outcome = 'unknown' AND (t.n IS NOT NULL OR r.n IS NOT NULL));

-- What stood at each place when all was over. Not visible: what a read_committed consumer does not get yet, because it
-- stands behind an open transaction; it may still come, so it is never called lost. A call that a service answered from
-- its memory of an earlier one had no effect.
CREATE VIEW remaining AS
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
    l.intact,
    l.idempotency_key,
    p.isolation IS DISTINCT FROM 'read_committed'
    OR (l.status <> 'open' AND (e.stable IS NULL OR l.pos < e.stable)) AS visible
FROM places AS p
JOIN log AS l ON l.source = p.source
LEFT JOIN ends AS e ON e.source = l.source AND e.part = l.part
WHERE
    (p.isolation IS DISTINCT FROM 'read_committed' OR l.status <> 'aborted')
    AND l.accepted IS DISTINCT FROM FALSE;

-- What is known to stand, or to have stood, at each view of a topic: what its readers polled, what must have been
-- written where its acknowledgement says, and what was there in the end.
CREATE TABLE occupied AS
SELECT place, part, pos, id
FROM reads
WHERE pos >= 0
UNION
SELECT p.place, d.part, d.pos, d.id
FROM durable AS d
JOIN places AS p ON p.source = d.source
WHERE p.kind = 'topic' AND d.pos >= 0 AND d.part IS NOT NULL
UNION
SELECT r.place, r.part, r.pos, r.id
FROM remaining AS r
JOIN places AS p ON p.place = r.place
WHERE p.kind = 'topic' AND r.visible;

-- What was seen at each place: what stood there in the end, or what is known of it where nobody looked then.
CREATE VIEW sightings AS
SELECT *
FROM remaining
UNION ALL
SELECT
    p.place,
    p.source,
    o.part,
    o.pos,
    o.id,
    NULL AS key,
    NULL AS seq,
    NULL AS src_place,
    NULL AS src_part,
    NULL AS src_pos,
    NULL AS txn,
    NULL AS status,
    NULL AS producer,
    NULL AS epoch,
    NULL AS bseq,
    NULL AS writer,
    NULL AS intact,
    NULL AS idempotency_key,
    TRUE AS visible
FROM places AS p
JOIN occupied AS o ON o.place = p.place
WHERE NOT p.final_read;

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
    count(DISTINCT s.idempotency_key) AS idempotency_keys,
    list_sort(list(DISTINCT s.writer) FILTER (WHERE s.writer IS NOT NULL)) AS written_by,
    list_sort(list([s.part, s.pos])) AS positions,
    list_sort(list([s.part, s.pos, s.producer, s.epoch, s.bseq]) FILTER (WHERE s.producer IS NOT NULL)) AS batches
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
        WHEN a.upstream IS NOT NULL AND NOT p.ledgered AND (a.inputs = 1 OR NOT u.from_upstream)
            THEN 'delivered again by an app without a ledger, such as a connector'
        WHEN coalesce(a.lowest_producer, -1) < 0 OR a.producers = 1 THEN 'the evidence does not tell'
        WHEN a.upstream IS NULL THEN 'a restarted producer sent again'
        ELSE 'reprocessed after a restart'
    END AS cause
FROM again AS a
JOIN places AS p ON p.place = a.place
LEFT JOIN tried AS t ON t.source = a.source AND t.id = a.id
LEFT JOIN inherited AS u ON u.place = a.place AND u.id = a.id
WHERE a.kind = 'topic';

-- Rows of tables by their sinks' instances, calls by those who made them: who did it more than once.
CREATE VIEW doers AS
SELECT s.place, s.id, count(DISTINCT [r.app, CAST(r.instance AS VARCHAR)]) AS instances
FROM sightings AS s
SEMI JOIN again AS a ON a.place = s.place AND a.id = s.id
JOIN processes AS r ON r.process = s.writer
GROUP BY s.place, s.id;

-- Every record that a group's committed offset is past, at each of its positions upstream, and that has fewer visible
-- outputs than it must have, and why. It is lost, unless outputs behind an open transaction make up for it, which may
-- still become visible. A row that was overwritten since was written.
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
made AS (
    SELECT
        place,
        id,
        count(*) AS outputs,
        count(*) FILTER (WHERE visible) AS visible,
        list_sort(list([part, pos]) FILTER (WHERE NOT visible)) AS waiting
    FROM (
        SELECT place, input AS id, visible, part, pos FROM outputs
        UNION ALL
        -- It had a row, until another record of its key was written over it. A row that is merely gone is a loss.
        SELECT p.place, h.over_id AS id, TRUE AS visible, NULL AS part, NULL AS pos
        FROM history AS h
        JOIN places AS p ON p.source = h.source
        WHERE h.over_id IS DISTINCT FROM h.id
    )
    GROUP BY place, id
),
short AS (
    SELECT
        d.place,
        p.kind,
        p.source,
        p.upstream_source,
        p.known,
        d.id,
        d.upstream,
        d.committed,
        m.waiting,
        coalesce(m.outputs, 0) < p.least AS lost
    FROM due AS d
    JOIN places AS p ON p.place = d.place
    LEFT JOIN made AS m ON m.place = d.place AND m.id = d.id
    WHERE p.whole AND coalesce(m.visible, 0) < p.least
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
undone AS (
    SELECT l.source, l.id, list_sort(list([l.part, l.pos])) AS aborted
    FROM log AS l
    SEMI JOIN short AS s ON s.source = l.source AND s.id = l.id
    WHERE l.status = 'aborted'
    GROUP BY l.source, l.id
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
    s.lost,
    s.upstream,
    s.committed,
    s.waiting,
    u.aborted,
    CASE
        WHEN t.confirmed AND u.id IS NOT NULL THEN 'its output was confirmed, but the log says it was aborted'
        WHEN t.confirmed THEN 'its output was confirmed, but is not there'
        WHEN t.after_commit THEN 'the offset was committed before the output was written'
        WHEN u.id IS NOT NULL THEN 'its output was aborted, and the offset went past it all the same'
        WHEN t.id IS NOT NULL THEN 'the offset was committed although the output was not confirmed'
        WHEN NOT s.known THEN 'the committed offset is past it'
        WHEN f.id IS NOT NULL THEN 'the offset was committed before the output was written'
        ELSE 'the group went past it without reading it'
    END AS cause
FROM short AS s
LEFT JOIN tried AS t ON t.source = s.source AND t.id = s.id
LEFT JOIN undone AS u ON u.source = s.source AND u.id = s.id
LEFT JOIN fetched AS f ON f.place = s.place AND f.id = s.id;

-- Which instance of which app sent a record first of all.
CREATE VIEW senders AS
SELECT d.source, d.id, min(concat(r.app, '#', CAST(r.instance AS VARCHAR))) AS sender
FROM sends AS d
JOIN processes AS r ON r.process = d.process
SEMI JOIN places AS p ON p.origin = d.source
WHERE d.id IS NOT NULL
GROUP BY d.source, d.id;
