"""Counts in words, and the shortest way to say which cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from harness.model import Anomaly, Verdict
from harness.report.conclusion import common_terms
from harness.report.matrix import counts_at
from harness.report.words import VERDICT_STYLES, VERDICT_WORDS, number
from harness.verdict import CellVerdict, RepeatVerdict


def cell(axes: Mapping[str, str], *repeats: Mapping[str, int | None]) -> CellVerdict:
    """A cell whose repeats counted these types at `rows`."""
    return CellVerdict(
        label=",".join(f"{axis}={value}" for axis, value in axes.items()) or "all",
        axes=axes,
        verdict=Verdict.AS_EXPECTED,
        planned=len(repeats),
        repeats=tuple(
            RepeatVerdict(
                repeat=k,
                verdict=Verdict.AS_EXPECTED,
                reasons=(),
                failures=(),
                checks=(),
                counts={"rows": counts},
                findings=(),
                faults=(),
            )
            for k, counts in enumerate(repeats, 1)
        ),
        expectations=(),
    )


@pytest.mark.parametrize(
    ("count", "word", "text"),
    [
        (0, "duplicates", "0 duplicates"),
        (1, "duplicates", "1 duplicate"),
        (1, Anomaly.LOST_WRITE, "1 loss"),
        (20, Anomaly.SINK_DUPLICATE, "20 duplicates"),
        (2, Anomaly.TORN_TRANSACTION, "2 torn transactions"),
        (1, Anomaly.STALLED, "1 stalled"),
    ],
)
def test_a_number_and_its_noun(count: int, word: str, text: str) -> None:
    assert number(count, word) == text


@pytest.mark.parametrize(
    ("repeats", "text"),
    [
        ([{"sink-duplicate": 20, "sink-loss": 0}], "20 duplicates, 0 losses"),
        ([{"sink-duplicate": 0, "sink-loss": 1}], "0 duplicates, 1 loss"),
        # One record may show several types of a group: it counts once.
        ([{"duplicate": 3, "duplicate-processing": 5, "lost-write": 0}], "5 duplicates, 0 losses"),
        ([{"sink-duplicate": 5}, {"sink-duplicate": 15}], "5–15 duplicates"),
        (
            [{"sink-duplicate": 0}, {"sink-duplicate": 15}, {"sink-duplicate": 5}],
            "5–15 duplicates in 2 of 3 repeats",
        ),
        ([{"sink-duplicate": None, "sink-loss": 0}], "0 losses"),  # not judged is not zero
        ([{"sink-duplicate": None}], "not judged"),
        ([{"sink-duplicate": 0, "sink-loss": 0, "stalled": 1}], "0 duplicates, 0 losses, 1 stalled"),
        ([], "not judged"),
    ],
)
def test_counts_of_a_place(repeats: Sequence[Mapping[str, int | None]], text: str) -> None:
    assert counts_at(cell({}, *repeats), "rows") == text


class TestCommonTerms:
    CELLS: ClassVar = [
        cell({"client": client, "commit": commit})
        for client in ("kafka-python", "confluent-kafka")
        for commit in ("before", "after", "transaction")
    ]

    @pytest.mark.parametrize(
        ("chosen", "text"),
        [
            ([1, 4], "commit=after"),
            ([0, 1, 3, 4], "commit=before or after"),
            ([0, 1, 2], "client=kafka-python"),
            ([0, 4], "client=kafka-python,commit=before; client=confluent-kafka,commit=after"),
            ([0, 1, 2, 3, 4, 5], ""),
        ],
    )
    def test_one_axis_if_it_explains_it_else_the_cells(self, chosen: list[int], text: str) -> None:
        assert common_terms([self.CELLS[k] for k in chosen], self.CELLS) == text

    def test_a_long_list_is_cut_and_says_so(self) -> None:
        chosen = [self.CELLS[k] for k in (0, 1, 2, 3)]
        assert common_terms(chosen, self.CELLS).endswith("; and 1 more")


def test_every_verdict_has_a_word_and_none_is_red_or_green() -> None:
    assert set(VERDICT_WORDS) == set(VERDICT_STYLES) == set(Verdict)
    assert not any(colour in style for style in VERDICT_STYLES.values() for colour in ("red", "green"))
