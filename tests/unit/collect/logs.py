"""Record batches as brokers store them, for tests that need no broker."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Literal

from crc32c import crc32c
from kafka.record.default_records import DefaultRecordBatchBuilder

from harness.collect.batches import Batch, read_batches

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

Entry = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""(key, value, headers) of one record."""


def stored(
    entries: Sequence[Entry],
    *,
    first: int = 0,
    producer: int = 1001,
    epoch: int = 0,
    sequence: int = 0,
    transactional: bool = False,
    codec: str = "none",
    control: bool = False,
    deltas: Sequence[int] | None = None,
    span: int | None = None,
) -> bytes:
    """The bytes of one batch.

    Args:
        deltas: Of the offsets, where some records were compacted away; by default none was.
        span: How many offsets the batch had before that.
    """
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], transactional, producer, epoch, sequence, 1 << 20)
    for number, (key, value, headers) in enumerate(entries):
        delta = deltas[number] if deltas else number
        assert builder.append(delta, 1_000 + delta, key, value, headers) is not None
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, first)
    if control:
        attributes = struct.unpack_from(">h", data, 21)[0]
        struct.pack_into(">h", data, 21, attributes | 0x20)
    if span is not None:
        struct.pack_into(">i", data, 23, span - 1)
    return sealed(data)


def sealed(data: bytearray) -> bytes:
    """With the checksum that these bytes have."""
    struct.pack_into(">I", data, 17, crc32c(memoryview(data)[21:]))
    return bytes(data)


def stored_marker(kind: Literal["commit", "abort"], *, first: int, producer: int = 1001, epoch: int = 0) -> bytes:
    """The bytes of one control marker."""
    entry: Entry = (struct.pack(">hh", 0, 1 if kind == "commit" else 0), struct.pack(">hi", 0, 0), [])
    return stored([entry], first=first, producer=producer, epoch=epoch, sequence=-1, transactional=True, control=True)


def batch(
    first: int,
    count: int = 1,
    *,
    producer: int = 1,
    epoch: int = 0,
    sequence: int = 0,
    transactional: bool = True,
    marker: Literal["commit", "abort"] | None = None,
    headers: Sequence[list[tuple[str, bytes | None]]] | None = None,
    deltas: Sequence[int] | None = None,
    span: int | None = None,
) -> Batch:
    """A batch as it is read: records of key `k` and value `v`, or a control marker."""
    if marker:
        data = stored_marker(marker, first=first, producer=producer, epoch=epoch)
    else:
        data = stored(
            [(b"k", b"v", each) for each in headers or [[]] * count],
            first=first,
            producer=producer,
            epoch=epoch,
            sequence=sequence,
            transactional=transactional,
            deltas=deltas,
            span=span,
        )
    (found,) = read_batches(data)
    return found
