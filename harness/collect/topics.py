"""A topic's sightings: every record of every partition, with what became of its batch."""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.apps.records import ID, SEQ, SRC, SUM, TXN
from harness.collect.batches import Batch, UnreadableBatchError
from harness.collect.cluster import Cluster, Ends, LogChangedError, Partition
from harness.collect.files import Sightings
from harness.collect.log import Deadline, raw_log
from harness.collect.records import columns
from harness.collect.status import Fates, Settled, Status
from harness.collect.wire import BrokerAwayError

_SEQUENCES = 2**31  # they wrap around
_HEADERS = tuple(name.encode() for name in (ID, SEQ, SRC, TXN, SUM))

Line = dict[str, Any]


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

    def note(self, part: int, status: Status, line: Line, stable: int) -> None:
        """Remember what a line of the sightings says."""
        positions = line["pos"]
        if status == "open":
            found = Open(line["producer"], line["epoch"], positions[0], line["at"][0])
            self.open.setdefault(part, {}).setdefault(found.producer, found)
        elif status != "aborted" and positions[0] < stable:
            self.committed[part] += bisect_left(positions, stable)


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
            except (BrokerAwayError, LogChangedError, UnreadableBatchError) as error:
                read.reasons.append(f"{name} could not be read whole: {error}")
    return read


def _read_partition(
    cluster: Cluster, partition: Partition, ends: Ends, deadline: Deadline, read: TopicRead, out: Sightings, name: str
) -> None:
    part = partition[1]
    gaps = Gaps(ends)
    fates = Fates()

    def write(settled: Iterator[Settled]) -> None:
        for status, batch in settled:
            if status is None:
                out.write(marker_line(part, batch))
                continue
            for line in batch_lines(part, status, batch, ends):
                out.write(line)
                read.note(part, status, line, ends.stable)

    try:
        for batch in raw_log(cluster, partition, ends.low, ends.high, deadline):
            if deadline.passed:
                raise BrokerAwayError("the time for it is over")
            gaps.pass_over(batch)
            write(fates.settle(batch))
        write(fates.rest(ends.stable))
    finally:
        fates.close()
    read.reasons += gaps.reasons(name)


@dataclass(slots=True)
class Gaps:
    """Offsets that hold nothing: their records were compacted away, or deleted, and may have been anything.

    A log loses records in no other way and leaves a hole: what a truncation takes away, other records replace.
    """

    ends: Ends
    missing: int = 0
    first_missing: int = -1
    next: int = -1

    def pass_over(self, batch: Batch) -> None:
        """The next batch of the log."""
        if batch.marker or batch.records == batch.next - batch.first:
            self.seen(batch.first, batch.next)
            return
        found = columns(batch)
        for begin, end in runs(found.pos, self.ends):
            self.seen(found.pos[begin], found.pos[end - 1] + 1)

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


def runs(positions: Sequence[int], ends: Ends) -> Iterator[tuple[int, int]]:
    """Ranges of indexes without a missing offset, within the partition's ends: sequences follow offsets there."""
    last = len(positions) - 1
    if positions and ends.low <= positions[0] and positions[-1] < ends.high and positions[-1] == positions[0] + last:
        yield 0, len(positions)  # nearly always
        return
    begin = 0
    for index, pos in enumerate(positions):
        inside = ends.low <= pos < ends.high
        if not inside or (begin < index and pos != positions[index - 1] + 1):
            if begin < index:
                yield begin, index
            begin = index if inside else index + 1
    if begin < len(positions):
        yield begin, len(positions)


def marker_line(part: int, batch: Batch) -> Line:
    return {
        "part": part,
        "marker": batch.marker,
        "pos": batch.first,
        "producer": batch.producer,
        "epoch": batch.epoch,
    }


def batch_lines(part: int, status: Status, batch: Batch, ends: Ends) -> Iterator[Line]:
    """The sightings of one batch of our records: a line for each run of consecutive offsets."""
    found = columns(batch, _HEADERS, values=True)
    ids, seqs, sources, txns, sums = found.headers
    told: dict[str, list[Any]] = {
        "pos": found.pos,
        "id": texts(ids),
        "key": texts(found.keys),
        "seq": list(map(_number, seqs)),
        "src": list(map(_source, sources)),
        "txn": texts(txns),
        "intact": list(map(_intact, sums, found.values)),
        "at": found.at,
    }
    yield from run_lines(part, status, batch, ends, told)


def run_lines(part: int, status: Status, batch: Batch, ends: Ends, told: Mapping[str, list[Any]]) -> Iterator[Line]:
    """The lines of one batch.

    Args:
        told: Column → one value per record; `pos` among them.
    """
    positions = told["pos"]
    for begin, end in runs(positions, ends):
        sequence = -1
        if batch.sequence >= 0:
            sequence = (batch.sequence + positions[begin] - batch.first) % _SEQUENCES
        yield {
            "part": part,
            "producer": batch.producer,
            "epoch": batch.epoch,
            "bseq": sequence,
            "transactional": batch.transactional,
            "status": status,
            **{name: column[begin:end] for name, column in told.items()},
        }


def texts(column: Sequence[bytes | None]) -> list[str | None]:
    """What is no UTF-8 is marked as such, not refused."""
    try:
        return [None if raw is None else str(raw, "utf-8") for raw in column]
    except UnicodeDecodeError:
        return [None if raw is None else str(raw, "utf-8", "replace") for raw in column]


def _number(raw: bytes | None) -> int | None:
    """A whole number of 64 bits; None when it is none."""
    return int(raw) if raw and raw.isdigit() and len(raw) <= 18 else None


def _source(raw: bytes | None) -> list[Any] | None:
    """`orders/0/17` as [place, partition, offset]; None when it is not that."""
    pieces = raw.split(b"/") if raw else ()
    if len(pieces) != 3:
        return None
    place, part, pos = pieces
    if not (place and part.isdigit() and pos.isdigit() and len(part) <= 18 and len(pos) <= 18):
        return None
    return [str(place, "utf-8", "replace"), int(part), int(pos)]


def _intact(carried: bytes | None, value: bytes | None) -> bool | None:
    """Whether the value has the checksum that its record carries; None when it carries none."""
    return None if carried is None else carried == b"%08x" % zlib.crc32(value or b"")
