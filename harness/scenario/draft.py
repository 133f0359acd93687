"""The parts of a scenario that the grammar accepted, even where others are wrong: what the checks of meaning read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model import PlaceKind
from harness.scenario.faults import Fault
from harness.scenario.model import App, Expect, Mailbox, Service, Table, Topic
from harness.scenario.places import kinds_of_names


@dataclass(frozen=True, slots=True)
class Draft:
    """Each part by the path it stands at.

    Names of refused entries are still names: `names` has all of each section.
    """

    names: Mapping[str, tuple[str, ...]]
    topics: Mapping[str, Topic]
    tables: Mapping[str, Table]
    services: Mapping[str, Service]
    mailboxes: Mapping[str, Mailbox]
    apps: Mapping[str, App]
    faults: Mapping[int, Fault]
    expect: Mapping[int, Expect]
    axes: Mapping[str, tuple[str, ...]]
    complete: bool

    def kind_of(self, name: str) -> PlaceKind | None:
        """What a name in `from`, `to` or `calls` is; None when nothing is called so."""
        return kinds_of_names(self.names).get(name)

    def kinds_written(self, app: App) -> frozenset[PlaceKind]:
        """The kinds of the places outside Kafka that an app writes."""
        kinds = {self.kind_of(name) for name in app.writes}
        return frozenset(kind for kind in kinds if kind is not None and kind != "topic")
