-- phantom: a record that nobody ever tried to send.
--
-- Proof: it is visible at the place, every writer of the place left a complete ledger, and no operation of any
-- outcome tried to send that id there.
-- Not proof: a place with a writer that has no ledger, or one with a broken ledger.
-- Evidence: positions
-- Judged where: (whole OR NOT final_read) AND known
-- Sieve: records

SELECT s.place, s.id, list_sort(list([s.part, s.pos])) AS positions
FROM sightings AS s
JOIN places AS p ON p.place = s.place
ANTI JOIN sends AS d ON d.source = s.source AND d.id IS NOT DISTINCT FROM s.id
WHERE p.known AND s.visible
GROUP BY s.place, s.id, CASE WHEN s.id IS NULL THEN s.part END, CASE WHEN s.id IS NULL THEN s.pos END
