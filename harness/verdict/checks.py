"""One expectation, looked up in the counts of one repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.model import UNCOMMITTED_SUFFIX, Anomaly, Audit, Quantifier
from harness.plan import Cell, Expectation
from harness.scenario.places import types_of
from harness.verdict.model import Check

Counts = Mapping[str, int | None]


def covered_places(cell: Cell, expectation: Expectation) -> tuple[str, ...]:
    """The places an expectation speaks of; without `in:` all of the cell's but the read_uncommitted views."""
    committed = tuple(place.name for place in cell.places if place.isolation != "read_uncommitted")
    return expectation.places or committed


def checks_of(cell: Cell, expectation: Expectation, audit: Audit) -> Iterator[Check]:
    """Every word of the expectation at every place it covers, then what it does not name but is there."""
    places = covered_places(cell, expectation)
    for word, quantifier in expectation.wanted.items():
        yield from _named(expectation, places, str(word), Quantifier(quantifier), audit)
    for place in places:
        yield from _not_named(expectation, place, audit)


def _named(
    expectation: Expectation, places: tuple[str, ...], word: str, quantifier: Quantifier, audit: Audit
) -> Iterator[Check]:
    found = {place: _largest(_counts(audit, place, expectation.cause), types_of(word)) for place in places}
    wants_presence = quantifier in (Quantifier.SOME, Quantifier.SOMETIMES)

    def check(place: str | None, count: int | None) -> Check:
        return Check(expectation=expectation.index, place=place, word=word, quantifier=quantifier, count=count)

    if expectation.places:
        yield from (check(place, found[place]) for place in places)
        return
    # Without `in:` a type that cannot occur at one place is no gap while another place has it.
    known = {place: count for place, count in found.items() if count is not None}
    if wants_presence or not known:
        yield check(None, max(known.values(), default=None))
    else:
        yield from (check(place, count) for place, count in known.items())


def _not_named(expectation: Expectation, place: str, audit: Audit) -> Iterator[Check]:
    named = {kind for word in expectation.wanted for kind in types_of(str(word))}
    for kind, count in _others(audit, place, named, expectation.cause).items():
        if count and not is_legal(kind, place):
            yield Check(expectation=expectation.index, place=place, word=kind, quantifier=Quantifier.NONE, count=count)


def is_legal(kind: str, place: str) -> bool:
    """Whether a type may be at a place although no expectation names it.

    A reader with isolation level read_uncommitted sees aborted records: that is what the level means.
    """
    return kind == Anomaly.G1A and place.endswith(UNCOMMITTED_SUFFIX)


def _counts(audit: Audit, place: str, cause: str | None) -> Counts:
    counts = audit.counts.get(place, {})
    if cause is None:
        return counts
    return {kind: None if n is None else _with_cause(audit, place, kind, cause) for kind, n in counts.items()}


def _others(audit: Audit, place: str, named: set[Anomaly], cause: str | None) -> dict[str, int | None]:
    """What no word of the expectation covers: other types, and its own where they have another cause."""
    others: dict[str, int | None] = {}
    for kind, count in audit.counts.get(place, {}).items():
        if kind not in named:
            others[kind] = count
        elif cause is not None and count:
            others[kind] = count - _with_cause(audit, place, kind, cause)
    return others


def _with_cause(audit: Audit, place: str, kind: str, cause: str) -> int:
    return sum(f.causes.get(cause, 0) for f in audit.findings if f.place == place and f.type == kind)


def _largest(counts: Counts, types: Iterable[Anomaly]) -> int | None:
    return max((n for kind in types if (n := counts.get(kind)) is not None), default=None)
