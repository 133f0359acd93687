"""Names that keep repeats apart on one cluster. Pure.

One cluster serves many cells; what a repeat creates carries the run's token, the cell's number and the repeat's, so
that nothing of one repeat can be taken for another's, not even on a cluster kept from an earlier run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.model import Place


@dataclass(frozen=True, slots=True)
class Names:
    """Physical names of one repeat; `suffix` is `<run token>-<cell>-<repeat>`, letters, digits and dashes only."""

    suffix: str

    def topic(self, topic: str) -> str:
        return f"{topic}.{self.suffix}"

    def group(self, group: str) -> str:
        return f"{group}.{self.suffix}"

    def transactional_id(self, app: str, instance: int) -> str:
        """Stable over crashes: a successor fences its predecessor and aborts what it left open."""
        return f"{app}-{instance}.{self.suffix}"

    @property
    def schema(self) -> str:
        """The database schema of the repeat; a table keeps its own name inside it."""
        return "r_" + self.suffix.replace("-", "_")

    def place(self, place: Place) -> Place:
        """The place with its physical resource and group."""
        topic = place.name.partition("@")[0]
        return replace(
            place,
            resource=self.topic(topic) if place.kind == "topic" else f"{self.schema}.{place.name}",
            group=self.group(place.group) if place.group else None,
        )

    def places(self, places: Sequence[Place]) -> tuple[Place, ...]:
        return tuple(self.place(place) for place in places)
