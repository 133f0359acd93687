-- What has to be known of the whole evidence, and is small: where absence proves something, and what each place is.
--
-- `source` is what was read: one topic or table. A `place` is a view of it: `invoices` shows what a read_committed
-- consumer gets, `invoices@read_uncommitted` everything. Everything here costs one scan, however many records there
-- are; what goes by the record is in _tables.sql, which may be given a part of them alone (harness/audit/sieve.py).

-- Positions that the sightings fill more than once. What stands there is not known, so nothing is said of them.
-- Blocks of 32 positions that hold more records than positions are found first, since they are few.
CREATE TABLE clashes AS
WITH crowded AS (
    SELECT source, part, pos >> 5 AS block
    FROM sighted
    GROUP BY source, part, pos >> 5
    HAVING count(*) > bit_count(bit_or(CAST(1 AS BIGINT) << CAST(pos & 31 AS INTEGER)))
)
SELECT s.source, s.part, s.pos
FROM sighted AS s
SEMI JOIN crowded AS c ON c.source = s.source AND c.part = s.part AND c.block = s.pos >> 5
GROUP BY s.source, s.part, s.pos
HAVING count(*) > 1;

-- Sources that a ledger tells of a send to which did not certainly fail.
CREATE TABLE sent AS
SELECT a.place AS source
FROM (SELECT DISTINCT process, n, place FROM announced) AS a
LEFT JOIN ended AS e ON e.process = a.process AND e.n = a.n
WHERE e.outcome IS DISTINCT FROM 'failed'
UNION
SELECT place AS source FROM acked;

-- What is known of the ends of each partition.
CREATE TABLE ends AS
SELECT place AS source, part, max(low) AS low, min(stable) AS stable, max(high) AS high
FROM positions
GROUP BY place, part;

-- Committed offsets of groups. NULL: the group never committed one there.
CREATE TABLE offsets AS
SELECT place AS source, grp, part, min(committed) AS committed
FROM positions
WHERE grp IS NOT NULL
GROUP BY place, grp, part;

-- One row per place, with what may be concluded there:
--   seen            it was read
--   whole           from its beginning to its end, so that absence proves something
--   upstream_whole  the same of the place it is fed from
--   known           every writer left a complete ledger: a record no ledger speaks of was sent by nobody
--   ledgered        at least one of them left a ledger
--   final_read      it was to be read when all was over; else what was polled and acknowledged is all there is
--   polled          somebody with a ledger read it at this isolation level (Kafka's default where none is told)
--   positioned      the offsets of its group are known in every partition upstream
--   ended           the ends of all its partitions are known
--   listed          so are the transactions that were open at the end
--   named           its records of transactions carry the transaction's name
--   sequenced       its records with a key carry a sequence
--   checked         its records carry a checksum
--   historied       it is a table, and every write to a key's row is known
CREATE TABLE places AS
WITH
readable AS (
    SELECT s.*
    FROM sighted AS s
    ANTI JOIN clashes AS c ON c.source = s.source AND c.part = s.part AND c.pos = s.pos
),
partitions AS (
    SELECT source, part FROM readable
    UNION
    SELECT source, part FROM ends
),
complete AS (
    SELECT s.source, s.whole AND c.source IS NULL AND t.source IS NULL AS whole
    FROM sources AS s
    LEFT JOIN (SELECT DISTINCT source FROM clashes) AS c ON c.source = s.source
    LEFT JOIN (SELECT DISTINCT source FROM ends WHERE low > 0) AS t ON t.source = s.source
),
ledgers AS (SELECT app, bool_and(whole) AS whole FROM processes GROUP BY app),
known AS (
    SELECT
        w.place,
        bool_and(f.ledgers AND coalesce(l.whole, FALSE)) AS known,
        bool_or(l.app IS NOT NULL) AS ledgered
    FROM writers AS w
    CROSS JOIN facts AS f
    LEFT JOIN ledgers AS l ON l.app = w.app
    GROUP BY w.place
),
polled AS (
    SELECT DISTINCT p.place AS source, coalesce(r.isolation, 'read_uncommitted') AS isolation
    FROM (SELECT DISTINCT process, n, place FROM polls) AS p
    JOIN ended AS e ON e.process = p.process AND e.n = p.n AND e.outcome = 'ok'
    JOIN processes AS r ON r.process = p.process
),
positioned AS (
    SELECT g.source, g.grp, bool_and(o.source IS NOT NULL) AS positioned
    FROM (SELECT DISTINCT source, grp FROM offsets) AS g
    JOIN partitions AS p ON p.source = g.source
    LEFT JOIN offsets AS o ON o.source = g.source AND o.grp = g.grp AND o.part = p.part
    GROUP BY g.source, g.grp
),
bounded AS (
    SELECT p.source, bool_and(e.source IS NOT NULL) AS ended
    FROM partitions AS p
    LEFT JOIN ends AS e ON e.source = p.source AND e.part = p.part
    GROUP BY p.source
),
carried AS (
    SELECT
        source,
        bool_and(txn IS NOT NULL OR status = 'plain') AS named,
        bool_and(seq IS NOT NULL OR key IS NULL) AS sequenced,
        bool_and(intact IS NOT NULL) AS checked
    FROM readable
    GROUP BY source
)
SELECT
    d.place,
    d.kind,
    d.isolation,
    d.source,
    d.upstream,
    d.upstream_source,
    d.origin,
    d.grp,
    d.least,
    d.most,
    c.source IS NOT NULL AS seen,
    coalesce(c.whole, FALSE) AS whole,
    coalesce(u.whole, FALSE) AS upstream_whole,
    coalesce(k.known, FALSE) AS known,
    coalesce(k.ledgered, FALSE) AS ledgered,
    d.final_read OR c.source IS NOT NULL AS final_read,
    o.source IS NOT NULL AS polled,
    coalesce(g.positioned, FALSE) AS positioned,
    coalesce(e.ended, FALSE) AS ended,
    f.transactions AS listed,
    coalesce(r.named, TRUE) AS named,
    coalesce(r.sequenced, TRUE) AS sequenced,
    coalesce(r.checked, TRUE) AS checked,
    h.source IS NOT NULL AS historied
FROM declared AS d
CROSS JOIN facts AS f
LEFT JOIN complete AS c ON c.source = d.source
LEFT JOIN complete AS u ON u.source = d.upstream_source
LEFT JOIN known AS k ON k.place = d.place
LEFT JOIN polled AS o ON o.source = d.source AND o.isolation = d.isolation
LEFT JOIN positioned AS g ON g.source = d.upstream_source AND g.grp = d.grp
LEFT JOIN bounded AS e ON e.source = d.source
LEFT JOIN carried AS r ON r.source = d.source
LEFT JOIN (SELECT DISTINCT source FROM history) AS h ON h.source = d.source;
