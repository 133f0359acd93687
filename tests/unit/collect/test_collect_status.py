"""What became of each batch, derived from the markers behind it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.collect.batches import Batch
from harness.collect.status import resolve
from tests.unit.collect.logs import batch

FOREVER = 0  # nothing is below this last stable offset


def statuses(*log: Batch, stable: int = FOREVER) -> list[str | None]:
    found = list(resolve(log, stable))
    assert [each for _, each in found] == list(log)  # complete and in order
    return [status for status, _ in found]


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


def test_behind_an_open_transaction_everything_keeps_its_place() -> None:
    log = [batch(0, producer=1), batch(1, producer=2, transactional=False), batch(2, producer=3, marker="commit")]
    assert statuses(*log) == ["open", "plain", None]


def test_below_the_last_stable_offset_nothing_is_open() -> None:
    assert statuses(batch(0, producer=1), batch(7, producer=2), stable=7) == ["committed", "open"]


def test_a_frame_whose_content_was_compacted_away() -> None:
    empty = Batch(3, 4, 1, 0, -1, True, None, ())
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
