"""What kind of cluster is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """
    Args:
        nodes: Combined brokers and controllers.
        lanes: How many app instances can be told apart at a time.
        broker: Kafka's own broker properties, on top of ours.
    """

    nodes: int = 3
    lanes: int = 16
    broker: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "broker": dict(self.broker)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClusterSpec:
        return cls(**data)
