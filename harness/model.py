"""The frozen types that cross rooms. No behaviour beyond what a reader needs to print one.

Who makes what::

    scenario → Scenario …   plan → Plan, Cell, Place, Expectation   conductor → FaultOutcome, RepeatRecord
    audit → Finding, Audit   verdict → RepeatVerdict, CellVerdict, RunVerdict

A *place* is where records are counted. A bare topic name means read_committed; `NAME@read_uncommitted` is the
same topic as a consumer with that isolation level sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Isolation = Literal["read_committed", "read_uncommitted"]

UNCOMMITTED_SUFFIX = "@read_uncommitted"


class Anomaly(StrEnum):
    """What the auditor can find, by the field's names. Each has its proof in `harness/audit/sql/`."""

    DUPLICATE = "duplicate"
    LOST_WRITE = "lost-write"
    G1A = "G1a"
    PHANTOM = "phantom"
    DUPLICATE_PROCESSING = "duplicate-processing"
    LOST_PROCESSING = "lost-processing"
    TORN_TRANSACTION = "torn-transaction"
    DISORDER = "disorder"
    SINK_DUPLICATE = "sink-duplicate"
    SINK_LOSS = "sink-loss"
    HANGING_TRANSACTION = "hanging-transaction"
    STALLED = "stalled"


GROUPS: Mapping[str, tuple[Anomaly, ...]] = {
    "duplicates": (Anomaly.DUPLICATE, Anomaly.DUPLICATE_PROCESSING, Anomaly.SINK_DUPLICATE),
    "losses": (Anomaly.LOST_WRITE, Anomaly.LOST_PROCESSING, Anomaly.SINK_LOSS),
}
"""Words an expectation may use for several types at once."""


class Quantifier(StrEnum):
    """How often an expectation asks for an anomaly, over the repeats of one cell."""

    NONE = "none"
    SOME = "some"  # in every repeat
    SOMETIMES = "sometimes"  # in at least one repeat
    ANY = "any"


class Verdict(StrEnum):
    AS_EXPECTED = "as-expected"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not-judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where records are counted, and what is expected to arrive there.

    Args:
        name: As people write it: `invoices`, `invoices@read_uncommitted`, `invoices_seen`.
        kind: What it is; records of a table are rows, of a service calls, of a mailbox messages.
        resource: The name at the broker or database, unique per repeat: `invoices.k3f9-1`.
        isolation: For a topic; None for others.
        partitions: For a topic; 0 for others.
        upstream: Name of the place whose records are moved here (always its read_committed view); None at the origin.
        group: The consumer group that moves them; None at the origin.
        least: How many sightings each upstream record must have here (fan-out).
        most: How many it may have.
        writers: The apps that write here.
    """

    name: str
    kind: Literal["topic", "table", "service", "mailbox"]
    resource: str
    isolation: Isolation | None = None
    partitions: int = 0
    upstream: str | None = None
    group: str | None = None
    least: int = 1
    most: int = 1
    writers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One type of anomaly at one place, with its proof.

    Args:
        count: How many records (transactions, groups) show it; never capped.
        samples: At most 20 of them, sorted; each a JSON-ready mapping with at least `id` (the record, transaction or
            group concerned) and what proves it: `positions` ([[partition, offset], …]), `operations`
            (["process:n", …]), `cause` (for duplicates).
        causes: For duplicates and losses: cause → how many of `count`.
    """

    type: Anomaly
    place: str
    count: int
    samples: tuple[Mapping[str, Any], ...] = ()
    causes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the evidence of one repeat proves.

    Args:
        findings: Those with a count above 0, by place and type.
        counts: place → type → count; 0 was judged and is zero, None was not judged (it cannot occur there, or the
            evidence for it is missing).
        problems: Why something could not be judged, in words, located where possible. Not empty → inconclusive.
        seconds: part of the audit → how long it took.
    """

    findings: tuple[Finding, ...]
    counts: Mapping[str, Mapping[str, int | None]]
    problems: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOutcome:
    """What became of one fault in one repeat.

    Args:
        fault: Its label, as in the scenario: `crash processor before commit 3`.
        fired: How often it was injected.
        bit: Whether the evidence proves that it acted. A rule that merely matched is no bite.
        healed: Whether its heal was done and checked.
        evidence: JSON-ready facts: signal and pid, frame, connection, correlation id, bytes withheld, delay measured …
        why: When it did not bite or heal: the reason, in words.
    """

    fault: str
    fired: int
    bit: bool
    healed: bool
    evidence: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatRecord:
    """What the conductor leaves of one repeat, as `repeat.json` and `faults.jsonl` in its folder.

    Args:
        cell: The cell's label.
        repeat: From 1.
        reasons: Why this repeat can prove nothing, whatever the audit finds (an app that exited unexpectedly, an
            interrupted run, a drain that did not end …); empty when all went well.
        seconds: phase → how long it took.
    """

    cell: str
    repeat: int
    faults: tuple[FaultOutcome, ...]
    reasons: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
