-- nonmonotonic-poll: a process went on reading a partition, and got a record again.
--
-- Proof: the first record of its next poll of the partition, of any outcome, does not stand behind the last one of its
-- last ok poll.
-- Not proof: a poll that is not ok before, since nobody worked on it; a process to which the partition was handed out
-- anew, or that had left it out of an assign or subscribe, in between; another process. Legal under subscribe, or where
-- nobody knows how it came to the partition: a rebalance may rewind it.
-- Evidence: positions, means, polled_by
-- Judged where: kind = 'topic' AND polled
-- Legal where: means IS DISTINCT FROM 'assign'
-- Sieve: whole, because it takes the order of all records

SELECT place, id, positions, means, operation AS polled_by
FROM steps_between
WHERE what = 'poll' AND delta < 1
