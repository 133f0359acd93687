-- Where one record stands in a topic, with what its batches say.

SELECT part, pos[i] AS pos, status, producer, epoch, CASE WHEN bseq >= 0 THEN bseq + i - 1 END AS sequence, "at"[i] AS stamp
FROM (
    SELECT * REPLACE (json_transform(pos, '["BIGINT"]') AS pos), unnest(range(1, len(id) + 1)) AS i
    FROM read_ndjson(
        getvariable('topic'),
        columns = {
            part: 'BIGINT', pos: 'JSON', id: 'VARCHAR[]', "at": 'BIGINT[]', status: 'VARCHAR',
            producer: 'BIGINT', epoch: 'BIGINT', bseq: 'BIGINT'
        },
        maximum_object_size = 268435456
    )
    WHERE status IS NOT NULL AND list_contains(id, getvariable('record'))
)
WHERE id[i] = getvariable('record')
ORDER BY stamp, part, pos
