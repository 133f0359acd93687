"""A complete small run folder, as a run leaves it.

Four records; a sink that crashes between writing and committing. With `insert` its successor writes the second batch
again: two records in two rows each. With `upsert` it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from harness.model import FaultOutcome, RepeatRecord
from harness.plan import Cell, make_plan
from harness.report.json import write_json
from harness.scenario import load

SCENARIO = """\
# A sink writes, then commits its offsets. How many rows does the database get when it dies in between?
scenario: rows-twice
seed: 7
topics: {orders: {partitions: 1}}
tables: {rows: {}}
apps:
  producer: {is: producer, client: kafka-python, to: orders, records: 4, keys: 2}
  sink: {is: sink, client: kafka-python, from: orders, to: rows, batch: 2, commit: after_write, write: insert}
faults:
  - {crash: sink, at: before commit 2, restart_after: 1s}
matrix:
  write: {insert: {apps.sink.write: insert}, upsert: {apps.sink.write: upsert}}
expect:
  - {in: orders, duplicates: none, losses: none}
  - {in: rows, cell: {write: insert}, duplicates: INSERT, losses: none}
  - {in: rows, cell: {write: upsert}, duplicates: UPSERT, losses: none}
"""

IDS = [f"producer-{index:06}" for index in range(4)]
KEYS = [f"key-{index % 2}" for index in range(4)]
SEQUENCES = [index // 2 for index in range(4)]

CRASHED = FaultOutcome(
    fault="crash sink before commit 2",
    fired=1,
    bit=True,
    healed=True,
    evidence={"signal": "SIGKILL", "pid": 4711, "step": "OffsetCommit"},
)
NEVER = replace(CRASHED, fired=0, bit=False, evidence={}, why="the sink committed once only")


def scenario_text(insert: str = "some", upsert: str = "none") -> str:
    return SCENARIO.replace("INSERT", insert).replace("UPSERT", upsert)


def store_run(
    folder: Path,
    *,
    insert: str = "some",
    upsert: str = "none",
    fault: FaultOutcome = CRASHED,
    reasons: Sequence[str] = (),
    cells: int = 2,
    ended: dict[str, Any] | None = None,
) -> None:
    """Write a run folder.

    Args:
        insert: How many duplicates the scenario expects at `rows` with `insert`; likewise `upsert`.
        reasons: Against the last cell that ran.
        cells: How many of the two cells ran.
        ended: What `verdict.json` says of how the run ended.
    """
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(scenario_text(insert, upsert))
    plan = make_plan(load(folder / "scenario.yaml"))
    write_json(folder / "plan.json", plan.to_json())
    if ended:
        write_json(folder / "verdict.json", ended)
    for number, cell in enumerate(plan.cells[:cells], 1):
        repeat = folder / "cells" / cell.label / "repeat-1"
        store_history(repeat, cell)
        record = RepeatRecord(
            cell=cell.label,
            repeat=1,
            faults=(fault,),
            reasons=tuple(reasons) if number == cells else (),
            seconds={"load": 2.0},
        )
        facts = asdict(record)
        _lines(repeat / "faults.jsonl", facts.pop("faults"))
        write_json(repeat / "repeat.json", facts)


def store_history(folder: Path, cell: Cell) -> None:
    """The evidence of one repeat: what `eos-chaos audit` judges without a scenario."""
    (folder / "ledger").mkdir(parents=True)
    (folder / "sightings").mkdir()
    places = [
        replace(place, resource=f"{place.name}.t1", group=place.group and f"{place.group}.t1") for place in cell.places
    ]
    group = next(place.group for place in places if place.group)
    write_json(folder / "places.json", {"schema": 1, "places": [asdict(place) for place in places], "drained": True})
    _lines(folder / "ledger" / "producer-1-1.jsonl", _producer())
    _lines(folder / "ledger" / "sink-1-1.jsonl", _sink(1, group, [[0, 1], [2, 3]], commits=1))
    _lines(folder / "ledger" / "sink-1-2.jsonl", _sink(2, group, [[2, 3]], commits=1))
    _lines(folder / "sightings" / "orders.jsonl", _orders())
    rows = [0, 1, 2, 3, 2, 3] if cell.axes["write"] == "insert" else [0, 1, 2, 3]
    _lines(folder / "sightings" / "rows.jsonl", _rows(rows))
    end = {"place": "orders", "part": 0, "low": 0, "stable": 4, "high": 4}
    _lines(
        folder / "positions.jsonl",
        [{**end, "group": None, "committed": None}, {**end, "group": group, "committed": 4}],
    )
    _lines(folder / "transactions.jsonl", [])


def _head(process: str) -> dict[str, Any]:
    app, _, rest = process.partition("#")
    instance, _, incarnation = rest.partition("/")
    return {
        "ledger": 1,
        "process": process,
        "app": app,
        "instance": int(instance),
        "incarnation": int(incarnation),
        "client": "kafka-python 3.0.12",
        "isolation": "read_committed",
        "config": {"producer": {}, "consumer": {}},
        "at": 1_000,
        "wall": 1_000,
    }


def _producer() -> Iterator[dict[str, Any]]:
    yield _head("producer#1/1")
    yield {
        "begin": 1,
        "kind": "batch",
        "at": 2_000,
        "do": [{"send": "orders", "id": IDS, "key": KEYS, "seq": SEQUENCES}],
    }
    yield {
        "end": 1,
        "outcome": "ok",
        "at": 3_000,
        "do": [{"ack": "orders", "id": IDS, "part": [0] * 4, "pos": [0, 1, 2, 3]}],
    }


def _sink(incarnation: int, group: str, batches: list[list[int]], *, commits: int) -> Iterator[dict[str, Any]]:
    """Each batch: a poll, rows, then offsets; after `commits` batches the process dies before it commits."""
    yield _head(f"sink#1/{incarnation}")
    number = 0
    for batch, records in enumerate(batches, 1):
        at = incarnation * 10_000 + batch * 1_000
        ids = [IDS[k] for k in records]
        rows = {
            "send": "rows",
            "id": ids,
            "key": [KEYS[k] for k in records],
            "seq": [SEQUENCES[k] for k in records],
        }
        written = {"ack": "rows", "id": ids, "part": [0] * len(ids), "pos": [-1] * len(ids)}
        commit = {"commit": group, "offsets": [["orders", 0, records[-1] + 1]]}
        polled = {"poll": "orders", "part": 0, "pos": records, "id": ids}
        yield {"begin": number + 1, "kind": "poll", "at": at, "do": []}
        yield {"end": number + 1, "outcome": "ok", "at": at + 1, "do": [polled]}
        yield {"begin": number + 2, "kind": "batch", "at": at + 2, "do": [rows]}
        yield {"end": number + 2, "outcome": "ok", "at": at + 3, "do": [written]}
        yield {"begin": number + 3, "kind": "batch", "at": at + 4, "do": [commit]}
        if batch <= commits:
            yield {"end": number + 3, "outcome": "ok", "at": at + 5, "do": []}
        number += 3


def _orders() -> Iterator[dict[str, Any]]:
    yield {
        "sightings": 1,
        "place": "orders",
        "kind": "topic",
        "resource": "orders.t1",
        "cluster_id": "k3f9",
        "whole": True,
    }
    yield {
        "part": 0,
        "producer": 1001,
        "epoch": 0,
        "bseq": 0,
        "transactional": False,
        "status": "plain",
        "pos": [0, 1, 2, 3],
        "id": IDS,
        "key": KEYS,
        "seq": SEQUENCES,
        "src": [None] * 4,
        "txn": [None] * 4,
        "intact": [True] * 4,
        "at": [1_700_000_000_000] * 4,
    }


def _rows(records: list[int]) -> Iterator[dict[str, Any]]:
    yield {"sightings": 1, "place": "rows", "kind": "table", "resource": "rows.t1", "whole": True}
    yield {
        "row": list(range(1, len(records) + 1)),
        "id": [IDS[k] for k in records],
        "key": [KEYS[k] for k in records],
        "seq": [SEQUENCES[k] for k in records],
        "src": [["orders", 0, k] for k in records],
        "writer": [f"sink#1/{1 if n < 4 else 2}" for n in range(len(records))],
    }


def _lines(path: Path, documents: Any) -> None:
    path.write_bytes(b"".join(orjson.dumps(document) + b"\n" for document in documents))
