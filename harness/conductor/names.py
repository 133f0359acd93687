"""Names that keep repeats apart on one cluster. Pure.

One cluster serves many cells; what a repeat creates carries the run's token, the cell's number and the repeat's, so
that nothing of one repeat can be taken for another's, not even on a cluster kept from an earlier run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from faults import Step
from harness.model import Place


@dataclass(frozen=True, slots=True)
class Names:
    """Physical names of one repeat; `suffix` is `<run token>-<cell>-<repeat>`, letters, digits and dashes only."""

    suffix: str

    def topic(self, topic: str) -> str:
        return f"{topic}.{self.suffix}"

    def group(self, group: str) -> str:
        return f"{group}.{self.suffix}"

    def resource(self, place: str) -> str:
        """Of a service or a mailbox."""
        return f"{place}.{self.suffix}"

    def transactional_id(self, app_instance: str) -> str:
        """Of `processor-1`. Stable over crashes: a successor fences its predecessor and aborts what it left open."""
        return f"{app_instance}.{self.suffix}"

    def step(self, text: str) -> Step:
        """A scenario's step with the names that are on the wire: `Produce(orders-0)`, `EndTxn(commit, processor-1)`."""
        step = Step.parse(text)
        return replace(
            step,
            topic=self.topic(step.topic) if step.topic else None,
            transactional_id=self.transactional_id(step.transactional_id) if step.transactional_id else None,
            path=self.resource(step.path) if step.path else None,
        )

    @property
    def schema(self) -> str:
        """The database schema of the repeat; a table keeps its own name inside it."""
        return "r_" + self.suffix.replace("-", "_")

    def place(self, place: Place) -> Place:
        """The place with its physical resource and group."""
        name = place.name.partition("@")[0]
        return replace(
            place,
            resource=f"{self.schema}.{name}" if place.kind == "table" else self.resource(name),
            group=self.group(place.group) if place.group else None,
        )

    def places(self, places: Sequence[Place]) -> tuple[Place, ...]:
        return tuple(self.place(place) for place in places)
