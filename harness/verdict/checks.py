"""One expectation, looked up in the counts of one repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.model import FENCED, Anomaly, Audit, Finding, Quantifier
from harness.plan import Cell, Expectation
from harness.scenario.places import types_of
from harness.verdict.model import Check

Counts = Mapping[str, int | None]


def covered_places(cell: Cell, expectation: Expectation) -> tuple[str, ...]:
    """The places an expectation speaks of; without `in:` all of the cell's but the read_uncommitted views."""
    committed = tuple(place.name for place in cell.places if place.isolation != "read_uncommitted")
    return expectation.places or committed


def checks_of(cell: Cell, expectation: Expectation, audit: Audit, fenced: Mapping[str, int]) -> Iterator[Check]:
    """Every word of the expectation at every place it covers, then what it does not name but is there.

    Args:
        fenced: App → how often it was.
    """
    places = covered_places(cell, expectation)
    for word, quantifier in expectation.wanted.items():
        if word == FENCED:
            found: Counts = {
                place.name: sum(fenced.get(app, 0) for app in place.writers)
                for place in cell.places
                if place.name in places
            }
        else:
            found = {place: _largest(_counts(audit, place, expectation.cause), types_of(str(word))) for place in places}
        yield from _named(expectation, found, str(word), Quantifier(quantifier))
    for place in places:
        yield from _not_named(expectation, place, audit)


def _named(expectation: Expectation, found: Counts, word: str, quantifier: Quantifier) -> Iterator[Check]:
    wants_presence = quantifier in (Quantifier.SOME, Quantifier.SOMETIMES)

    def check(place: str | None, count: int | None) -> Check:
        return Check(expectation=expectation.index, place=place, word=word, quantifier=quantifier, count=count)

    if expectation.places:
        yield from (check(place, found[place]) for place in expectation.places)
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
        if count:
            yield Check(expectation=expectation.index, place=place, word=kind, quantifier=Quantifier.NONE, count=count)


def is_legal(finding: Finding) -> bool:
    """Whether all of it may be there although no expectation names its type.

    A reader with isolation level read_uncommitted sees aborted records: that is what the level means.
    """
    return finding.count <= finding.legal


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
            others[kind] = count and count - _legal(audit, place, kind)
        elif cause is not None and count:
            others[kind] = count - _with_cause(audit, place, kind, cause)
    return others


def _legal(audit: Audit, place: str, kind: str) -> int:
    return sum(f.legal for f in audit.findings if f.place == place and f.type == kind)


def _with_cause(audit: Audit, place: str, kind: str, cause: str) -> int:
    return sum(f.causes.get(cause, 0) for f in audit.findings if f.place == place and f.type == kind)


def _largest(counts: Counts, types: Iterable[Anomaly]) -> int | None:
    return max((n for kind in types if (n := counts.get(kind)) is not None), default=None)
