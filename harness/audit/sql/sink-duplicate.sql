-- sink-duplicate: one record in more rows of a table than the pipeline says.
--
-- Proof: more rows than `most` carry one id.
-- Not proof: a row that was written again in place (an upsert).
-- Evidence: positions, written_by, cause
-- Judged where: kind = 'table' AND whole
-- Sieve: records

SELECT
    a.place,
    a.id,
    a.positions,
    a.written_by,
    CASE
        WHEN u.from_upstream THEN 'it was repeated upstream already'
        WHEN u.from_aborted THEN 'an aborted copy of it was processed too'
        WHEN w.instances > 1 THEN 'processed again by another instance: the rows were committed, the offset was not'
        WHEN a.writers > 1 THEN 'processed again after a restart: the rows were committed, the offset was not'
        WHEN a.writers = 1 THEN 'processed again by the same process'
        WHEN NOT p.ledgered AND (a.inputs = 1 OR NOT u.from_upstream)
            THEN 'delivered again by an app without a ledger, such as a connector'
        ELSE 'the evidence does not tell'
    END AS cause
FROM again AS a
JOIN places AS p ON p.place = a.place
LEFT JOIN doers AS w ON w.place = a.place AND w.id = a.id
LEFT JOIN inherited AS u ON u.place = a.place AND u.id = a.id
WHERE a.kind = 'table'
