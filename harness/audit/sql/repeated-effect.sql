-- repeated-effect: one record had its effect on a service or mailbox more often than the pipeline says.
--
-- Proof: more than `most` calls or messages that were accepted carry one id.
-- Not proof: a call that the service answered from its memory of an earlier one, by its idempotency key.
-- Evidence: positions, made_by, idempotency_keys, cause
-- Judged where: kind IN ('service', 'mailbox') AND whole
-- Sieve: records

WITH keyed AS (
    SELECT
        s.place,
        s.id,
        list_sort(list(DISTINCT s.idempotency_key) FILTER (WHERE s.idempotency_key IS NOT NULL)) AS idempotency_keys,
        count(s.idempotency_key) > count(DISTINCT s.idempotency_key) AS forgotten
    FROM sightings AS s
    SEMI JOIN again AS a ON a.place = s.place AND a.id = s.id
    GROUP BY s.place, s.id
)
SELECT
    a.place,
    a.id,
    a.positions,
    a.written_by AS made_by,
    k.idempotency_keys,
    CASE
        WHEN u.from_upstream THEN 'it was repeated upstream already'
        WHEN u.from_aborted THEN 'an aborted copy of it was processed too'
        WHEN k.forgotten THEN 'the service accepted one idempotency key twice'
        WHEN w.instances > 1 THEN 'called again by another instance'
        WHEN a.writers > 1 THEN 'called again after a restart'
        WHEN a.writers = 1 THEN 'called again by the same process'
        ELSE 'the evidence does not tell'
    END AS cause
FROM again AS a
JOIN keyed AS k ON k.place = a.place AND k.id = a.id
LEFT JOIN doers AS w ON w.place = a.place AND w.id = a.id
LEFT JOIN inherited AS u ON u.place = a.place AND u.id = a.id
WHERE a.kind IN ('service', 'mailbox')
