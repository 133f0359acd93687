-- Rows of records that no consumer could have got.
--
-- Proof: no record of that id is plain or committed in a topic that was read from its first record to its last, nor
-- open, and the topic's end was asked for after the table: what was written meanwhile is in the topic.
-- Not proof: a topic that has lost its beginning, or was compacted: the record may have been there.

SELECT
    t.id,
    list_sort(list(DISTINCT [0, t.pos])) AS positions,
    coalesce(bool_or(r.status = 'aborted'), FALSE) AS aborted
FROM rows AS t
LEFT JOIN records AS r ON r.id = t.id
WHERE t.id IS NOT NULL
GROUP BY t.id
HAVING coalesce(bool_and(r.status = 'aborted'), TRUE)
