-- precommitted-read: a transaction read what it had written itself, before it was committed.
--
-- Proof: a poll inside of a transaction's operation, whatever its outcome, returned a record that the same operation
-- sends, and that no other operation may have sent.
-- Not proof: an operation outside of any transaction, whose sends are visible at once; a record that an earlier attempt
-- may have committed. Legal for a read_uncommitted consumer: that is what the level means.
-- Evidence: positions, operations
-- Judged where: kind = 'topic' AND polled
-- Legal where: isolation = 'read_uncommitted'
-- Sieve: whole, because it takes a single record that stands where it should

SELECT
    r.place,
    r.id,
    list_sort(list(DISTINCT [r.part, r.pos])) AS positions,
    list_sort(list(DISTINCT concat(r.process, ':', CAST(r.n AS VARCHAR)))) AS operations
FROM reads AS r
JOIN sends AS d ON d.process = r.process AND d.n = r.n AND d.source = r.source AND d.id = r.id
JOIN sole AS s ON s.source = d.source AND s.id = d.id
WHERE r.txn IS NOT NULL
GROUP BY r.place, r.id
