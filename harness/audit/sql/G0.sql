-- G0, write cycle: operations wrote over one another in a circle.
--
-- Proof: a cycle of operations that must have happened, each of which wrote what stands directly before a record of the
-- next one in some partition.
-- Not proof: two operations whose records interleave in one partition only in one way; an unknown send that nobody saw.
-- Legal in Kafka, which does not keep writers apart; searched only when asked for.
-- Found at every place that has a part in the cycle.
-- Evidence: operations
-- Judged where: kind = 'topic' AND known
-- Legal where: TRUE
-- Sieve: whole, because it takes the order of all records

WITH members AS (
    SELECT component, list_sort(list(operation)) AS operations
    FROM cycles
    WHERE type = 'G0'
    GROUP BY component
)
SELECT DISTINCT e.place, m.operations[1] AS id, m.operations
FROM edges AS e
JOIN cycles AS a ON a.operation = e.earlier AND a.type = 'G0'
JOIN cycles AS b ON b.operation = e.later AND b.type = 'G0' AND b.component = a.component
JOIN members AS m ON m.component = a.component
WHERE e.kind = 'ww'
