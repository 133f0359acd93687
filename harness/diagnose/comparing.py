"""What only the sightings of topic and table together show, and where one record stands: queries of our own.

Each is one file in `sql/`; its head says what proves it. Memory is bounded; what does not fit goes to the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from harness.diagnose.model import Copy
from harness.diagnose.reading import sightings_of

SAMPLES_MAX = 20
_MEMORY = "1GB"
_COPIES_MAX = 50

Found = tuple[int, list[dict[str, Any]]]
"""How many ids, and the first of them as {"id", "positions", …}."""


@contextmanager
def compared(folder: Path, topic: str, table: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that sees the sightings of both."""
    with _database(folder) as database:
        database.execute("SET VARIABLE topic = ?", [str(sightings_of(folder, topic))])
        database.execute('SET VARIABLE "table" = ?', [str(sightings_of(folder, table))])
        database.execute(_sql("_records"))
        yield database


def difference(database: duckdb.DuckDBPyConnection, name: str) -> Found:
    """The result of `sql/NAME.sql`, in `found` too."""
    database.execute(f"CREATE OR REPLACE TEMP TABLE found AS {_sql(name)}")
    (count,) = database.execute("SELECT count(*) FROM found").fetchall()[0]
    result = database.execute(f"SELECT * FROM found ORDER BY ALL LIMIT {SAMPLES_MAX}")
    names = [column[0] for column in result.description or ()]
    return count, [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def copies(folder: Path, topic: str, record: str) -> list[Copy]:
    """Where a record stands in a topic, in the order of its timestamps; at most 50."""
    with _database(folder) as database:
        database.execute("SET VARIABLE topic = ?", [str(sightings_of(folder, topic))])
        database.execute("SET VARIABLE record = ?", [record])
        rows = database.execute(_sql("copies")).fetchmany(_COPIES_MAX)
    return [_copy(topic, row, before) for row, before in zip(rows, [None, *rows], strict=False)]


def _copy(topic: str, row: tuple[Any, ...], before: tuple[Any, ...] | None) -> Copy:
    part, pos, status, producer, epoch, sequence, at = row
    when = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if 0 <= at < 1 << 47 else at
    facts = [str(when), status]
    if producer >= 0:
        facts.append(f"producer id {producer}, epoch {epoch}")
        facts += [] if sequence is None else [f"sequence {sequence}"]
    else:
        facts.append("no producer id")
    told = "" if before is None else _difference(before[3:6], (producer, epoch, sequence), before[0] == part)
    return Copy(where=f"{topic}/{part} at {pos}", facts=", ".join(facts), difference=told)


def _difference(one: tuple[Any, ...], other: tuple[Any, ...], same_part: bool) -> str:
    """What the batches of two copies say about each other."""
    if one[0] < 0 or other[0] < 0:
        return "no producer id: idempotence was off"
    if one[0] != other[0]:
        return "another producer id"
    if one[1] != other[1]:
        return "the same producer id, another epoch"
    if one[2] != other[2] or not same_part:
        return "the same producer id and epoch, another sequence"
    return "the same producer id, epoch and sequence"


@contextmanager
def _database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, Any] = {"memory_limit": _MEMORY, "temp_directory": str(folder / "spill")}
    with duckdb.connect(":memory:", config=config) as database:
        yield database


def _sql(name: str) -> str:
    return files("harness.diagnose").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
