"""From the folder of one repeat to everything that it proves.

Each type of anomaly is one file in `sql/`: its head says what proves it, what does not, and where finding
none proves that there is none. Nothing here depends on the order of lines, on hashing or on the number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import orjson

from harness.audit.cycles import find_cycles
from harness.audit.engine import Engine
from harness.audit.evidence import Evidence, load, read_places, source_of
from harness.audit.schema import TABLES
from harness.audit.sieve import sieve
from harness.model import Anomaly, Audit, Cause, Finding

SAMPLES_MAX = 20
MEMORY = "2GB"
EngineName = Literal["duckdb", "spark"]
FINDINGS = "findings.jsonl"
CYCLES = frozenset({Anomaly.G0, Anomaly.G1C})

_SENT = "SELECT count(*) FROM sent AS d SEMI JOIN places AS p ON p.source = d.source"
_TRIMMED = """
    SELECT e.source, e.part, e.low FROM ends AS e SEMI JOIN places AS p ON p.source = e.source
    WHERE e.low > 0 ORDER BY ALL
"""
_CLASHES = """
    SELECT c.source, c.part, min(c.pos), count(*) FROM clashes AS c SEMI JOIN places AS p ON p.source = c.source
    GROUP BY c.source, c.part ORDER BY ALL
"""


def audit(
    folder: Path,
    *,
    threads: int | None = None,
    cycles: bool = False,
    sieved: bool | None = None,
    memory: str = MEMORY,
    engine: EngineName = "duckdb",
) -> Audit:
    """Everything that the evidence in a folder proves.

    Args:
        folder: Of one repeat, or of anybody's history in the documented format (docs/ledger.md).
        threads: Of the engine; None for one per core. The result does not depend on it.
        cycles: Search for `G0` and `G1c` too, which Kafka allows and which take memory for every operation.
        sieved: Leave out what cannot take part in a finding first; None: where the history is large. The result does
            not depend on it.
        memory: What DuckDB may use, as `2GB`; beyond it, it spills to a scratch folder inside of the folder.
        engine: Who runs the queries. The result does not depend on it.

    Raises:
        HistoryError: It is no history, of a schema that this version does not know, or cannot be read.
        UsageError: The engine is not installed.
    """
    clock = Clock()
    evidence = read_places(folder)
    with _engine(engine, memory=memory, threads=threads, folder=folder) as tables:
        load(folder, evidence, tables)
        clock.note("reading")
        if engine == "spark" or cycles:
            sieved = False
        return judge(tables, evidence, clock, cycles=cycles, sieved=sieved)


def judge(
    tables: Engine, evidence: Evidence, clock: Clock, *, cycles: bool = False, sieved: bool | None = None
) -> Audit:
    """The same, of evidence that is loaded."""
    tables.run(sql_of("_facts"))
    if sieved or (sieved is None and tables.stored):
        sieve(tables)
        clock.note("sieve")
    tables.run(sql_of("_tables"))
    tables.run(sql_of("_order"))
    if cycles:
        find_cycles(tables)
    problems = [*map(str, evidence.problems), *_doubts(tables)]
    found = {kind: {finding.place: finding for finding in _found(tables, kind)} for kind in Anomaly}
    judged = {kind: _judged(tables, kind) if cycles or kind not in CYCLES else set() for kind in Anomaly}
    clock.note("queries")
    counts = {
        place: {kind.value: _count(found[kind].get(place), judged=place in judged[kind]) for kind in Anomaly}
        for place in evidence.places
    }
    findings = [of_place[place] for place in evidence.places for of_place in found.values() if place in of_place]
    return Audit(findings=tuple(findings), counts=counts, problems=tuple(problems), seconds=clock.seconds())


class Clock:
    """How long the audit and each part of it took."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._parts: dict[str, float] = {}

    def note(self, part: str) -> None:
        """The part that ends now."""
        now = time.monotonic()
        self._parts[f"audit: {part}"] = round(now - self._last, 3)
        self._last = now

    def seconds(self) -> dict[str, float]:
        return {"audit": round(time.monotonic() - self._began, 3), **self._parts}


def _engine(name: EngineName, *, memory: str, threads: int | None, folder: Path) -> Engine:
    if name == "duckdb":
        return Engine(TABLES, memory=memory, threads=threads, folder=folder)
    from harness.audit.spark import SparkEngine

    return SparkEngine(TABLES, memory=memory, threads=threads, folder=folder)


def write_findings(folder: Path, audit: Audit) -> None:
    """`findings.jsonl`: one finding a line."""
    lines = (orjson.dumps(asdict(finding), option=orjson.OPT_APPEND_NEWLINE) for finding in audit.findings)
    (folder / FINDINGS).write_bytes(b"".join(lines))


@cache
def sql_of(name: str) -> str:
    """The text of a file in `sql/`."""
    return files("harness.audit").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def judged_where(kind: Anomaly) -> str:
    """The condition on `places` under which finding none of a type proves that there is none."""
    return _head(kind, "Judged where")


def evidence_columns(kind: Anomaly) -> tuple[str, ...]:
    """What the samples of a type's findings hold beside the place and the id of what is concerned."""
    return tuple(_head(kind, "Evidence").split(", "))


def legal_where(kind: Anomaly) -> str:
    """The condition on a found row and its place under which it is no defect, unless an expectation says so."""
    return _head(kind, "Legal where", default="FALSE")


def _head(kind: Anomaly, word: str, default: str | None = None) -> str:
    """What a line in the head of a type's file says.

    Raises:
        StopIteration: It says nothing of the kind, and there is no default.
    """
    start = f"-- {word}: "
    said = (line.removeprefix(start) for line in sql_of(kind).splitlines() if line.startswith(start))
    return next(said) if default is None else next(said, default)


def _count(finding: Finding | None, *, judged: bool) -> int | None:
    """What was found is proved, however incomplete the evidence is; that there is none has to be proved too."""
    if finding is not None:
        return finding.count
    return 0 if judged else None


def _doubts(engine: Engine) -> Iterator[str]:
    """What makes the evidence prove less than it seems to."""
    # Total silence is no clean run: somebody forgot to start something.
    if engine.query(_SENT).fetchone() == (0,):
        yield "nothing was sent: no ledger announces a record for any of the places"
    for source, part, low in engine.query(_TRIMMED).fetchall():
        yield f"{source}/{part} begins at offset {low}: what was before it is gone, so that absence proves nothing"
    for source, part, first, count in engine.query(_CLASHES).fetchall():
        more = f", and {count - 1} more" if count > 1 else ""
        yield f"the sightings of '{source}' name partition {part}, position {first} more than once{more}"


def _judged(engine: Engine, kind: Anomaly) -> set[str]:
    return {place for (place,) in engine.query(f"SELECT place FROM places WHERE {judged_where(kind)}").fetchall()}


def _found(engine: Engine, kind: Anomaly) -> Iterator[Finding]:
    """One finding per place that shows the type."""
    engine.run(f"CREATE OR REPLACE TABLE found AS {sql_of(kind)}")
    rows = engine.query(
        f"SELECT place, count(*), count(*) FILTER (WHERE {legal_where(kind)}) "
        "FROM found JOIN places USING (place) GROUP BY place"
    ).fetchall()
    causes = _causes(engine) if rows else {}
    for place, count, legal in rows:
        samples = tuple(_samples(engine, place))
        yield Finding(type=kind, place=place, count=count, samples=samples, causes=causes.get(place, {}), legal=legal)


def _causes(engine: Engine) -> Mapping[str, dict[str, int]]:
    columns = {row[0] for row in engine.query("DESCRIBE found").fetchall()}
    causes: dict[str, dict[str, int]] = {}
    if "cause" in columns:
        rows = engine.query("SELECT place, cause, count(*) FROM found GROUP BY ALL ORDER BY ALL").fetchall()
        for place, cause, count in rows:
            causes.setdefault(place, {})[Cause(cause).value] = count
    return causes


def _samples(engine: Engine, place: str) -> Iterator[dict[str, Any]]:
    found = engine.query(
        f"SELECT id, * EXCLUDE (place, id) FROM found WHERE place = ? ORDER BY ALL LIMIT {SAMPLES_MAX}", [place]
    )
    names = [column[0] for column in found.description or ()]
    samples = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    operations = _operations(engine, place, [sample["id"] for sample in samples])
    for sample in samples:
        told = {key: value for key, value in sample.items() if value is not None or key == "id"}
        yield {**told, "operations": told.get("operations", operations.get(sample["id"], []))}


def _operations(engine: Engine, place: str, ids: list[Any]) -> dict[Any, list[str]]:
    """id → the operations that tried to send it to the place, as `process:n`."""
    rows = engine.query(
        "SELECT id, process || ':' || n FROM sends WHERE source = ? AND list_contains(?::VARCHAR[], id) ORDER BY ALL",
        [source_of(place), ids],
    ).fetchall()
    operations: dict[Any, list[str]] = {}
    for id_, operation in rows:
        operations.setdefault(id_, []).append(operation)
    return operations
