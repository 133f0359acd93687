-- hanging-transaction: a transaction that nobody ends, so that read_committed consumers wait behind it for ever.
--
-- Proof: the last stable offset of a partition is below its end, and a transaction is open there that no coordinator
-- knows (it has no timeout), or that is older than its timeout by more than the 10 s after which a coordinator looks
-- again at the latest; or no open transaction accounts for it at all.
-- Not proof: an open transaction that its coordinator will still abort.
-- Evidence: positions, producer, epoch, age_ms, timeout_ms
-- Judged where: kind = 'topic' AND isolation = 'read_committed' AND ended AND listed
-- Sieve: records

WITH blocked AS (
    SELECT p.place, e.source, e.part, e.stable
    FROM ends AS e
    JOIN places AS p ON p.source = e.source
    WHERE p.kind = 'topic' AND p.isolation = 'read_committed' AND p.listed AND e.stable < e.high
)
SELECT
    b.place,
    coalesce(t.transactional_id, concat('producer ', CAST(t.producer AS VARCHAR))) AS id,
    list_sort(list(DISTINCT [t.part, t.first_pos]) FILTER (WHERE t.first_pos IS NOT NULL)) AS positions,
    t.producer,
    t.epoch,
    max(t.age_ms) AS age_ms,
    max(t.timeout_ms) AS timeout_ms
FROM open_txns AS t
JOIN blocked AS b ON b.source = t.place AND b.part = t.part
WHERE t.timeout_ms IS NULL OR greatest(t.age_ms, 0) - 10000 > t.timeout_ms
GROUP BY b.place, t.transactional_id, t.producer, t.epoch
UNION ALL
SELECT
    b.place,
    concat('partition ', CAST(b.part AS VARCHAR)) AS id,
    list_sort(list([b.part, b.stable])) AS positions,
    NULL AS producer,
    NULL AS epoch,
    NULL AS age_ms,
    NULL AS timeout_ms
FROM blocked AS b
ANTI JOIN open_txns AS t ON t.place = b.source AND t.part = b.part
GROUP BY b.place, b.part
