"""What kind of cluster is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.topology import FIRST_BLOCK, Topology


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """
    Args:
        nodes: Combined brokers and controllers.
        lanes: How many app instances can be told apart at a time.
        broker: Kafka's own broker properties, on top of ours.

    Raises:
        ValueError: No topology has so many nodes or lanes.
    """

    nodes: int = 3
    lanes: int = 16
    broker: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Topology(FIRST_BLOCK, self.nodes, self.lanes)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "broker": dict(self.broker)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClusterSpec:
        return cls(**data)
