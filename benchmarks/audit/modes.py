"""The ways to judge a history that are compared. Each runs in a process of its own and prints one JSON line.

python -m benchmarks.audit.modes MODE FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from harness.audit.auditing import Clock, judge
from harness.audit.engine import Engine
from harness.audit.evidence import Evidence, declare_places
from harness.audit.schema import TABLES
from harness.model import Place

MEMORY = "2GB"
FETCH = 10_000
Result = dict[str, Any]

PLACES = (
    Place(name="orders", kind="topic", resource="orders", isolation="read_committed", writers=("producer",)),
    Place(
        name="invoices",
        kind="topic",
        resource="invoices",
        isolation="read_committed",
        upstream="orders",
        group="g1",
        writers=("processor",),
    ),
    Place(name="rows", kind="table", resource="rows", upstream="invoices", group="g2", writers=("sink",)),
)


def scan(folder: Path) -> Result:
    """Every id is read once: the lower bound."""
    database = duckdb.connect(config={"memory_limit": MEMORY})
    rows = 0
    for table in ("announced", "acked", "sighted"):
        found = database.execute(f"SELECT count(*), sum(hash(id)) FROM '{folder / table}.parquet'").fetchone()
        rows += found[0] if found else 0
    return {"rows": rows}


def dictionaries(folder: Path) -> Result:
    """As one writes it on an afternoon: what was sent, where each id stands, what follows what."""
    sent: dict[str, tuple[int, int]] = {}
    for id_, part, pos in _rows(folder, "acked", "id, part, pos"):
        sent[id_] = (part, pos)
    standing: dict[str, dict[str, list[tuple[int, int]]]] = {"orders": {}, "invoices": {}, "rows": {}}
    last: dict[tuple[str, int, str], int] = {}
    disorder = 0
    for source, part, pos, id_, key, seq in _rows(folder, "sighted", "source, part, pos, id, key, seq"):
        seen = standing[source].setdefault(id_, [])
        seen.append((part, pos))
        if len(seen) == 1 and last.get((source, part, key), -1) > seq:
            disorder += 1
        last[source, part, key] = max(seq, last.get((source, part, key), -1))
    orders, invoices, rows = standing.values()
    return {
        "duplicates": sum(len(seen) > 1 for seen in orders.values()),
        "losses": sum(id_ not in orders for id_ in sent),
        "phantoms": sum(id_ not in sent for id_ in orders),
        "skipped": sum(id_ not in invoices for id_ in orders) + sum(id_ not in rows for id_ in invoices),
        "row duplicates": sum(len(seen) > 1 for seen in rows.values()),
        "disorder": disorder,
    }


def sets(folder: Path) -> Result:
    """As Kafka's system tests do: what was acknowledged against what was consumed, and how many were consumed twice."""
    acked = {id_ for (id_,) in _rows(folder, "acked", "id")}
    result: Result = {"losses": 0}
    for place in ("orders", "invoices", "rows"):
        consumed = [id_ for (id_,) in _rows(folder, "sighted", "id", where=f"source = '{place}'")]
        distinct = set(consumed)
        result[f"{place} duplicates"] = len(consumed) - len(distinct)
        result["losses"] += len(acked - distinct)
    return result


def audit(folder: Path, *, sieved: bool = True) -> Result:
    """Everything that the auditor can prove, with its cause."""
    clock = Clock()
    evidence = Evidence({place.name: place for place in PLACES})
    with Engine(TABLES, memory=MEMORY, threads=None, folder=folder) as engine:
        for path in folder.glob("*.parquet"):
            engine.adopt(path.stem, path)
        declare_places(evidence, engine)
        engine.add("facts", {"ledgers": True, "transactions": True})
        process = {"process": "producer#1/1", "app": "producer", "instance": 1, "isolation": None, "whole": True}
        engine.add("processes", process)
        for place in PLACES:
            engine.add("sources", {"source": place.name, "kind": place.kind, "whole": True})
        engine.flush()
        found = judge(engine, evidence, clock, sieved=sieved)
    return {
        "found": {f"{finding.place} {finding.type}": finding.count for finding in found.findings},
        "parts": dict(found.seconds),
    }


def whole(folder: Path) -> Result:
    """The same without the sieve: the specification itself."""
    return audit(folder, sieved=False)


MODES: dict[str, Callable[[Path], Result]] = {
    "scan": scan,
    "dictionaries": dictionaries,
    "sets": sets,
    "audit": audit,
    "whole": whole,
}


def _rows(folder: Path, table: str, columns: str, where: str = "TRUE") -> Iterator[tuple[Any, ...]]:
    database = duckdb.connect(config={"memory_limit": MEMORY})
    found = database.execute(f"SELECT {columns} FROM '{folder / table}.parquet' WHERE {where}")
    while rows := found.fetchmany(FETCH):
        yield from rows


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    began = time.monotonic()
    result = MODES[mode](folder)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss / 1024
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"mode": mode, "seconds": round(seconds, 2), "cpu": round(cpu, 2), "mb": round(peak), **result}))


if __name__ == "__main__":
    main()
