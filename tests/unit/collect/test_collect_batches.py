"""Bytes → batches: everything that a broker can store, and bytes that no broker stores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collect.batches import UnreadableBatchError, read_batches
from tests.unit.collect.logs import CODECS, Entry, stored, stored_marker

KEYS = st.none() | st.binary(max_size=20)
HEADERS = st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=8)), max_size=3)
ENTRIES = st.lists(st.tuples(KEYS, KEYS, HEADERS), min_size=1, max_size=8)
OFFSETS = st.integers(0, 2**62)


@given(ENTRIES, OFFSETS, st.integers(0, 2**40), st.integers(0, 2**15 - 1), st.integers(0, 2**31 - 1), st.booleans())
def test_what_was_stored_is_read(
    entries: list[Entry], first: int, producer: int, epoch: int, sequence: int, transactional: bool
) -> None:
    data = stored(entries, first=first, producer=producer, epoch=epoch, sequence=sequence, transactional=transactional)
    (batch,) = read_batches(data)
    assert (batch.first, batch.next, batch.marker) == (first, first + len(entries), None)
    assert (batch.producer, batch.epoch, batch.sequence) == (producer, epoch, sequence)
    assert batch.transactional is transactional
    assert [record.pos for record in batch.records] == list(range(first, first + len(entries)))
    assert [record.at for record in batch.records] == [1_000 + n for n in range(len(entries))]
    assert [(record.key, record.value) for record in batch.records] == [(key, value) for key, value, _ in entries]
    assert [dict(record.headers) for record in batch.records] == [dict(headers) for *_, headers in entries]


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_every_codec(codec: str) -> None:
    entries: list[Entry] = [(b"k", b"value " * 50, [("eos.id", b"a")]), (None, None, [])]
    (batch,) = read_batches(stored(entries, codec=codec))
    assert [(record.key, record.value) for record in batch.records] == [(b"k", b"value " * 50), (None, None)]


@pytest.mark.parametrize("kind", ["commit", "abort"])
def test_markers(kind: str) -> None:
    (marker,) = read_batches(stored_marker(kind, first=17, producer=5, epoch=3))  # type: ignore[arg-type]
    assert (marker.marker, marker.first, marker.next, marker.producer, marker.epoch) == (kind, 17, 18, 5, 3)
    assert marker.records == ()


def test_several_batches_and_a_cut_off_one() -> None:
    whole = stored([(b"a", b"1", [])]) + stored_marker("commit", first=1) + stored([(b"b", b"2", [])], first=2)
    for length in range(len(whole)):
        assert len(list(read_batches(whole[:length]))) < 3
    assert [batch.first for batch in read_batches(whole)] == [0, 1, 2]
    assert list(read_batches(None)) == []


@given(st.binary(max_size=200))
def test_no_bytes_make_it_crash(data: bytes) -> None:
    read_or_refuse(data)


@given(st.sampled_from(sorted(CODECS)), st.data())
def test_no_damage_makes_it_crash(codec: str, data: st.DataObject) -> None:
    entries: list[Entry] = [(b"key", b"value" * 20, [("eos.id", b"producer-000001")])] * 3
    damaged = bytearray(stored(entries, codec=codec))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(bytes(damaged))


def read_or_refuse(data: bytes) -> None:
    try:
        list(read_batches(data))
    except UnreadableBatchError as error:
        assert "\n" not in str(error)


def test_a_reason_is_told() -> None:
    data = bytearray(stored([(b"k", b"v", [])]))
    data[16] = 1  # magic
    with pytest.raises(UnreadableBatchError, match="a batch"):
        list(read_batches(bytes(data)))
    data[16], data[22] = 2, data[22] | 0x07
    with pytest.raises(UnreadableBatchError, match="compression"):
        list(read_batches(bytes(data)))
