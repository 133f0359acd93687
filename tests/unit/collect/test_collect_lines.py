"""What is written down of batches, gaps and open transactions."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from harness.audit import schema
from harness.collect.batches import Batch, Record
from harness.collect.cluster import Ends, Transaction
from harness.collect.collecting import open_transactions
from harness.collect.topics import Gaps, Open, batch_line, marker_line, runs
from tests.unit.collect.logs import batch


def record(pos: int, value: bytes = b"v", **headers: bytes) -> Record:
    named = {name.replace("_", "."): raw for name, raw in headers.items()}
    return Record(pos, 1_000, b"k", value, named)


def line_of(*records: Record) -> dict[str, object]:
    whole = Batch(records[0].pos, records[-1].pos + 1, 1, 0, 0, False, None, records)
    return batch_line(0, "plain", whole, records)


def test_what_our_records_carry() -> None:
    sum_ = f"{zlib.crc32(b'v'):08x}".encode()
    line = line_of(
        record(0, eos_id=b"producer-000001", eos_seq=b"3", eos_sum=sum_, eos_src=b"orders/0/17", eos_txn=b"t/1"),
        record(1, value=b"damaged", eos_sum=sum_),
        record(2),
    )
    assert line["id"] == ["producer-000001", None, None]
    assert line["key"] == ["k", "k", "k"]
    assert line["seq"] == [3, None, None]
    assert line["intact"] == [True, False, None]
    assert line["src"] == [["orders", 0, 17], None, None]
    assert line["txn"] == ["t/1", None, None]


@given(st.binary(max_size=12), st.binary(max_size=12), st.binary(max_size=30))
def test_whatever_the_headers_hold_is_a_valid_line(id_: bytes, seq: bytes, src: bytes) -> None:
    line = line_of(record(0, eos_id=id_, eos_seq=seq, eos_src=src))
    assert schema.BATCH.fault(line) is None


def test_a_marker_is_a_valid_line() -> None:
    line = marker_line(2, batch(17, producer=5, epoch=1, marker="abort"))
    assert schema.MARKER.fault(line) is None
    assert line == {"part": 2, "marker": "abort", "pos": 17, "producer": 5, "epoch": 1}


def test_sequences_follow_offsets_also_behind_a_hole() -> None:
    """Two of five records were compacted away; the sequence wraps around in between."""
    left = tuple(record(pos) for pos in (10, 13, 14))
    whole = Batch(10, 15, 1, 0, 2**31 - 2, False, None, left)
    told = [batch_line(0, "plain", whole, run) for run in runs(left)]
    assert [(line["pos"], line["bseq"]) for line in told] == [([10], 2**31 - 2), ([13, 14], 1)]
    no_sequence = Batch(10, 15, -1, -1, -1, False, None, left)
    assert [batch_line(0, "plain", no_sequence, run)["bseq"] for run in runs(left)] == [-1, -1]


def test_gaps_are_told() -> None:
    gaps = Gaps(Ends(low=0, stable=10, high=10))
    gaps.seen(0, 3)
    gaps.seen(5, 9)
    assert list(gaps.reasons("orders/0")) == ["orders/0 lacks 3 offsets from 3 on: they were compacted away"]


def test_no_gaps() -> None:
    gaps = Gaps(Ends(low=0, stable=4, high=4))
    gaps.seen(0, 3)
    gaps.seen(3, 4)
    assert list(gaps.reasons("orders/0")) == []
    assert list(Gaps(Ends(low=0, stable=0, high=0)).reasons("orders/0")) == []


def test_a_beginning_that_is_gone() -> None:
    gaps = Gaps(Ends(low=5, stable=6, high=6))
    gaps.seen(5, 6)
    assert list(gaps.reasons("orders/0")) == ["orders/0 begins at offset 5: what was before it was deleted"]


def test_open_transactions_and_what_their_coordinator_knows() -> None:
    topics = {"orders.k3f9": "orders"}
    found = {("orders.k3f9", 0): {1: Open(1, 0, 20, 0), 2: Open(2, 5, 30, 0)}}
    both = frozenset({("orders.k3f9", 0), ("orders.k3f9", 1), ("others", 0)})
    known = Transaction("processor-1.k3f9", 1, 0, "Ongoing", 10_000, 0, both)
    lines = list(open_transactions(topics, found, [known]))
    assert all(schema.OPEN_TRANSACTION.fault(line) is None for line in lines)
    told = [(line["part"], line["producer"], line["transactional_id"], line["first_pos"]) for line in lines]
    assert told == [
        (0, 1, "processor-1.k3f9", 20),
        (1, 1, "processor-1.k3f9", None),  # nothing was written there yet
        (0, 2, None, 30),  # hanging: no coordinator knows it
    ]
    assert [line["timeout_ms"] for line in lines] == [10_000, 10_000, None]
