"""What is worth showing first: one record, and the nearest cell where the same did not happen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model import Finding, Quantifier, Verdict
from harness.scenario.places import types_of
from harness.verdict import CellVerdict, Check, RepeatVerdict, RunVerdict

_PRESENCE = (Quantifier.SOME, Quantifier.SOMETIMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """The one case that is told in full.

    Args:
        check: What it contradicts (a failed run) or what it shows as expected.
        place: Where its finding is; empty where nothing was found that should have been.
        finding: None where nothing was found that should have been.
    """

    cell: CellVerdict
    repeat: RepeatVerdict
    check: Check
    place: str
    finding: Finding | None


def exhibit_of(run: RunVerdict) -> Exhibit | None:
    """The first failure; in a run that is as expected, the first anomaly that was demanded and found.

    None where a run is inconclusive (its reasons say more than a record) or shows nothing at all.
    """
    if run.verdict is Verdict.FAILED:
        return next(_failures(run.cells), None)
    if run.verdict is Verdict.AS_EXPECTED:
        return next(_expected(run.cells), None)
    return None


def nearest_clean_cell(run: RunVerdict, exhibit: Exhibit) -> CellVerdict | None:
    """The cell that differs in the fewest axes and counts 0 of the same, there, in all its repeats."""
    if exhibit.finding is None:
        return None
    kind, place = exhibit.finding.type, exhibit.place
    clean = [
        cell
        for cell in run.cells
        if cell.repeats and all(repeat.counts.get(place, {}).get(kind) == 0 for repeat in cell.repeats)
    ]
    return min(clean, key=lambda cell: _distance(cell, exhibit.cell), default=None)


def _failures(cells: Sequence[CellVerdict]) -> Iterator[Exhibit]:
    for cell in cells:
        for repeat in cell.repeats:
            for check in repeat.failures:
                yield _exhibit(cell, repeat, check)
        for check in cell.failures:
            yield _exhibit(cell, cell.repeats[0], check)


def _expected(cells: Sequence[CellVerdict]) -> Iterator[Exhibit]:
    for cell in cells:
        for repeat in cell.repeats:
            for check in repeat.checks:
                if check.count and check.quantifier in _PRESENCE and types_of(check.word):  # `fenced` has no record
                    yield _exhibit(cell, repeat, check)


def _exhibit(cell: CellVerdict, repeat: RepeatVerdict, check: Check) -> Exhibit:
    found = [
        finding
        for finding in repeat.findings
        if finding.type in types_of(check.word) and check.place in (None, finding.place)
    ]
    finding = max(found, key=lambda one: one.count, default=None)
    return Exhibit(
        cell=cell,
        repeat=repeat,
        check=check,
        place=finding.place if finding else (check.place or ""),
        finding=finding,
    )


def _distance(one: CellVerdict, other: CellVerdict) -> int:
    return sum(one.axes.get(axis) != other.axes.get(axis) for axis in {*one.axes, *other.axes})
