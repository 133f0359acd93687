"""From the bytes of a fetch to record batches, control markers included. Pure.

Our own decoder, since no well-kept library gives a batch's producer id, epoch, sequence and markers at the speed of a
consumer: kafka-python parses record by record into objects, librdkafka throws the batch away. A batch's frame is one
`struct`; its records are decoded only when somebody asks for them (`records.py`). The checksum and the codecs are
libraries'.

Whatever is wrong with the bytes, one error says so: it is a reason not to judge a place, never a traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Literal, NamedTuple

from crc32c import crc32c
from kafka import codec

Marker = Literal["commit", "abort"]

_FRAME = Struct(">qiibIhiqqqhii")
"""Base offset, length behind it, leader epoch, magic, checksum, attributes, last offset delta, first and last
timestamp, producer id, epoch, base sequence, number of records."""
_LENGTH = Struct(">qi")
_CHECKED_FROM = 21  # the checksum covers everything from the attributes on
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_MARKER_KEY = Struct(">hh")  # version, type
_MARKERS: dict[int, Marker] = {0: "abort", 1: "commit"}
_CODECS = {1: codec.gzip_decode, 2: codec.snappy_decode, 3: codec.lz4_decode, 4: codec.zstd_decode}


class UnreadableBatchError(Exception):
    """Bytes that are no record batch, or one of an unknown codec; the message says which and why, on one line."""


class Batch(NamedTuple):
    """One record batch, or one control marker.

    A tuple, since a frozen dataclass takes longer to make than a batch of one record to decode.

    Args:
        first: Offset that it begins at; its first record may have been compacted away.
        next: Offset behind it.
        leader_epoch: Of the leader that wrote it into the log.
        producer: Producer id; -1 when it has none. Likewise `epoch`.
        sequence: Of the record at `first`; -1 when it has none.
        marker: What a control marker ends the producer's transaction with; None for a batch of records.
        records: How many are (still) in it; 0 in a control marker.
        at: Timestamp that those of its records are counted from, ms.
        appended: Whether the broker's clock gave all of them that one timestamp.
        data: Its bytes, as they stand in the log.
    """

    first: int
    next: int
    leader_epoch: int
    producer: int
    epoch: int
    sequence: int
    transactional: bool
    marker: Marker | None
    records: int
    at: int
    appended: bool
    data: bytes

    def body(self) -> bytes:
        """Its records, one behind the other, decompressed.

        Raises:
            UnreadableBatchError: Its codec is unknown, or does not understand the bytes.
        """
        return _body(self.first, self.data)


def read_batches(data: bytes | None) -> Iterator[Batch]:
    """The whole batches of a fetch; the last may be cut off, and comes again with the next one.

    Raises:
        UnreadableBatchError: While iterating, at the first batch that cannot be read.
    """
    view = memoryview(data or b"")
    begin = 0
    while len(view) - begin >= _FRAME.size:
        first, length = _LENGTH.unpack_from(view, begin)
        end = begin + _LENGTH.size + length
        if length < _FRAME.size - _LENGTH.size:
            raise UnreadableBatchError(f"the batch at offset {first} says that it is {length} bytes long")
        if end > len(view):
            return
        yield _batch(bytes(view[begin:end]))
        begin = end


def _batch(data: bytes) -> Batch:
    frame = _FRAME.unpack_from(data)
    first, _, leader_epoch, magic, checksum, attributes, last, at, last_at, producer, epoch, sequence, count = frame
    if magic != 2:
        raise UnreadableBatchError(f"the batch at offset {first} is of format {magic}, which Kafka 4 does not have")
    if crc32c(memoryview(data)[_CHECKED_FROM:]) != checksum:
        raise UnreadableBatchError(f"the batch at offset {first} is damaged: its checksum is not that of its bytes")
    if first < 0 or last < 0 or count < 0:
        raise UnreadableBatchError(f"the batch at offset {first} ends before it begins")
    marker = None
    if attributes & _CONTROL:
        marker, count = _marker(first, data, count), 0
    appended, transactional = bool(attributes & _APPEND_TIME), bool(attributes & _TRANSACTIONAL)
    return Batch(
        first,
        first + last + 1,
        leader_epoch,
        producer,
        epoch,
        sequence,
        transactional,
        marker,
        count,
        last_at if appended else at,
        appended,
        data,
    )


def _marker(first: int, data: bytes, count: int) -> Marker | None:
    if not count:  # compacted away: only the batch's frame is kept
        return None
    body = _body(first, data)
    # Length, attributes, timestamp and offset deltas (0), the key's length (4 bytes, so 8 in zigzag): a byte each,
    # since a control record is as short as this.
    if count == 1 and len(body) > 9 and body[4] == 8:
        marker = _MARKERS.get(_MARKER_KEY.unpack_from(body, 5)[1])
        if marker is not None:
            return marker
    raise UnreadableBatchError(f"the control batch at offset {first} ends no transaction")


def _body(first: int, data: bytes) -> bytes:
    number = data[_CHECKED_FROM + 1] & _CODEC
    raw = data[_FRAME.size :]
    if not number:
        return raw
    if number not in _CODECS:
        raise UnreadableBatchError(f"the batch at offset {first} is compressed with unknown codec {number}")
    try:
        return bytes(_CODECS[number](raw))
    except Exception as error:  # the codecs raise whatever the bytes make them stumble over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableBatchError(f"the batch at offset {first} cannot be decompressed: {reason}") from error
