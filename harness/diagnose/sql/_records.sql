-- What both queries below read: the sightings of the topic that feeds the table, and of the table.

CREATE VIEW records AS
SELECT part, unnest(json_transform(pos, '["BIGINT"]')) AS pos, unnest(id) AS id, status
FROM read_ndjson(
    getvariable('topic'),
    columns = {part: 'BIGINT', pos: 'JSON', id: 'VARCHAR[]', status: 'VARCHAR'},  -- of a marker it is no array
    maximum_object_size = 268435456
)
WHERE status IS NOT NULL;

CREATE VIEW rows AS
SELECT unnest("row") AS pos, unnest(id) AS id
FROM read_ndjson(
    getvariable('table'),
    columns = {"row": 'BIGINT[]', id: 'VARCHAR[]'},
    maximum_object_size = 268435456
)
WHERE "row" IS NOT NULL;
