"""What a diagnosis says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.model import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One place where a record stands.

    Args:
        where: `orders/0 at 17`, `row 4 of table`.
        facts: What its batch says; empty for a row.
        difference: In what it differs from the copy before it; empty for the first, and for rows.
    """

    where: str
    facts: str = ""
    difference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSeen:
    """One topic.

    Args:
        records: status → how many.
        unnamed: Without an identity.
        partitions: [{"part", "low", "stable", "high"}, …].
        deleted: How many offsets lie before the beginnings of its partitions.
        missing: Offsets whose records were compacted away.
    """

    topic: str
    records: Mapping[str, int]
    unnamed: int
    partitions: Sequence[Mapping[str, int]]
    deleted: int
    missing: int

    @property
    def whole(self) -> bool:
        """Whether everything that ever came is still there."""
        return not self.deleted and not self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """A transaction that had no end when it was looked for.

    Args:
        producer: -1 where no leader says whose it is, and consumers wait behind it all the same.
        hanging: Whether nobody will end it any more: no coordinator knows it, or it is past its timeout.
    """

    topic: str
    part: int
    producer: int
    epoch: int
    first_offset: int
    age_ms: int
    transactional_id: str | None
    timeout_ms: int | None
    hanging: bool

    @property
    def spot(self) -> tuple[int, int]:
        """Partition and offset where it begins."""
        return self.part, self.first_offset


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPosition:
    """Where a group is in one partition.

    Args:
        lag: Offsets behind the end; control markers count, and so do aborted records.
        unread: Offsets between its position and the beginning of the partition: deleted before it came to them.
        beyond: Offsets that its position is past the end: the log was cut back.
    """

    group: str
    topic: str
    part: int
    committed: int
    lag: int
    unread: int
    beyond: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSeen:
    """The table, beside the topic that feeds it.

    Args:
        only_in_topic: Ids of records that no row has; None where that was not asked or cannot be judged. Likewise
            `only_in_table`: ids of rows that no record has that a consumer could have got.
        aborted: Of those only in the table: how many the topic has in aborted transactions.
        mover: The group that writes the rows, if it was named: what it has not come to is late.
        samples: Of both, [{"id", "positions"}, …].
    """

    place: str
    topic: str
    mover: str | None
    rows: int
    unnamed: int
    only_in_topic: int | None
    only_in_table: int | None
    aborted: int
    topic_samples: Sequence[Mapping[str, Any]] = ()
    table_samples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything that was found.

    Args:
        findings: The audit's.
        exhibit: The first record that a finding concerns, and where it stands.
        notes: What is worth knowing and no finding.
        unjudged: What was asked and cannot be judged, with the reason; not empty → inconclusive.
    """

    cluster_id: str
    by: str
    topics: Sequence[TopicSeen]
    findings: Sequence[Finding]
    transactions: Sequence[OpenTransaction]
    groups: Sequence[GroupPosition]
    table: TableSeen | None
    exhibit: tuple[str, Sequence[Copy]] | None = None
    notes: Sequence[str] = ()
    unjudged: Sequence[str] = ()
    unprovable: Sequence[str] = field(default_factory=tuple)
