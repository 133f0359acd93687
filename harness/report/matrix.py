"""The matrix: a row a cell, a column a place, counts before the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from harness.model import GROUPS
from harness.report.words import VERDICT_STYLES, VERDICT_WORDS, largest, nouns_found, number, times
from harness.verdict import CellVerdict, RunVerdict


def matrix(run: RunVerdict) -> Table:
    """Counts of every place that an expectation covers, and of any other that shows something."""
    places = shown_places(run.cells)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("cell", overflow="fold")
    covered = _covered(run.cells)
    for place in places:
        table.add_column(place if place in covered else f"{place} (not judged)")
    table.add_column("verdict")
    for cell in run.cells:
        verdict = Text(VERDICT_WORDS[cell.verdict], style=VERDICT_STYLES[cell.verdict])
        table.add_row(Text(cell.label), *(Text(counts_at(cell, place)) for place in places), verdict)
    return table


def shown_places(cells: Sequence[CellVerdict]) -> list[str]:
    """In the order of the pipeline."""
    every = dict.fromkeys(place for cell in cells for place in cell.places)
    covered = _covered(cells)
    telling = {place for cell in cells for place in cell.places if nouns_found(_counts(cell, place))}
    return [place for place in every if place in covered | telling] + sorted(covered - every.keys())


def _covered(cells: Sequence[CellVerdict]) -> set[str]:
    return {place for cell in cells for outcome in cell.expectations for place in outcome.places}


def counts_at(cell: CellVerdict, place: str) -> str:
    """`20 duplicates, 0 losses`; `5–15 duplicates in 2 of 3 repeats, 0 losses`; `not judged`."""
    counts = _counts(cell, place)
    parts = [
        phrase
        for word in dict.fromkeys([*GROUPS, *nouns_found(counts)])
        if (phrase := _phrase([largest(one, word) for one in counts], word))
    ]
    return ", ".join(parts) or "not judged"


def _counts(cell: CellVerdict, place: str) -> list[dict[str, int | None]]:
    return [dict(repeat.counts.get(place, {})) for repeat in cell.repeats]


def _phrase(counts: Sequence[int | None], word: str) -> str:
    """One noun over the repeats; empty where it was judged in none."""
    known = [n for n in counts if n is not None]
    if not known:
        return ""
    shown = [n for n in known if n]
    if not shown:
        return number(0, word)
    low, high = min(shown), max(shown)
    text = number(high, word) if low == high else f"{low}–{number(high, word)}"
    return text if len(shown) == len(counts) else f"{text} {times(len(shown), len(counts))}"
