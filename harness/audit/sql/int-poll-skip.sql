-- int-poll-skip: within one operation, polls went from one record of a partition to another and left one out.
--
-- Proof: of two records that follow one another in the operation's polls, of any outcome, the second one stands more
-- than one rank behind the first among the positions that are known to hold something.
-- Not proof: a hole in the offsets; an operation whose own rebalance handed the partition out anew.
-- Evidence: positions, polled_by
-- Judged where: kind = 'topic' AND polled
-- Sieve: whole, because it takes the order of all records

SELECT place, id, positions, operation AS polled_by
FROM steps_inside
WHERE what = 'poll' AND delta > 1
