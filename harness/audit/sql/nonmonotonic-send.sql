-- nonmonotonic-send: a process went on sending to a partition, and what it sent later stands earlier.
--
-- Proof: the record of its next send to the partition does not stand behind that of its last one; both are ok or unknown.
-- Not proof: a record that stands twice or was sent by another operation too, since nobody knows which copy is whose; a
-- process that left the partition out of an assign or subscribe in between; another process.
-- Evidence: positions, operations
-- Judged where: kind = 'topic' AND known
-- Sieve: whole, because it takes the order of all records

SELECT place, id, positions, [operation] AS operations
FROM steps_between
WHERE what = 'send' AND delta < 1
