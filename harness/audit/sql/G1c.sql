-- G1c, circular information flow: operations read from one another in a circle.
--
-- Proof: a cycle of operations that must have happened, each of which wrote what stands directly before a record of the
-- next one, or what a poll of the next one returned; at least one such poll.
-- Not proof: a cycle of writes alone (see G0); an unknown operation of which nobody read anything.
-- Legal in Kafka, which does not keep writers apart; searched only when asked for.
-- Found at every place that has a part in the cycle.
-- Evidence: operations
-- Judged where: kind = 'topic' AND known AND polled
-- Legal where: TRUE
-- Sieve: whole, because it takes the order of all records

WITH members AS (
    SELECT component, list_sort(list(operation)) AS operations
    FROM cycles
    WHERE type = 'G1c'
    GROUP BY component
)
SELECT DISTINCT e.place, m.operations[1] AS id, m.operations
FROM edges AS e
JOIN cycles AS a ON a.operation = e.earlier AND a.type = 'G1c'
JOIN cycles AS b ON b.operation = e.later AND b.type = 'G1c' AND b.component = a.component
JOIN members AS m ON m.component = a.component
