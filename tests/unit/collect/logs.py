"""Record batches as brokers store them, for tests that need no broker."""

from __future__ import annotations

import struct
from typing import Literal

from kafka.record.default_records import DefaultRecordBatchBuilder

from harness.collect.batches import Batch, Record

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

Entry = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""(key, value, headers) of one record."""


def stored(
    entries: list[Entry],
    *,
    first: int = 0,
    producer: int = 1001,
    epoch: int = 0,
    sequence: int = 0,
    transactional: bool = False,
    codec: str = "none",
    control: bool = False,
) -> bytes:
    """The bytes of one batch."""
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], transactional, producer, epoch, sequence, 1 << 20)
    for number, (key, value, headers) in enumerate(entries):
        assert builder.append(number, 1_000 + number, key, value, headers) is not None
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, first)
    if control:
        attributes = struct.unpack_from(">h", data, 21)[0]
        struct.pack_into(">h", data, 21, attributes | 0x20)
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
) -> Batch:
    """A batch as it is read: records without content, or a control marker."""
    records = () if marker else tuple(Record(first + n, 1_000 + n, None, None, {}) for n in range(count))
    return Batch(first, first + count, producer, epoch, sequence, transactional, marker, records)
