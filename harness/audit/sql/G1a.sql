-- G1a, aborted read: a consumer got a record that was never committed.
--
-- Proof: a poll that is ok returned the record at a position whose transaction ended with an ABORT marker; or it
-- returned an id whose every send failed, and all that could have sent it left complete ledgers.
-- Not proof: the same id aborted at one position and polled at another, where a retry committed it; an unknown send.
-- Found at `invoices` when a read_committed consumer did it, at `invoices@read_uncommitted`, where it is legal, when
-- one of that level did.
-- Evidence: positions, polled_by
-- Judged where: kind = 'topic' AND (whole OR NOT final_read) AND polled
-- Sieve: records
-- Legal where: isolation = 'read_uncommitted'

SELECT
    p.place,
    l.id,
    list_sort(list(DISTINCT [l.part, l.pos])) AS positions,
    list_sort(list(DISTINCT concat(l.process, ':', CAST(l.n AS VARCHAR)))) AS polled_by
FROM places AS p
JOIN processes AS r ON coalesce(r.isolation, 'read_uncommitted') = p.isolation
JOIN polls AS l ON l.process = r.process AND l.place = p.source
JOIN operations AS o ON o.process = l.process AND o.n = l.n AND o.outcome = 'ok'
LEFT JOIN log AS a
    ON
        a.source = p.source AND a.part = l.part AND a.pos = l.pos AND a.id IS NOT DISTINCT FROM l.id
        AND a.status = 'aborted'
LEFT JOIN (
    SELECT source, id
    FROM sends
    GROUP BY source, id
    HAVING bool_and(outcome = 'failed')
) AS f ON f.source = p.source AND f.id = l.id
WHERE p.kind = 'topic' AND (a.source IS NOT NULL OR (p.known AND f.id IS NOT NULL))
GROUP BY p.place, l.id, CASE WHEN l.id IS NULL THEN l.part END, CASE WHEN l.id IS NULL THEN l.pos END
