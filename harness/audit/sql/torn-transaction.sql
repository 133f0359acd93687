-- torn-transaction: of the records of one transaction a read_committed consumer sees some, and will never see the rest.
--
-- A transaction of the log is one transaction name written by one producer id at one epoch: a restarted app counts
-- from the beginning again, under a new epoch. It can be any transaction of the ledger that has its name and announced
-- all that is committed of it.
-- Proof: some of its records are committed, and others are aborted; or others that it announced are not in a log that
-- was read whole, in each of the ledger's transactions that it can be.
-- Not proof: records of it that are still open (see hanging-transaction), or committed behind another open one.
-- Found at the places where records are missing.
-- Evidence: visible, missing, producer, epoch, operations
-- Judged where: kind = 'topic' AND isolation = 'read_committed' AND whole AND known AND named
-- Sieve: records

WITH
written AS (
    SELECT
        l.txn,
        l.producer,
        l.epoch,
        l.source,
        l.id,
        bool_or(l.status = 'committed') AS committed,
        bool_or(l.status = 'open') AS still_open
    FROM log AS l
    WHERE l.txn IS NOT NULL AND l.id IS NOT NULL AND l.status <> 'plain'
    GROUP BY l.txn, l.producer, l.epoch, l.source, l.id
),
landed AS (
    SELECT txn, producer, epoch, count(*) FILTER (WHERE committed) AS committed
    FROM written
    GROUP BY txn, producer, epoch
    HAVING count(*) FILTER (WHERE committed) > 0
),
meant AS (
    SELECT DISTINCT d.txn, d.process, d.source, d.id
    FROM sends AS d
    SEMI JOIN landed AS t ON t.txn = d.txn
    SEMI JOIN places AS p ON p.source = d.source AND p.kind = 'topic'
    WHERE d.id IS NOT NULL
),
candidates AS (
    SELECT t.txn, t.producer, t.epoch, m.process, max(t.committed) AS committed
    FROM landed AS t
    JOIN meant AS m ON m.txn = t.txn
    JOIN written AS w
        ON w.txn = t.txn AND w.producer = t.producer AND w.epoch = t.epoch AND w.source = m.source AND w.id = m.id
    WHERE w.committed
    GROUP BY t.txn, t.producer, t.epoch, m.process
    HAVING count(*) = max(t.committed)
),
absent AS (
    SELECT c.txn, c.producer, c.epoch, c.process, m.source, m.id
    FROM candidates AS c
    JOIN meant AS m ON m.txn = c.txn AND m.process = c.process
    SEMI JOIN places AS p ON p.source = m.source AND p.whole AND p.named
    ANTI JOIN written AS w
        ON
            w.txn = c.txn AND w.producer = c.producer AND w.epoch = c.epoch
            AND w.source = m.source AND w.id = m.id
),
incomplete AS (
    SELECT c.txn, c.producer, c.epoch
    FROM candidates AS c
    LEFT JOIN (SELECT DISTINCT txn, producer, epoch, process FROM absent) AS a
        ON a.txn = c.txn AND a.producer = c.producer AND a.epoch = c.epoch AND a.process = c.process
    GROUP BY c.txn, c.producer, c.epoch
    HAVING bool_and(a.process IS NOT NULL)
),
missing AS (
    SELECT w.txn, w.producer, w.epoch, w.source, w.id
    FROM written AS w
    SEMI JOIN landed AS t ON t.txn = w.txn AND t.producer = w.producer AND t.epoch = w.epoch
    WHERE NOT w.committed AND NOT w.still_open
    UNION
    SELECT a.txn, a.producer, a.epoch, a.source, a.id
    FROM absent AS a
    SEMI JOIN incomplete AS i ON i.txn = a.txn AND i.producer = a.producer AND i.epoch = a.epoch
),
named AS (
    SELECT txn, list_sort(list(concat(process, ':', CAST(n AS VARCHAR)))) AS operations
    FROM operations
    GROUP BY txn
)
SELECT
    p.place,
    m.txn AS id,
    max(t.committed) AS visible,
    list_sort(list(m.id)) AS missing,
    m.producer,
    m.epoch,
    max(o.operations) AS operations
FROM missing AS m
JOIN landed AS t ON t.txn = m.txn AND t.producer = m.producer AND t.epoch = m.epoch
JOIN places AS p ON p.source = m.source
LEFT JOIN named AS o ON o.txn = m.txn
WHERE p.isolation = 'read_committed'
GROUP BY p.place, m.txn, m.producer, m.epoch
