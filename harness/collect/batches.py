"""From the bytes of a fetch to record batches, control markers included. Pure.

kafka-python parses them. Whatever is wrong with the bytes, one error says so: it is a reason not to judge a place,
never a traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from kafka.record.memory_records import MemoryRecords

Marker = Literal["commit", "abort"]


class UnreadableBatchError(Exception):
    """Bytes that are no record batch, or one of an unknown codec; the message says why, on one line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a log.

    Args:
        pos: Its offset.
        at: Its timestamp, in milliseconds.
        headers: The last one of each name.
    """

    pos: int
    at: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Batch:
    """One record batch, or one control marker.

    Args:
        first: Offset that it begins at; its first record may have been compacted away.
        next: Offset behind it.
        producer: Producer id; -1 when it has none. Likewise `epoch`.
        sequence: Of the record at `first`; -1 when it has none.
        marker: What a control marker ends the producer's transaction with; None for a batch of records.
        records: Those that are (still) in it, in order; none in a control marker.
    """

    first: int
    next: int
    producer: int
    epoch: int
    sequence: int
    transactional: bool
    marker: Marker | None
    records: tuple[Record, ...]


def read_batches(data: bytes | None) -> Iterator[Batch]:
    """The whole batches of a fetch; the last may be cut off, and comes again with the next one.

    Raises:
        UnreadableBatchError: While iterating, at the first batch that cannot be read.
    """
    memory = _parsed(lambda: MemoryRecords(data or b""), "the fetch")
    while (batch := _parsed(memory.next_batch, "a batch")) is not None:
        yield _parsed(partial(_batch, batch), "a batch")


def _parsed(parse: Callable[[], Any], what: str) -> Any:
    try:
        return parse()
    except UnreadableBatchError:
        raise
    except Exception as error:  # kafka-python and the codecs raise whatever the bytes make them stumble over
        reason = str(error) or type(error).__name__
        raise UnreadableBatchError(f"{what} cannot be decoded: {' '.join(reason.split())}") from error


def _batch(batch: Any) -> Batch:
    if batch.magic != 2:
        raise UnreadableBatchError(f"a batch of format {batch.magic}, which Kafka 4 does not have")
    if batch.next_offset <= batch.base_offset:
        raise UnreadableBatchError("a batch ends before it begins")
    contents = list(batch)
    return Batch(
        first=batch.base_offset,
        next=batch.next_offset,
        producer=batch.producer_id,
        epoch=batch.producer_epoch,
        sequence=batch.base_sequence,
        transactional=batch.is_transactional,
        marker=_marker(contents) if batch.is_control_batch else None,
        records=() if batch.is_control_batch else tuple(map(_record, contents)),
    )


def _marker(contents: list[Any]) -> Marker | None:
    if not contents:  # compacted away: only the batch's frame is kept
        return None
    if len(contents) == 1 and (contents[0].commit or contents[0].abort):
        return "commit" if contents[0].commit else "abort"
    raise UnreadableBatchError("a control batch that ends no transaction")


def _record(record: Any) -> Record:
    return Record(record.offset, record.timestamp, record.key, record.value, dict(record.headers))
