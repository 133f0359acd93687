-- int-nonmonotonic-send: within one operation, what was sent later stands earlier.
--
-- Proof: of two sends to one partition that follow one another in the operation, neither failed, the second one's record
-- does not stand behind the first one's.
-- Not proof: a record that stands twice or was sent by another operation too, since nobody knows which copy is whose;
-- records in two partitions.
-- Evidence: positions, operations
-- Judged where: kind = 'topic' AND known
-- Sieve: whole, because it takes the order of all records

SELECT place, id, positions, [operation] AS operations
FROM steps_inside
WHERE what = 'send' AND delta < 1
