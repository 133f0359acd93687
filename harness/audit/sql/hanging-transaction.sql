-- hanging-transaction: a transaction that nobody ends, so that read_committed consumers wait behind it for ever.
--
-- Proof: it is still open at the end and older than its own timeout; or the last stable offset of a partition is
-- below its end, and no open transaction that could still time out accounts for it.
-- Not proof: an open transaction within its timeout.
-- Judged where: kind = 'topic' AND isolation = 'read_committed' AND ended

SELECT
    p.place,
    coalesce(t.transactional_id, concat('producer ', CAST(t.producer AS VARCHAR))) AS id,
    list_sort(list([t.part, t.first_pos])) AS positions,
    max(t.producer) AS producer,
    max(t.epoch) AS epoch,
    max(t.age_ms) AS age_ms,
    max(t.timeout_ms) AS timeout_ms
FROM open_txns AS t
JOIN places AS p ON p.source = t.place
WHERE p.isolation = 'read_committed' AND coalesce(t.age_ms > t.timeout_ms, TRUE)
GROUP BY p.place, t.transactional_id, t.producer, t.epoch
UNION ALL
SELECT
    p.place,
    concat('partition ', CAST(e.part AS VARCHAR)) AS id,
    list_sort(list([e.part, e.stable])) AS positions,
    NULL AS producer,
    NULL AS epoch,
    NULL AS age_ms,
    NULL AS timeout_ms
FROM ends AS e
JOIN places AS p ON p.source = e.source
ANTI JOIN open_txns AS t ON t.place = e.source AND t.part = e.part
WHERE p.isolation = 'read_committed' AND e.stable < e.high
GROUP BY p.place, e.part
