-- duplicate: one record at more than one position of a topic.
--
-- Proof: the same id is visible at two positions of one place.
-- Not proof: the same id at two places, or once committed and once aborted (a read_committed consumer gets it once).
-- Judged where: kind = 'topic' AND seen

SELECT place, id, positions, cause
FROM repeated
