-- orphan-effect: an effect outside of Kafka whose record was never committed in Kafka.
--
-- Proof: the record that it was made from stands upstream, aborted, and nowhere else there; or each call that stands for
-- the effect, itself and those answered from its idempotency key, was made in a transaction that was not committed. A
-- transaction was not, when its operation failed; or when the topics it announced records to were read whole and show
-- no more committed transactions of its name than others are known to have committed.
-- Not proof: an effect whose replay is of a committed transaction; a transaction that is open, or ended unknown and left
-- no record to tell.
-- Evidence: positions, made_by, transactions, upstream
-- Judged where: kind <> 'topic' AND whole AND upstream_whole AND known
-- Sieve: records

WITH
calls AS (
    SELECT p.place, l.pos, l.id, l.txn, l.writer, l.idempotency_key, coalesce(l.accepted, TRUE) AS accepted
    FROM places AS p
    JOIN log AS l ON l.source = p.source
    WHERE p.kind <> 'topic' AND l.id IS NOT NULL
),
standing AS (
    SELECT place, pos, id, txn, writer
    FROM calls
    WHERE accepted
    UNION ALL
    SELECT e.place, e.pos, e.id, r.txn, r.writer
    FROM calls AS e
    JOIN calls AS r ON r.place = e.place AND r.idempotency_key = e.idempotency_key AND NOT r.accepted
    WHERE e.accepted
),
announced_to AS (
    SELECT d.process, d.n, d.txn, bool_and(p.whole AND p.named) AS readable
    FROM sends AS d
    JOIN places AS p ON p.source = d.source
    WHERE d.txn IS NOT NULL AND p.isolation = 'read_committed'
    GROUP BY d.process, d.n, d.txn
),
landed AS (
    SELECT txn, count(DISTINCT [producer, epoch]) AS times
    FROM log
    WHERE txn IS NOT NULL AND status IN ('committed', 'open')
    GROUP BY txn
),
confirmed AS (
    SELECT txn, count(*) AS times
    FROM (
        SELECT DISTINCT d.txn, d.process, d.n
        FROM sends AS d
        JOIN log AS l ON l.source = d.source AND l.id = d.id AND l.txn = d.txn AND l.status = 'committed'
        WHERE d.outcome = 'ok'
    )
    GROUP BY txn
),
undone AS (
    SELECT o.process, o.txn
    FROM operations AS o
    LEFT JOIN announced_to AS a ON a.process = o.process AND a.n = o.n
    LEFT JOIN landed AS l ON l.txn = o.txn
    LEFT JOIN confirmed AS c ON c.txn = o.txn
    WHERE
        o.txn IS NOT NULL
        AND (
            o.outcome = 'failed'
            OR (o.outcome = 'unknown' AND a.readable AND coalesce(l.times, 0) <= coalesce(c.times, 0))
        )
),
untied AS (
    SELECT
        s.place,
        s.pos,
        s.id,
        list_sort(list(DISTINCT s.txn) FILTER (WHERE s.txn IS NOT NULL)) AS transactions,
        list_sort(list(DISTINCT s.writer) FILTER (WHERE s.writer IS NOT NULL)) AS made_by,
        bool_and(u.txn IS NOT NULL) AS undone
    FROM standing AS s
    LEFT JOIN undone AS u ON u.process = s.writer AND u.txn = s.txn
    GROUP BY s.place, s.pos, s.id
),
fates AS (
    SELECT
        o.place,
        o.pos,
        bool_and(l.status = 'aborted') AS aborted,
        list_sort(list(DISTINCT [l.part, l.pos]) FILTER (WHERE l.status = 'aborted')) AS upstream
    FROM outputs AS o
    JOIN places AS p ON p.place = o.place
    JOIN log AS l ON l.source = p.upstream_source AND l.id = o.input
    WHERE p.kind <> 'topic' AND p.upstream_whole
    GROUP BY o.place, o.pos
)
SELECT
    e.place,
    e.id,
    list_sort(list([0, e.pos])) AS positions,
    min(e.made_by) AS made_by,
    min(e.transactions) AS transactions,
    min(f.upstream) AS upstream
FROM untied AS e
LEFT JOIN fates AS f ON f.place = e.place AND f.pos = e.pos
WHERE e.undone OR f.aborted
GROUP BY e.place, e.id
