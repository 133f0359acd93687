"""The records of a batch, column by column. Pure.

The one loop that runs once per record, so it is written for speed: a varint of one or two bytes is decoded in place,
headers that nobody asked for are skipped by their length, and so is the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.collect.batches import Batch, UnreadableBatchError

_Column = list[bytes | None]
_Header = tuple[bytes, int, int, _Column | None]
"""The bytes of a header before its value, how many they are, the length of the value, the column that it goes into."""
_NO_HEADER: _Header = (b"\xff" * 11, 0, 0, None)  # begins with what is no number: nothing starts so


class Columns(NamedTuple):
    """The records of one batch (or some of them), in order; all columns are equally long.

    Args:
        pos: Offsets.
        at: Timestamps, ms.
        keys: None for a record without a key.
        values: None for a tombstone; empty when they were not asked for.
        headers: One column per header that was asked for: the last one of its name; None where a record has none.
    """

    pos: list[int]
    at: list[int]
    keys: _Column
    values: _Column
    headers: tuple[_Column, ...]


def columns(batch: Batch, headers: Sequence[bytes] = (), *, values: bool = False) -> Columns:
    """Decode the records of a batch.

    Args:
        headers: Names of those that are wanted.
        values: Whether the values are wanted.

    Raises:
        UnreadableBatchError: What stands in the batch is not that many records.
    """
    body = batch.body()
    if batch.records > len(body):  # whoever believes that reserves memory for it
        raise UnreadableBatchError(f"the batch at offset {batch.first} does not have room for {batch.records} records")
    try:
        return _decoded(batch, body, headers, values)
    except (IndexError, OverflowError) as error:
        raise UnreadableBatchError(f"the batch at offset {batch.first} breaks off within a record") from error


def _decoded(  # noqa: PLR0912, PLR0915  calls in here would cost more than what they do
    batch: Batch, body: bytes, names: Sequence[bytes], wants_values: bool
) -> Columns:
    first, base, appended = batch.first, batch.at, batch.appended
    pos: list[int] = []
    times: list[int] = []
    keys: _Column = []
    values: _Column = []
    wanted: dict[bytes, _Column] = {name: [None] * batch.records for name in names}
    layout: list[_Header] = []
    at = 0
    for index in range(batch.records):
        n = body[at]
        at += 1
        if n > 127:
            n, at = _long(body, n, at)
        end = at + (n >> 1)
        at += 1  # attributes: Kafka has none yet
        n = body[at]
        at += 1
        if n > 127:
            n, at = _long(body, n, at)
        times.append(base if appended else base + ((n >> 1) ^ -(n & 1)))
        n = body[at]
        at += 1
        if n > 127:
            n, at = _long(body, n, at)
        pos.append(first + (n >> 1))
        n = body[at]
        at += 1
        if n > 127:
            n, at = _long(body, n, at)
        if n & 1:  # -1
            keys.append(None)
        else:
            n >>= 1
            keys.append(body[at : at + n])
            at += n
        n = body[at]
        at += 1
        if n > 127:
            n, at = _long(body, n, at)
        if n & 1:
            if wants_values:
                values.append(None)
        else:
            n >>= 1
            if wants_values:
                values.append(body[at : at + n])
            at += n
        if wanted:
            at = _headers(body, at, index, wanted, layout)
            if at != end:
                raise UnreadableBatchError(f"the record at offset {pos[-1]} is not as long as it says")
        elif at >= end:
            raise UnreadableBatchError(f"the record at offset {pos[-1]} is not as long as it says")
        at = end
    if at != len(body):
        raise UnreadableBatchError(f"the batch at offset {first} is not as long as its {batch.records} records")
    return Columns(pos, times, keys, values, tuple(wanted[name] for name in names))


def _headers(body: bytes, at: int, index: int, wanted: Mapping[bytes, _Column], layout: list[_Header]) -> int:
    """Put the headers that are wanted into their columns; returns where the record ends.

    Args:
        layout: What the headers of the record before were like: those of the next one mostly begin with the same bytes,
            name and length of the value included.
    """
    left = body[at]
    at += 1
    if left > 127:
        left, at = _long(body, left, at)
    if len(layout) != left >> 1:
        if left >> 1 > len(body):
            raise IndexError("more headers than bytes")
        layout[:] = [_NO_HEADER] * (left >> 1)
    for number, (start, size, length, column) in enumerate(layout):
        if not body.startswith(start, at):
            at, layout[number] = _header(body, at, index, wanted)
            continue
        at += size
        if column is not None:
            column[index] = body[at : at + length]
        at += length
    return at


def _header(body: bytes, at: int, index: int, wanted: Mapping[bytes, _Column]) -> tuple[int, _Header]:
    """The same for one header of any form; returns where it ends, and what one like it begins with."""
    begin = at
    n = body[at]
    at += 1
    if n > 127:
        n, at = _long(body, n, at)
    n >>= 1
    column = wanted.get(body[at : at + n])
    at += n
    n = body[at]
    at += 1
    if n > 127:
        n, at = _long(body, n, at)
    if n & 1:
        if column is not None:
            column[index] = None
        return at, _NO_HEADER
    n >>= 1
    if column is not None:
        column[index] = body[at : at + n]
    return at + n, (body[begin:at], at - begin, n, column)


def _long(body: bytes, n: int, at: int) -> tuple[int, int]:
    """A varint of several bytes, still in zigzag: its value, and where it ends."""
    m = body[at]
    at += 1
    if m < 128:
        return n & 127 | m << 7, at
    n = n & 127 | (m & 127) << 7
    shift = 14
    while True:
        m = body[at]
        at += 1
        n |= (m & 127) << shift
        if m < 128:
            return n, at
        shift += 7
        if shift > 63:
            raise IndexError("a number of more than 64 bits")
