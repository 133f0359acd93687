"""What became of each batch, derived from the markers behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collect.batches import Batch
from harness.collect.status import Fates, resolve
from tests.unit.collect.logs import batch

FOREVER = 0  # nothing is below this last stable offset


def statuses(*log: Batch, stable: int = FOREVER) -> list[str | None]:
    found = {each.first: status for status, each in resolve(log, stable)}
    assert sorted(found) == [each.first for each in log]  # every one, once
    return [found[each.first] for each in log]


def test_no_transaction() -> None:
    assert statuses(batch(0, transactional=False), batch(1, producer=-1, transactional=False)) == ["plain", "plain"]


def test_the_next_marker_of_the_producer_decides() -> None:
    log = [
        batch(0, producer=1),
        batch(1, producer=2),
        batch(2, producer=2, marker="abort"),
        batch(3, producer=1),
        batch(4, producer=1, marker="commit"),
        batch(5, producer=1),
    ]
    assert statuses(*log) == ["committed", "aborted", None, "committed", None, "open"]


def test_the_epoch_of_the_marker_may_be_the_successors() -> None:
    assert statuses(batch(0, epoch=3), batch(1, epoch=4, marker="abort")) == ["aborted", None]


def test_behind_an_open_transaction_nothing_waits() -> None:
    log = [batch(0, producer=1), batch(1, producer=2, transactional=False), batch(2, producer=3, marker="commit")]
    assert statuses(*log) == ["open", "plain", None]
    assert [each.first for _, each in resolve(log, FOREVER)] == [1, 2, 0]


@pytest.mark.parametrize("memory_bytes", [0, 100, 1 << 20])
def test_a_long_transaction_waits_on_disk(memory_bytes: int, tmp_path: Path) -> None:
    fates = Fates(tmp_path, memory_bytes)
    told: list[tuple[str | None, int]] = []
    for pos in range(40):
        told += [(status, each.first) for status, each in fates.settle(batch(pos, producer=pos % 2))]
    assert told == [] and fates.unfinished == {0: 0, 1: 1}
    told += [(status, each.first) for status, each in fates.settle(batch(40, producer=0, marker="commit"))]
    assert fates.unfinished == {1: 1}
    told += [(status, each.first) for status, each in fates.rest(41)]
    fates.close()
    assert told == [
        *(("committed", pos) for pos in range(0, 40, 2)),
        (None, 40),
        *(("committed", pos) for pos in range(1, 40, 2)),
    ]


def test_below_the_last_stable_offset_nothing_is_open() -> None:
    assert statuses(batch(0, producer=1), batch(7, producer=2), stable=7) == ["committed", "open"]


def test_a_frame_whose_content_was_compacted_away() -> None:
    empty = batch(3, producer=1, sequence=-1)._replace(records=0)
    assert statuses(batch(0, producer=1), batch(1, producer=1, marker="abort"), empty, stable=4) == [
        "aborted",
        None,
        "committed",
    ]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["batch", "plain", "commit", "abort"])), max_size=30))
def test_any_log(log: list[tuple[int, str]]) -> None:
    batches = [
        batch(
            pos,
            producer=producer,
            transactional=kind != "plain",
            marker=kind if kind in ("commit", "abort") else None,  # type: ignore[arg-type]
        )
        for pos, (producer, kind) in enumerate(log)
    ]
    expected = []
    for pos, (producer, kind) in enumerate(log):
        ends = [other for writer, other in log[pos:] if writer == producer and other in ("commit", "abort")]
        word = {"commit": "committed", "abort": "aborted"}[ends[0]] if ends else "open"
        expected.append({"batch": word, "plain": "plain"}.get(kind))
    assert statuses(*batches) == expected
