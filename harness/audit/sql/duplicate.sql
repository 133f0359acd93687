-- duplicate: one record at more than one position of a topic.
--
-- Proof: the same id is visible at two positions of one place; with a fan-out, at more than `most`.
-- Not proof: the same id at two places, or once committed and once aborted (a read_committed consumer gets it once).
-- Evidence: positions, batches, cause
-- Judged where: kind = 'topic' AND (whole OR NOT final_read)
-- Sieve: records

SELECT place, id, positions, batches, cause
FROM repeated
