"""The last line: the verdict in words, and where exactly-once stopped. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.model import Anomaly, Verdict
from harness.report.words import largest, nouns_found, number, times
from harness.verdict import CellVerdict, Check, RunVerdict

_CASES_SHOWN_MAX = 3


def conclusion(run: RunVerdict) -> str:
    """What comes after the verdict's word, in one sentence without a full stop."""
    if run.verdict is Verdict.FAILED:
        return _at_most(_failures(run.cells), _CASES_SHOWN_MAX)
    if run.verdict is Verdict.INCONCLUSIVE:
        return _inconclusive(run)
    if run.verdict is Verdict.NOT_JUDGED:
        return "no expectation covers any cell; the counts are above"
    return _as_expected(run.cells)


def reasons_of(run: RunVerdict) -> list[str]:
    """Why a run is inconclusive, with the cell and repeats that each reason belongs to."""
    lines: list[str] = []
    for cell in run.cells:
        by_reason: dict[str, list[int]] = {}
        for repeat in cell.repeats:
            for reason in repeat.reasons:
                by_reason.setdefault(reason, []).append(repeat.repeat)
        where = _cell_named(cell.label, "{}, ")
        for reason, repeats in by_reason.items():
            ordinal = "repeat" if len(repeats) == 1 else "repeats"
            lines.append(f"{where}{ordinal} {', '.join(map(str, repeats))}: {reason}")
        lines += [f"{_cell_named(cell.label, '{}: ')}{reason}" for reason in cell.reasons]
    return lines


def _cell_named(label: str, form: str) -> str:
    """A run without a matrix has one cell, `all`: naming it would only puzzle."""
    return "" if label == "all" else form.format(label)


def _inconclusive(run: RunVerdict) -> str:
    judged = sum(cell.verdict is Verdict.AS_EXPECTED for cell in run.cells)
    cells = f"{judged} of {len(run.cells)} {'cell' if len(run.cells) == 1 else 'cells'} as expected"
    if run.environment_failure:
        return f"the environment failed: {run.environment_failure.splitlines()[0]} ({cells})"
    if run.interrupted:
        return f"interrupted ({cells})"
    reasons = reasons_of(run)
    return f"{_at_most(reasons, 1)} ({cells})" if reasons else cells


def _failures(cells: Sequence[CellVerdict]) -> Iterator[str]:
    for cell in cells:
        checks = dict.fromkeys((check.expectation, check.place, check.word) for check in _failed_checks(cell))
        for identity in checks:
            yield _failure(cell, identity)


def _failed_checks(cell: CellVerdict) -> Iterator[Check]:
    for repeat in cell.repeats:
        yield from repeat.failures
    yield from cell.failures


def _failure(cell: CellVerdict, identity: tuple[int, str | None, str]) -> str:
    same = [check for check in _failed_checks(cell) if (check.expectation, check.place, check.word) == identity]
    check = same[0]
    where = f"in {check.place}" if check.place else "at any place"
    when = _cell_named(cell.label, " when {}")
    how_often = times(len(same), len(cell.repeats))
    if check.count:
        most = max(same, key=lambda one: one.count or 0)
        return f"{number(most.count or 0, check.word)} {where}{when} {how_often}, expected none"
    if check in cell.failures:
        how_often = times(0, len(cell.repeats)).replace("0 of", "any of")
    return f"no {_singular(check.word)} {where}{when} {how_often}, expected {check.quantifier.value}"


def _singular(word: str) -> str:
    return number(1, word).removeprefix("1 ")


def _as_expected(cells: Sequence[CellVerdict]) -> str:
    covered = dict.fromkeys(place for cell in cells for outcome in cell.expectations for place in outcome.places)
    stops = {place: list(_stops(cells, place)) for place in covered}
    held = [place for place in covered if not stops[place]]
    broken = [f"at {place} {', '.join(cases)}" for place, cases in stops.items() if cases]
    sentences = []
    if held:
        sentences.append(f"exactly-once held in {', '.join(held)}")
    if broken:
        sentences.append(f"it stops {'; '.join(broken)}" if held else f"exactly-once stops {'; '.join(broken)}")
    return "; ".join(sentences) or "nothing was covered"


def _stops(cells: Sequence[CellVerdict], place: str) -> Iterator[str]:
    """`when write=insert (20 duplicates in 1 of 1 repeats)` for every kind of anomaly seen at a place."""
    for word in nouns_found(repeat.counts.get(place, {}) for cell in cells for repeat in cell.repeats):
        if word == Anomaly.STALLED:
            continue
        seen = {
            cell.label: [largest(repeat.counts.get(place, {}), word) or 0 for repeat in cell.repeats] for cell in cells
        }
        showing = [cell for cell in cells if any(seen[cell.label])]
        counts = [count for cell in showing for count in seen[cell.label]]
        shown = [count for count in counts if count]
        low, high = min(shown), max(shown)
        amount = number(high, word) if low == high else f"{low}–{number(high, word)}"
        when = common_terms(showing, cells)
        yield f"{when and f'when {when} '}({amount} {times(len(shown), len(counts))})"


def common_terms(some: Sequence[CellVerdict], every: Sequence[CellVerdict]) -> str:
    """What tells `some` cells from all the others, as shortly as possible.

    `commit=after_write` when one axis explains it; else the labels; empty when it is all of them.
    """
    labels = {cell.label for cell in some}
    if len(some) == len(every):
        return ""
    axes: Iterable[str] = dict.fromkeys(axis for cell in every for axis in cell.axes)
    for axis in axes:
        values = list(dict.fromkeys(cell.axes[axis] for cell in some if axis in cell.axes))
        if {cell.label for cell in every if _has(cell.axes, axis, values)} == labels:
            return f"{axis}={' or '.join(values)}"
    return _at_most([cell.label for cell in some], _CASES_SHOWN_MAX)


def _has(axes: Mapping[str, str], axis: str, values: Sequence[str]) -> bool:
    return axes.get(axis) in values


def _at_most(parts: Iterable[str], most: int) -> str:
    every = list(parts)
    shown = "; ".join(every[:most])
    return shown if len(every) <= most else f"{shown}; and {len(every) - most} more"
