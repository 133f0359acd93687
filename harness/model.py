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


PlaceKind = Literal["topic", "table", "service", "mailbox"]


class Anomaly(StrEnum):
    """What the auditor can find, by the field's names. Each has its proof in `harness/audit/sql/`."""

    # In any log; names and meaning follow Jepsen's Kafka checker.
    DUPLICATE = "duplicate"
    INCONSISTENT_OFFSETS = "inconsistent-offsets"
    LOST_WRITE = "lost-write"
    UNSEEN = "unseen"
    G1A = "G1a"
    PRECOMMITTED_READ = "precommitted-read"
    INT_POLL_SKIP = "int-poll-skip"
    INT_NONMONOTONIC_POLL = "int-nonmonotonic-poll"
    POLL_SKIP = "poll-skip"
    NONMONOTONIC_POLL = "nonmonotonic-poll"
    INT_SEND_SKIP = "int-send-skip"
    INT_NONMONOTONIC_SEND = "int-nonmonotonic-send"
    NONMONOTONIC_SEND = "nonmonotonic-send"
    G0 = "G0"
    G1C = "G1c"
    EMPTY_HISTORY = "empty-history"
    # From Kafka to Kafka.
    PHANTOM = "phantom"
    CORRUPT = "corrupt"
    DUPLICATE_PROCESSING = "duplicate-processing"
    LOST_PROCESSING = "lost-processing"
    OFFSET_AHEAD_OF_OUTPUT = "offset-ahead-of-output"
    TORN_TRANSACTION = "torn-transaction"
    DISORDER = "disorder"
    # Effects outside Kafka.
    SINK_DUPLICATE = "sink-duplicate"
    SINK_LOSS = "sink-loss"
    REPEATED_EFFECT = "repeated-effect"
    MISSING_EFFECT = "missing-effect"
    ORPHAN_EFFECT = "orphan-effect"
    REGRESSED_EFFECT = "regressed-effect"
    # What nobody will end, or has come to yet.
    HANGING_TRANSACTION = "hanging-transaction"
    STALLED = "stalled"


GROUPS: Mapping[str, tuple[Anomaly, ...]] = {
    "duplicates": (
        Anomaly.DUPLICATE,
        Anomaly.DUPLICATE_PROCESSING,
        Anomaly.SINK_DUPLICATE,
        Anomaly.REPEATED_EFFECT,
    ),
    "losses": (Anomaly.LOST_WRITE, Anomaly.LOST_PROCESSING, Anomaly.SINK_LOSS, Anomaly.MISSING_EFFECT),
}
"""Words an expectation may use for several types at once."""

FENCED = "fenced"
"""A word for what is no anomaly and can be counted all the same: an app that writes the place was fenced."""

_ANYWHERE = (Anomaly.EMPTY_HISTORY, Anomaly.PHANTOM, Anomaly.STALLED)
_AT_TABLES = (*_ANYWHERE, Anomaly.DISORDER, Anomaly.SINK_DUPLICATE, Anomaly.SINK_LOSS)
_AT_EFFECTS = (*_ANYWHERE, Anomaly.REPEATED_EFFECT, Anomaly.MISSING_EFFECT, Anomaly.ORPHAN_EFFECT)
_NOT_AT_TOPICS = {*_AT_TABLES, *_AT_EFFECTS, Anomaly.REGRESSED_EFFECT} - {*_ANYWHERE, Anomaly.DISORDER}

OCCURS: Mapping[PlaceKind, frozenset[Anomaly]] = {
    "topic": frozenset(Anomaly) - _NOT_AT_TOPICS,
    "table": frozenset({*_AT_TABLES, Anomaly.ORPHAN_EFFECT, Anomaly.REGRESSED_EFFECT}),
    "service": frozenset(_AT_EFFECTS),
    "mailbox": frozenset(_AT_EFFECTS),
}
"""Which types can be found at which kind of place."""


class Cause(StrEnum):
    """Why a record is there twice, or not at all, in the words that findings and scenarios (`cause:`) use.

    The SQL decides which one applies; a word that is not in this list is a bug there. docs/ledger.md lists them.
    """

    # duplicate, duplicate-processing: from the batches
    BROKER = "the broker did not deduplicate"
    """Same producer id, epoch and sequence."""
    APPLICATION = "the application sent again"
    """Same producer id and epoch, another sequence; or two operations of one process sent it."""
    CLIENT = "the client sent again under a new epoch"
    """One operation, one producer id, two epochs."""
    ABORT_OR_ZOMBIE = "reprocessed after an abort or by a zombie"
    """Same producer id (so the same transactional id), two epochs."""
    IDEMPOTENCE_OFF = "idempotence was off: a retry was stored twice"
    """One operation, no producer id."""
    # … and, where the producer ids differ or there are none, from who tried to send
    PRODUCER_RESTART = "a restarted producer sent again"
    PRODUCERS = "several producers sent it"
    PROCESSOR_RESTART = "reprocessed after a restart"
    OTHER_INSTANCE = "reprocessed by another instance"
    SAME_PROCESS = "reprocessed by the same process"
    # any duplicate
    UPSTREAM = "it was repeated upstream already"
    ABORTED_INPUT = "an aborted copy of it was processed too"
    REDELIVERED = "delivered again by an app without a ledger, such as a connector"
    """Several copies of one input, and nobody who wrote them left a ledger."""
    UNTOLD = "the evidence does not tell"
    # sink-duplicate
    SINK_RESTART = "processed again after a restart: the rows were committed, the offset was not"
    SINK_OTHER_INSTANCE = "processed again by another instance: the rows were committed, the offset was not"
    SINK_SAME_PROCESS = "processed again by the same process"
    # repeated-effect
    CALLED_AFTER_RESTART = "called again after a restart"
    CALLED_BY_ANOTHER = "called again by another instance"
    CALLED_AGAIN = "called again by the same process"
    KEY_FORGOTTEN = "the service accepted one idempotency key twice"
    # lost-write
    TRUNCATED = "acknowledged, but the log was truncated before it"
    """The log ends before its offset, or another record stands there."""
    PASSED_BY = "it must have been written, and readers went past it"
    """Nobody read the topic at the end; consumers got what stands behind it."""
    NOT_IN_LOG = "acknowledged, but not in the log"
    ABORTED_AFTER_ALL = "the commit returned ok, but the log says it was aborted"
    NEVER_ACKNOWLEDGED = "the commit returned ok, but the send was never acknowledged"
    # lost-processing, sink-loss, missing-effect: the group's committed offset is past the record, and …
    OFFSET_FIRST = "the offset was committed before the output was written"
    NOT_CONFIRMED = "the offset was committed although the output was not confirmed"
    OUTPUT_ABORTED = "its output was aborted, and the offset went past it all the same"
    ABORTED_IN_VAIN = "its output was confirmed, but the log says it was aborted"
    CONFIRMED_IN_VAIN = "its output was confirmed, but is not there"
    SKIPPED = "the group went past it without reading it"
    PAST = "the committed offset is past it"
    """Nothing more can be said, because a writer left no complete ledger."""


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
    kind: PlaceKind
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
        legal: How many of `count` are no defect where they were found, by the type's own head: they are reported, and
            fail a run only where an expectation names the type.
    """

    type: Anomaly
    place: str
    count: int
    samples: tuple[Mapping[str, Any], ...] = ()
    causes: Mapping[str, int] = field(default_factory=dict)
    legal: int = 0


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
        fenced: App → how often it gave up a batch, or itself, because it was told that another has taken its place.
        seconds: phase → how long it took.
    """

    cell: str
    repeat: int
    faults: tuple[FaultOutcome, ...]
    reasons: tuple[str, ...] = ()
    fenced: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
