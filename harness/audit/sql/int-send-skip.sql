-- int-send-skip: within one operation, records of others stand between two that it sent one after the other.
--
-- Proof: of two sends that follow one another in the operation, neither failed, the second one's record stands more than
-- one rank behind the first one's.
-- Not proof: a record that stands twice or was sent by another operation too, since nobody knows which copy is whose.
-- Kafka does not keep writers apart, so this is legal.
-- Evidence: positions, operations
-- Judged where: kind = 'topic' AND known
-- Legal where: TRUE
-- Sieve: whole, because it takes the order of all records

SELECT place, id, positions, [operation] AS operations
FROM steps_inside
WHERE what = 'send' AND delta > 1
