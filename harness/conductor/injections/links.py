"""Partitions and latency: something on links that lasts a while."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence

from faults import Detour, Evidence, LaneDetour, LaneLatency, LinkPartition, Toxics
from harness.conductor.injections.base import Injection
from harness.conductor.injections.stage import Stage
from harness.conductor.triggers import Hit
from harness.scenario.model import Latency, Partition


class _WindowInjection(Injection):
    """Something on links that lasts a while."""

    def __init__(self, fault: Partition | Latency, stage: Stage) -> None:
        super().__init__(fault, stage)
        self._for_s = fault.for_s
        self._until = 0.0

    def _inject(self, hit: Hit) -> None:
        self.busy = True
        self._until = time.monotonic() + self._for_s
        for part in self._parts():
            part.inject()
        self._trigger.release(deliver=self._delivers)

    @property
    def _delivers(self) -> bool:
        """What becomes of the frame that was held at the beginning."""
        return True

    def _go_on(self) -> None:
        if time.monotonic() >= self._until:
            self._heal()

    def _heal(self) -> None:
        if self.fired:
            for part in self._parts():
                part.heal()
        self.busy = False

    @abstractmethod
    def _parts(self) -> Sequence[LinkPartition | LaneLatency]: ...

    def _evidence(self) -> list[Evidence]:
        return [part.evidence() for part in self._parts()]


class LinkCut(_WindowInjection):
    """A partition. It bit if bytes were withheld or connections refused on at least one of its hops."""

    def __init__(self, fault: Partition, stage: Stage) -> None:
        super().__init__(fault, stage)
        there, back = stage.hop_names(*fault.between)
        opposite = {"both": "both", "forward": "backward", "backward": "forward"}[fault.way]
        self._cuts = [
            LinkPartition(stage.hops, names, way=way, how=fault.how)  # type: ignore[arg-type]
            for names, way in ((there, fault.way), (back, opposite))
            if names
        ]

        self._refuses = fault.how == "refuse"

    @property
    def _delivers(self) -> bool:
        return not self._refuses  # its connection is closed with the others: it is lost with them

    def _parts(self) -> Sequence[LinkPartition]:
        return self._cuts

    def _evidence(self) -> list[Evidence]:
        parts = [part.evidence() for part in self._cuts]
        if any(part.bit for part in parts):  # an idle direction withholds nothing, and the link is cut all the same
            return [Evidence(fired=part.fired, bit=True, facts=part.facts) for part in parts]
        return parts


class LaneSlow(_WindowInjection):
    """Latency through Toxiproxy, led there before the app connects."""

    def __init__(self, fault: Latency, stage: Stage) -> None:
        super().__init__(fault, stage)
        toxics = Toxics(stage.environment.proxy_url)
        instances = stage.processes.of(fault.target.app, fault.target.instance)
        self._detours = [
            LaneDetour(stage.hops, toxics, instance.lane.name, _detours(stage, instance.lane.index))
            for instance in instances
        ]
        self._latencies = [LaneLatency(detour, fault.delay_ms, fault.jitter_ms) for detour in self._detours]

    def prepare(self) -> None:
        for detour in self._detours:
            detour.prepare()
        super().prepare()

    def _parts(self) -> Sequence[LaneLatency]:
        return self._latencies

    def clear(self) -> None:
        for detour in self._detours:
            detour.remove()


def _detours(stage: Stage, lane: int) -> list[Detour]:
    topology = stage.environment.topology
    hops = {node: topology.lane_hop(lane, node) for node in topology.node_ids}
    return [
        Detour(hop=hop.name, listen=str(topology.toxic_address(lane, node)), upstream=str(hop.upstream))
        for node, hop in hops.items()
    ]
