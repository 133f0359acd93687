-- unseen: a record was confirmed to its sender, and no poll ever returned it.
--
-- Proof: its send is ok, nobody was to read the topic when all was over, and no ok poll returned it by then. Whether it
-- is late or lost is not told; where later records were polled, it is a lost-write too.
-- Not proof: an unknown send; a poll that is not ok, since what it returned may never have been worked on.
-- Evidence: acknowledged
-- Judged where: kind = 'topic' AND NOT final_read AND known
-- Sieve: records

SELECT
    p.place,
    d.id,
    list_sort(list(DISTINCT [d.part, d.pos]) FILTER (WHERE d.pos >= 0)) AS acknowledged
FROM places AS p
JOIN sends AS d ON d.source = p.source AND d.outcome = 'ok'
ANTI JOIN (SELECT source, id FROM reads WHERE outcome = 'ok') AS r ON r.source = d.source AND r.id = d.id
WHERE p.kind = 'topic' AND NOT p.final_read AND d.id IS NOT NULL
GROUP BY p.place, d.id
