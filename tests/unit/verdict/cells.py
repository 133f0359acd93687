"""Small cells, records and audits for the tests of judging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.model import Anomaly, Audit, FaultOutcome, Finding, Place, Quantifier, RepeatRecord
from harness.plan.model import Cell, Expectation, Plan
from harness.scenario.model import Scenario

TOPIC = Place(name="invoices", kind="topic", resource="invoices", isolation="read_committed", partitions=3)
DIRTY = Place(
    name="invoices@read_uncommitted",
    kind="topic",
    resource="invoices",
    isolation="read_uncommitted",
    partitions=3,
)
TABLE = Place(name="rows", kind="table", resource="rows", upstream="invoices")

SCENARIO = Scenario(
    name="small",
    seed=7,
    repeat=1,
    question="",
    file="small.chaos.yaml",
    topics={},
    tables={},
    services={},
    mailboxes={},
    apps={},
    faults=(),
    matrix={},
    expect=(),
)

BIT = FaultOutcome(fault="crash sink before commit 2", fired=1, bit=True, healed=True)

_AT_TOPIC = (Anomaly.DUPLICATE, Anomaly.LOST_WRITE, Anomaly.G1A, Anomaly.DISORDER, Anomaly.STALLED)
_AT_TABLE = (Anomaly.SINK_DUPLICATE, Anomaly.SINK_LOSS, Anomaly.STALLED)


def expectation(*places: str, index: int = 0, cause: str | None = None, **wanted: str) -> Expectation:
    """`expectation("rows", duplicates="some")`; an underscore in a word stands for its dash."""
    words = {word.replace("_", "-"): Quantifier(value) for word, value in wanted.items()}
    return Expectation(index=index, places=places, wanted=words, cause=cause, text=f"expectation {index}")


def cell(*expectations: Expectation, label: str = "all", axes: Mapping[str, str] | None = None) -> Cell:
    return Cell(
        label=label,
        axes=axes or {},
        scenario=SCENARIO,
        seed=7,
        places=(TOPIC, DIRTY, TABLE),
        expectations=expectations,
    )


def plan(*cells: Cell, repeat: int = 1) -> Plan:
    return Plan(scenario=SCENARIO, cells=cells, warnings=(), seed=7, repeat=repeat)


def record(repeat: int = 1, *, faults: Sequence[FaultOutcome] = (BIT,), reasons: Sequence[str] = ()) -> RepeatRecord:
    return RepeatRecord(cell="all", repeat=repeat, faults=tuple(faults), reasons=tuple(reasons))


def audit(
    found: Mapping[tuple[str, Anomaly], int | None] | None = None,
    *,
    problems: Sequence[str] = (),
    causes: Mapping[str, int] | None = None,
) -> Audit:
    """An audit that judged everything, found `found` and nothing else; None marks what it did not judge."""
    counts: dict[str, dict[str, int | None]] = {
        TOPIC.name: dict.fromkeys(_AT_TOPIC, 0),
        DIRTY.name: dict.fromkeys(_AT_TOPIC, 0),
        TABLE.name: dict.fromkeys(_AT_TABLE, 0),
    }
    for (place, kind), count in (found or {}).items():
        counts[place][kind] = count
    findings = tuple(
        Finding(
            type=kind,
            place=place,
            count=count,
            samples=({"id": "producer-000001"},),
            causes=causes or {},
            legal=count if kind is Anomaly.G1A and place == DIRTY.name else 0,
        )
        for (place, kind), count in (found or {}).items()
        if count
    )
    return Audit(findings=findings, counts=counts, problems=tuple(problems))
