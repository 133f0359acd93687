"""What is written down of batches, gaps and open transactions."""

from __future__ import annotations

import itertools
import zlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.audit import schema
from harness.collect.cluster import Ends, Transaction
from harness.collect.collecting import open_transactions
from harness.collect.topics import Gaps, Open, TopicRead, batch_lines, marker_line
from tests.unit.collect.logs import batch

Headers = list[tuple[str, bytes | None]]
EVERYTHING = Ends(low=0, stable=2**62, high=2**62)


def line_of(*headers: Headers) -> dict[str, Any]:
    (line,) = batch_lines(0, "plain", batch(0, headers=headers), EVERYTHING)
    return line


def test_what_our_records_carry() -> None:
    sum_ = f"{zlib.crc32(b'v'):08x}".encode()
    line = line_of(
        [
            ("eos.id", b"producer-000001"),
            ("eos.seq", b"3"),
            ("eos.sum", sum_),
            ("eos.src", b"orders/0/17"),
            ("eos.txn", b"t/1"),
        ],
        [("eos.sum", b"00000000")],
        [],
    )
    assert line["id"] == ["producer-000001", None, None]
    assert line["key"] == ["k", "k", "k"]
    assert line["seq"] == [3, None, None]
    assert line["intact"] == [True, False, None]
    assert line["src"] == [["orders", 0, 17], None, None]
    assert line["txn"] == ["t/1", None, None]


@given(st.binary(max_size=12), st.binary(max_size=12), st.binary(max_size=30))
def test_whatever_the_headers_hold_is_a_valid_line(id_: bytes, seq: bytes, src: bytes) -> None:
    line = line_of([("eos.id", id_), ("eos.seq", seq), ("eos.src", src)])
    assert schema.BATCH.fault(line) is None


def test_a_marker_is_a_valid_line() -> None:
    line = marker_line(2, batch(17, producer=5, epoch=1, marker="abort"))
    assert schema.MARKER.fault(line) is None
    assert line == {"part": 2, "marker": "abort", "pos": 17, "producer": 5, "epoch": 1}


def test_sequences_follow_offsets_also_behind_a_hole() -> None:
    """Two of five records were compacted away; the sequence wraps around in between."""
    left = batch(10, 3, sequence=2**31 - 2, deltas=[0, 3, 4])
    told = [(line["pos"], line["bseq"]) for line in batch_lines(0, "plain", left, EVERYTHING)]
    assert told == [([10], 2**31 - 2), ([13, 14], 1)]
    none = batch(10, 3, producer=-1, sequence=-1, deltas=[0, 3, 4])
    assert [line["bseq"] for line in batch_lines(0, "plain", none, EVERYTHING)] == [-1, -1]


def test_only_what_lies_between_the_ends() -> None:
    """Records were deleted in the middle of a batch, and the end was asked for before the last one came."""
    found = list(batch_lines(0, "plain", batch(10, 5, sequence=7), Ends(low=12, stable=14, high=14)))
    assert [(line["pos"], line["bseq"]) for line in found] == [([12, 13], 9)]


@given(st.sets(st.integers(0, 30), min_size=1), st.integers(0, 31), st.integers(0, 31))
def test_runs_are_what_is_left(deltas: set[int], low: int, high: int) -> None:
    kept = sorted(deltas)
    ends = Ends(low, high, high)
    told = [line["pos"] for line in batch_lines(0, "plain", batch(0, len(kept), deltas=kept), ends)]
    assert [pos for run in told for pos in run] == [pos for pos in kept if low <= pos < high]
    assert all(run == list(range(run[0], run[0] + len(run))) for run in told)
    assert all(one[-1] + 1 < other[0] for one, other in itertools.pairwise(told))


def test_what_a_consumer_gets_is_counted() -> None:
    read = TopicRead()
    for status in ("plain", "committed", "aborted", "open"):
        for line in batch_lines(0, status, batch(10, 5), EVERYTHING):  # type: ignore[arg-type]
            read.note(0, status, line, 13)  # type: ignore[arg-type]
    assert read.committed == {0: 6}
    assert read.open == {0: {1: Open(1, 0, 10, 1_000)}}


def test_a_batch_that_lacks_records() -> None:
    gaps = Gaps(Ends(low=0, stable=10, high=10))
    gaps.pass_over(batch(0, 3, deltas=[0, 2, 3], span=5))
    gaps.pass_over(batch(5, 1, marker="commit"))
    gaps.pass_over(batch(6, 4))
    assert list(gaps.reasons("orders/0")) == ["orders/0 lacks 2 offsets from 1 on: they were compacted away"]


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
