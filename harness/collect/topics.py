"""A topic's sightings: every record of every partition, with what became of its batch."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.apps.records import ID, SEQ, SRC, SUM, TXN
from harness.collect.batches import Batch, Record, UnreadableBatchError
from harness.collect.cluster import Cluster, Ends, Partition
from harness.collect.files import Sightings
from harness.collect.log import Deadline, read_log
from harness.collect.status import Status
from harness.collect.wire import BrokerAwayError

_SEQUENCES = 2**31  # they wrap around


@dataclass(frozen=True, slots=True)
class Open:
    """A producer's transaction that has no end in the log.

    Args:
        first: Offset of its first record in this partition.
        at: That record's timestamp, in milliseconds.
    """

    producer: int
    epoch: int
    first: int
    at: int


@dataclass(slots=True)
class TopicRead:
    """What was found while a topic was read.

    Attributes:
        reasons: Why it was not read whole.
        committed: partition → how many records a read_committed consumer gets.
        open: partition → transactions without an end.
    """

    reasons: list[str] = field(default_factory=list)
    committed: Counter[int] = field(default_factory=Counter)
    open: dict[int, dict[int, Open]] = field(default_factory=dict)


def read_topic(
    cluster: Cluster, topic: str, place: str, ends: Mapping[Partition, Ends], deadline: Deadline, out: Sightings
) -> TopicRead:
    """Writes the sightings of one topic.

    Args:
        ends: Of the topic's partitions, of others too.
    """
    read = TopicRead()
    for partition, borders in sorted(ends.items()):
        if partition[0] == topic:
            name = f"{place}/{partition[1]}"
            try:
                _read_partition(cluster, partition, borders, deadline, read, out, name)
            except (BrokerAwayError, UnreadableBatchError) as error:
                read.reasons.append(f"{name} could not be read whole: {error}")
    return read


def _read_partition(
    cluster: Cluster, partition: Partition, ends: Ends, deadline: Deadline, read: TopicRead, out: Sightings, name: str
) -> None:
    part = partition[1]
    gaps = Gaps(ends)
    for status, batch in read_log(cluster, partition, ends, deadline):
        if deadline.passed:
            raise BrokerAwayError("the time for it is over")
        if status is None:
            out.write(marker_line(part, batch))
            gaps.seen(batch.first, batch.next)
            continue
        for run in runs(record for record in batch.records if ends.low <= record.pos < ends.high):
            out.write(batch_line(part, status, batch, run))
            gaps.seen(run[0].pos, run[-1].pos + 1)
            if status in ("plain", "committed") and run[-1].pos < ends.stable:
                read.committed[part] += len(run)
            if status == "open":
                found = Open(batch.producer, batch.epoch, run[0].pos, run[0].at)
                read.open.setdefault(part, {}).setdefault(batch.producer, found)
    read.reasons += gaps.reasons(name)


@dataclass(slots=True)
class Gaps:
    """Offsets that hold nothing: their records were compacted away, or deleted, and may have been anything."""

    ends: Ends
    missing: int = 0
    first_missing: int = -1
    next: int = -1

    def seen(self, first: int, next_: int) -> None:
        expected = self.ends.low if self.next < 0 else self.next
        if first > expected:
            self.missing += first - expected
            self.first_missing = self.first_missing if self.first_missing >= 0 else expected
        self.next = next_

    def reasons(self, name: str) -> Iterator[str]:
        self.seen(self.ends.high, self.ends.high)
        if self.ends.low:
            yield f"{name} begins at offset {self.ends.low}: what was before it was deleted"
        if self.missing:
            yield f"{name} lacks {self.missing} offsets from {self.first_missing} on: they were compacted away"


def runs(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records split where offsets are missing: within each run, sequences follow one another as offsets do."""
    run: list[Record] = []
    for record in records:
        if run and record.pos != run[-1].pos + 1:
            yield run
            run = []
        run.append(record)
    if run:
        yield run


def marker_line(part: int, batch: Batch) -> dict[str, Any]:
    return {
        "part": part,
        "marker": batch.marker,
        "pos": batch.first,
        "producer": batch.producer,
        "epoch": batch.epoch,
    }


def batch_line(part: int, status: Status, batch: Batch, run: Sequence[Record]) -> dict[str, Any]:
    """One line of the sightings: consecutive records of one batch."""
    sequence = -1
    if batch.sequence >= 0:
        sequence = (batch.sequence + run[0].pos - batch.first) % _SEQUENCES
    return {
        "part": part,
        "producer": batch.producer,
        "epoch": batch.epoch,
        "bseq": sequence,
        "transactional": batch.transactional,
        "status": status,
        "pos": [record.pos for record in run],
        "id": [_text(record.headers.get(ID)) for record in run],
        "key": [_text(record.key) for record in run],
        "seq": [_number(_text(record.headers.get(SEQ))) for record in run],
        "src": [_source(_text(record.headers.get(SRC))) for record in run],
        "txn": [_text(record.headers.get(TXN)) for record in run],
        "intact": [_intact(record) for record in run],
        "at": [record.at for record in run],
    }


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="replace")


def _number(text: str | None) -> int | None:
    """A whole number of 64 bits; None when it is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _source(text: str | None) -> list[Any] | None:
    """`orders/0/17` as [place, partition, offset]; None when it is not that."""
    place, _, rest = (text or "").partition("/")
    part, _, pos = rest.partition("/")
    numbers = _number(part), _number(pos)
    return [place, *numbers] if place and None not in numbers else None


def _intact(record: Record) -> bool | None:
    """Whether the value has the checksum that it carries; None when it carries none."""
    carried = _text(record.headers.get(SUM))
    return None if carried is None else carried == f"{zlib.crc32(record.value or b''):08x}"
