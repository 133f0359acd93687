-- poll-skip: a process went on reading a partition, and left a record out.
--
-- Proof: from the last record of its last ok poll of the partition to the first one of its next poll, of any outcome, is
-- more than one rank among the positions that are known to hold something.
-- Not proof: a hole in the offsets; a process to which the partition was handed out anew, or that had left it out of an
-- assign or subscribe, in between; another process. Legal under subscribe, or where nobody knows how it came to the
-- partition: a rebalance may move it on.
-- Evidence: positions, means, polled_by
-- Judged where: kind = 'topic' AND polled
-- Legal where: means IS DISTINCT FROM 'assign'
-- Sieve: whole, because it takes the order of all records

SELECT place, id, positions, means, operation AS polled_by
FROM steps_between
WHERE what = 'poll' AND delta > 1
