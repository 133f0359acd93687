-- Records that a consumer gets and that no row has.
--
-- Proof: the id is plain or committed in the topic, and the table, asked before the topic's end offsets were, has no
-- row of it.
-- Not proof that it is lost: it may be late. Only the position of the group that writes the rows tells (sink-loss).

SELECT r.id, list_sort(list([r.part, r.pos])) AS positions
FROM records AS r
ANTI JOIN rows AS t ON t.id = r.id
WHERE r.status IN ('plain', 'committed') AND r.id IS NOT NULL
GROUP BY r.id
