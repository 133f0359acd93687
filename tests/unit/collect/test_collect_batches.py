"""Bytes → batches → records: everything that a broker can store, and bytes that no broker stores."""

from __future__ import annotations

import gzip
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch

from harness.collect.batches import UnreadableBatchError, read_batches
from harness.collect.records import columns
from tests.unit.collect.logs import CODECS, Entry, sealed, stored, stored_marker

KEYS = st.none() | st.binary(max_size=20) | st.binary(min_size=60, max_size=70)
NAMES = ("eos.id", "eos.seq", "other")
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), KEYS), max_size=3)
ENTRIES = st.lists(st.tuples(KEYS, KEYS, HEADERS), min_size=1, max_size=8)
OFFSETS = st.integers(0, 2**62)


@given(ENTRIES, OFFSETS, st.integers(0, 2**40), st.integers(0, 2**15 - 1), st.integers(0, 2**31 - 1), st.booleans())
def test_what_was_stored_is_read(
    entries: list[Entry], first: int, producer: int, epoch: int, sequence: int, transactional: bool
) -> None:
    data = stored(entries, first=first, producer=producer, epoch=epoch, sequence=sequence, transactional=transactional)
    (batch,) = read_batches(data)
    assert (batch.first, batch.next, batch.marker, batch.records) == (first, first + len(entries), None, len(entries))
    assert (batch.producer, batch.epoch, batch.sequence) == (producer, epoch, sequence)
    assert batch.transactional is transactional
    found = columns(batch, [name.encode() for name in NAMES], values=True)
    assert found.pos == list(range(first, first + len(entries)))
    assert found.at == [1_000 + n for n in range(len(entries))]
    assert list(zip(found.keys, found.values, strict=True)) == [(key, value) for key, value, _ in entries]
    for name, column in zip(NAMES, found.headers, strict=True):
        assert column == [dict(headers).get(name) for *_, headers in entries]
    lean = columns(batch)
    assert (lean.pos, lean.at, lean.keys, lean.values, lean.headers) == (found.pos, found.at, found.keys, [], ())


@given(
    st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5, unique=True).map(sorted),
    st.lists(st.integers(-(2**50), 2**50), min_size=5, max_size=5),
)
def test_numbers_of_any_length(deltas: list[int], times: list[int]) -> None:
    """Offsets and timestamps far apart take up to ten bytes each; kafka-python reads the same."""
    data = bytearray(stored([(b"k", b"v", [])] * len(deltas), deltas=deltas))
    (batch,) = read_batches(bytes(data))
    other = [(record.offset, record.timestamp) for record in DefaultRecordBatch(data)]
    found = columns(batch)
    assert list(zip(found.pos, found.at, strict=True)) == other
    struct.pack_into(">q", data, 27, times[0])
    (moved,) = read_batches(sealed(data))
    assert columns(moved).at == [times[0] + at - 1_000 - deltas[0] for at in found.at]


def test_the_brokers_clock() -> None:
    """With `message.timestamp.type=LogAppendTime` every record has the last timestamp of its batch."""
    data = bytearray(stored([(b"k", b"v", [])] * 3))
    data[22] |= 0x08
    struct.pack_into(">q", data, 35, 77)
    (batch,) = read_batches(sealed(data))
    assert columns(batch).at == [77, 77, 77]


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_every_codec(codec: str) -> None:
    entries: list[Entry] = [(b"k", b"value " * 50_000, [("eos.id", b"a")]), (None, None, [])]
    (batch,) = read_batches(stored(entries, codec=codec))
    found = columns(batch, [b"eos.id"], values=True)
    assert list(zip(found.keys, found.values, strict=True)) == [(b"k", b"value " * 50_000), (None, None)]
    assert found.headers == ([b"a", None],)


@pytest.mark.parametrize("kind", ["commit", "abort"])
def test_markers(kind: str) -> None:
    (marker,) = read_batches(stored_marker(kind, first=17, producer=5, epoch=3))  # type: ignore[arg-type]
    assert (marker.marker, marker.first, marker.next, marker.producer, marker.epoch) == (kind, 17, 18, 5, 3)
    assert marker.records == 0


def test_a_control_batch_that_ends_nothing() -> None:
    """A leader change is told in a control record too, but only in Kafka's own logs."""
    entry: Entry = (struct.pack(">hh", 0, 2), b"", [])
    with pytest.raises(UnreadableBatchError, match="the control batch at offset 3 ends no transaction"):
        list(read_batches(stored([entry], first=3, control=True)))


def test_several_batches_and_a_cut_off_one() -> None:
    """A fetch ends where its size ends, in the middle of a batch."""
    whole = stored([(b"a", b"1", [])]) + stored_marker("commit", first=1) + stored([(b"b", b"2", [])], first=2)
    for length in range(len(whole)):
        assert len(list(read_batches(whole[:length]))) < 3
    assert [batch.first for batch in read_batches(whole)] == [0, 1, 2]
    assert list(read_batches(None)) == []


@given(st.binary(max_size=200))
def test_no_bytes_make_it_crash(data: bytes) -> None:
    read_or_refuse(data)


@given(st.sampled_from(sorted(CODECS)), st.booleans(), st.data())
def test_no_damage_makes_it_crash(codec: str, seal: bool, data: st.DataObject) -> None:
    """Also where the checksum says that all is well: its writer may have been broken."""
    entries: list[Entry] = [(b"key", b"value" * 20, [("eos.id", b"producer-000001")])] * 3
    damaged = bytearray(stored(entries, codec=codec))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(sealed(damaged) if seal else bytes(damaged))


def read_or_refuse(data: bytes) -> None:
    try:
        for batch in read_batches(data):
            columns(batch, [b"eos.id"], values=True)
    except UnreadableBatchError as error:
        assert "\n" not in str(error)


@given(st.data())
def test_a_flipped_bit_is_noticed(data: st.DataObject) -> None:
    damaged = bytearray(stored([(b"key", b"value" * 20, [])] * 3, first=7))
    damaged[data.draw(st.integers(21, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(UnreadableBatchError, match="the batch at offset 7 is damaged: its checksum"):
        list(read_batches(bytes(damaged)))


def test_a_reason_is_told() -> None:
    good = bytearray(stored([(b"k", b"v", [])]))

    def refused(reason: str, data: bytearray) -> None:
        with pytest.raises(UnreadableBatchError, match=reason):
            for batch in read_batches(sealed(data)):
                columns(batch)

    refused("offset 0 is of format 1", good[:16] + b"\1" + good[17:])
    refused("unknown codec 7", good[:22] + b"\7" + good[23:])
    refused("cannot be decompressed", good[:22] + b"\1" + good[23:])
    refused("ends before it begins", good[:23] + struct.pack(">i", -1) + good[27:])
    refused("does not have room for 99 records", good[:57] + struct.pack(">i", 99) + good[61:])
    refused("not as long as its 0 records", good[:57] + struct.pack(">i", 0) + good[61:])
    refused("breaks off within a record|not as long as", good[:57] + struct.pack(">i", 2) + good[61:])
    refused("says that it is 5 bytes long", good[:8] + struct.pack(">i", 5) + good[12:])


def test_a_batch_that_is_many_times_its_size() -> None:
    """gzip makes little of much; nothing is reserved before it is there."""
    body = stored([(b"k", b"v", [])])[61:]
    squeezed = gzip.compress(body)
    data = bytearray(stored([(b"k", b"v", [])])[:61] + squeezed)
    data[22] |= 1
    struct.pack_into(">i", data, 8, len(data) - 12)
    (batch,) = read_batches(sealed(data))
    assert columns(batch, values=True).values == [b"v"]
