"""The places of a scenario by name, what can occur there, and which of them an expectation covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.model import FENCED, GROUPS, OCCURS, UNCOMMITTED_SUFFIX, Anomaly, PlaceKind

PLACE_SECTIONS: Mapping[str, PlaceKind] = {
    "topics": "topic",
    "tables": "table",
    "services": "service",
    "mailboxes": "mailbox",
}
"""Section of a file → the kind of the places in it."""


def kinds_of_names(names: Mapping[str, Iterable[str]]) -> dict[str, PlaceKind]:
    """Every name in these sections → what it is."""
    kinds: dict[str, PlaceKind] = {}
    for section, kind in PLACE_SECTIONS.items():
        for name in names[section]:
            kinds.setdefault(name, kind)  # one name for two places is told elsewhere
    return kinds


def place_kinds(names: Mapping[str, Iterable[str]]) -> dict[str, PlaceKind]:
    """Every place that can be named: each topic at both isolation levels, then those outside Kafka.

    Args:
        names: Section of the file → its names.
    """
    places: dict[str, PlaceKind] = {}
    for name, kind in kinds_of_names(names).items():
        places |= {name: kind} | ({name + UNCOMMITTED_SUFFIX: kind} if kind == "topic" else {})
    return places


def judged_by_default(place: str) -> bool:
    """Whether an expectation without `in` covers it.

    What aborted transactions left behind is visible at read_uncommitted by nature: it must be asked for.
    """
    return not place.endswith(UNCOMMITTED_SUFFIX)


def types_of(word: str) -> tuple[Anomaly, ...]:
    """The types behind a word of an expectation: a group's, or the one type itself; none for `fenced`."""
    if word == FENCED:
        return ()
    return GROUPS[word] if word in GROUPS else (Anomaly(word),)


def can_occur(word: str, kind: PlaceKind) -> bool:
    """Whether any type behind `word` can be found at a place of this kind."""
    return word == FENCED or not OCCURS[kind].isdisjoint(types_of(word))


def covered_places(named: tuple[str, ...], places: Mapping[str, PlaceKind]) -> tuple[str, ...]:
    """The places that an expectation with this `in` speaks of."""
    return named or tuple(place for place in places if judged_by_default(place))
