"""A large history in the tables that the auditor reads, as Parquet files: n sends that went through three places.

A producer with a ledger sends to `orders`, in batches of a hundred that it acknowledges; `invoices` is made from it in
transactions, and `rows` from that, by writers without ledgers. Ids are UUIDs as text. A few records are wrong.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from harness.audit.schema import TABLES

PLANTED = 10
"""How many records are wrong in each of three ways: twice in orders, gone from orders, in more rows than one."""
BATCH = 100
PARTITIONS = 3
KEYS = 1000

_ID = "CAST(CAST(md5(CAST({} AS VARCHAR)) AS UUID) AS VARCHAR)"
# Batches go to the partitions in turn; the offset of record i in its partition.
_PART = f"(i // {BATCH}) % {PARTITIONS}"
_POS = f"(i // {BATCH * PARTITIONS}) * {BATCH} + i % {BATCH}"
# Where a commit marker follows each batch.
_POS_MARKED = f"(i // {BATCH * PARTITIONS}) * {BATCH + 1} + i % {BATCH}"


def write(folder: Path, records: int) -> None:
    """One Parquet file per table, named as the table is."""
    folder.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect(config={"memory_limit": "2GB"})
    for table, query in _queries(records).items():
        names = ", ".join(TABLES[table].names)
        database.execute(f"COPY (SELECT * FROM ({query}) AS t({names})) TO '{folder / table}.parquet' (FORMAT parquet)")


def _queries(records: int) -> dict[str, str]:
    every = f"(SELECT range AS i FROM range({records}))"
    batches = f"(SELECT range AS b FROM range({-(-records // BATCH)}))"
    # The last ones of all were sent and are gone; copies of the first ones stand at the end.
    kept = f"(SELECT range AS i FROM range({records - PLANTED}))"
    key = f"concat('key-', i % {KEYS} // {PARTITIONS} * {PARTITIONS} + {_PART})"
    name = f"concat('processor-1/', i // {BATCH})"
    ends = _ends(records)
    return {
        "announced": f"SELECT 'producer#1/1', i // {BATCH}, 2 * (i // {BATCH}), 0, i % {BATCH}, 'orders', "
        f"{_ID.format('i')}, FALSE FROM {every}",
        "acked": f"SELECT 'producer#1/1', i // {BATCH}, 'orders', {_ID.format('i')}, {_PART}, {_POS} FROM {every}",
        "begun": f"SELECT 'producer#1/1', b, 'batch', NULL::VARCHAR, 2 * b FROM {batches}",
        "ended": f"SELECT 'producer#1/1', b, 'ok', 2 * b + 1 FROM {batches}",
        "strides": f"SELECT 'send', 'producer#1/1', i // {BATCH}, 2 * (i // {BATCH}), 0, 'orders', {_PART}, "
        f"min({_POS}), max({_POS}), count(*), TRUE FROM {every} GROUP BY i // {BATCH}, {_PART}",
        "sighted": f"""
            SELECT 'orders', {_PART}, 'plain', 1, 0, {_POS}, {_POS} % 2147483648, {_ID.format("i")}, {key}, i,
                NULL::VARCHAR, NULL::BIGINT, NULL::BIGINT, NULL::VARCHAR, NULL::VARCHAR,
                NULL::BOOLEAN, NULL::VARCHAR, NULL::BOOLEAN FROM {kept}
            UNION ALL
            SELECT 'orders', 0, 'plain', 1, 1, {ends} + i, i, {_ID.format("i")}, {key}, i,
                NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM (SELECT range AS i FROM range({PLANTED}))
            UNION ALL
            SELECT 'invoices', {_PART}, 'committed', 2, 0, {_POS_MARKED}, {_POS} % 2147483648, {_ID.format("i")}, {key},
                i, 'orders', {_PART}, {_POS}, {name}, NULL, NULL, NULL, NULL FROM {kept}
            UNION ALL
            SELECT 'rows', 0, 'plain', -1, -1, i + 1, -1, {_ID.format("i")}, {key}, i,
                'invoices', {_PART}, {_POS_MARKED}, NULL, 'sink#1/1', NULL, NULL, NULL FROM {kept}
            UNION ALL
            SELECT 'rows', 0, 'plain', -1, -1, {records} + i + 1, -1, {_ID.format("i")}, {key}, i,
                'invoices', {_PART}, {_POS_MARKED}, NULL, 'sink#1/2', NULL, NULL, NULL
            FROM (SELECT range AS i FROM range(1000, {1000 + PLANTED}))""",
        "positions": f"""
            SELECT place, part, grp, CASE WHEN grp IS NULL THEN NULL ELSE {2 * ends} END, 0, {2 * ends}, {2 * ends}
            FROM (VALUES ('orders', NULL), ('orders', 'g1'), ('invoices', NULL), ('invoices', 'g2')) AS p(place, grp),
                (SELECT range AS part FROM range({PARTITIONS}))""",
    }


def _ends(records: int) -> int:
    """An offset that no partition comes to."""
    return (records // (BATCH * PARTITIONS) + 1) * (BATCH + 1)
