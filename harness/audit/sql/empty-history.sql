-- empty-history: there is nothing to judge.
--
-- Proof: no operation that may have happened sent anything to any of the places, and no poll returned anything from one.
-- Not proof: one place of several that nobody sent to. It is no defect of the pipeline, but the run is inconclusive.
-- Evidence: operations
-- Judged where: TRUE
-- Legal where: TRUE
-- Sieve: records

SELECT
    p.place,
    NULL AS id,
    (SELECT list_sort(list(concat(process, ':', CAST(n AS VARCHAR)))) FROM operations) AS operations
FROM places AS p
WHERE
    NOT EXISTS (SELECT 1 FROM sent AS d SEMI JOIN places AS q ON q.source = d.source)
    AND NOT EXISTS (SELECT 1 FROM polls AS l SEMI JOIN places AS q ON q.source = l.place)
