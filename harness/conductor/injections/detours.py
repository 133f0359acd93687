"""The ways of a repeat's lanes through Toxiproxy: one for each hop, however many faults use it."""

from __future__ import annotations

from collections.abc import Iterable

from faults import Detour, FaultError, HopClient, LaneDetour, Toxics
from harness.topology import SERVICES, Topology


class Detours:
    """Detours are made before the apps connect, and stay as long as they run: a connection keeps its path."""

    def __init__(self, topology: Topology, hops: HopClient, toxics: Toxics) -> None:
        self._topology = topology
        self._hops = hops
        self._toxics = toxics
        self._made: dict[str, LaneDetour] = {}

    def prepare(self, lane: int, names: Iterable[str]) -> None:
        """Lead these hops of a lane through Toxiproxy, those that are not led there already.

        Raises:
            ProxyError: An address is taken.
        """
        for name in names:
            if name not in self._made:
                detour = self.view(lane, [name])
                self._made[name] = detour
                detour.prepare()

    def view(self, lane: int, names: Iterable[str]) -> LaneDetour:
        """These hops of a lane, for a fault that acts on them together; `prepare` makes the detours."""
        wanted = set(names)
        detours = [detour for detour in self._all_of(lane) if detour.hop in wanted]
        return LaneDetour(self._hops, self._toxics, f"lane-{lane}", detours)

    def remove(self) -> None:
        """Lead everything straight again.

        Raises:
            FaultError: Some could not be.
        """
        problems = []
        for name, detour in list(self._made.items()):
            try:
                detour.remove()
                del self._made[name]
            except FaultError as error:
                problems.append(str(error))
        if problems:
            raise FaultError("; ".join(problems))

    def _all_of(self, lane: int) -> Iterable[Detour]:
        topology = self._topology
        for node in topology.node_ids:
            hop = topology.lane_hop(lane, node)
            yield Detour(hop=hop.name, listen=str(topology.toxic_address(lane, node)), upstream=str(hop.upstream))
        for service in SERVICES:
            hop = topology.service_hop(lane, service)
            listen = str(topology.service_toxic_address(lane, service))
            yield Detour(hop=hop.name, listen=listen, upstream=str(hop.upstream))
