-- int-nonmonotonic-poll: within one operation, polls of a partition went back or returned a record again.
--
-- Proof: of two records that follow one another in the operation's polls, of any outcome, the second one does not stand
-- behind the first.
-- Not proof: a record that stands twice and is polled at each of its positions; an operation whose own rebalance handed
-- the partition out anew.
-- Evidence: positions, polled_by
-- Judged where: kind = 'topic' AND polled
-- Sieve: whole, because it takes the order of all records

SELECT place, id, positions, operation AS polled_by
FROM steps_inside
WHERE what = 'poll' AND delta < 1
