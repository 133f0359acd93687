"""The places of a scenario by name, what can occur there, and which of them an expectation covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from harness.model import GROUPS, UNCOMMITTED_SUFFIX, Anomaly

PlaceKind: TypeAlias = Literal["topic", "table"]

_AT_TABLES = frozenset({Anomaly.SINK_DUPLICATE, Anomaly.SINK_LOSS, Anomaly.PHANTOM, Anomaly.DISORDER, Anomaly.STALLED})
_AT_TOPICS = frozenset(Anomaly) - {Anomaly.SINK_DUPLICATE, Anomaly.SINK_LOSS}


def place_kinds(topics: Iterable[str], tables: Iterable[str]) -> dict[str, PlaceKind]:
    """Every place that can be named: each topic at both isolation levels, then each table."""
    places: dict[str, PlaceKind] = {}
    for topic in topics:
        places |= {topic: "topic", topic + UNCOMMITTED_SUFFIX: "topic"}
    return places | dict.fromkeys(tables, "table")


def judged_by_default(place: str) -> bool:
    """Whether an expectation without `in` covers it.

    What aborted transactions left behind is visible at read_uncommitted by nature: it must be asked for.
    """
    return not place.endswith(UNCOMMITTED_SUFFIX)


def types_of(word: str) -> tuple[Anomaly, ...]:
    """The types behind a word of an expectation: a group's, or the one type itself."""
    return GROUPS[word] if word in GROUPS else (Anomaly(word),)


def can_occur(word: str, kind: PlaceKind) -> bool:
    """Whether any type behind `word` can be found at a place of this kind."""
    return not _occurring(kind).isdisjoint(types_of(word))


def covered_places(named: tuple[str, ...], places: Mapping[str, PlaceKind]) -> tuple[str, ...]:
    """The places that an expectation with this `in` speaks of."""
    return named or tuple(place for place in places if judged_by_default(place))


def _occurring(kind: PlaceKind) -> frozenset[Anomaly]:
    return _AT_TOPICS if kind == "topic" else _AT_TABLES
