"""The ways of a repeat's lanes, and of links between brokers, through Toxiproxy: one for each hop, however many faults
use it."""

from __future__ import annotations

from collections.abc import Iterable

from faults import Detour, FaultError, HopClient, LaneDetour, LinkDetour, Toxics
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

    def prepare_links(self, names: Iterable[str]) -> None:
        """The same of these hops between brokers; their connections are closed once, all at the same time.

        Raises:
            FaultError: An address is taken, or a connection stays open.
        """
        new = [name for name in names if name not in self._made]
        if new:
            detour = self.view_links(new)
            self._made |= dict.fromkeys(new, detour)
            detour.prepare()

    def view_links(self, names: Iterable[str]) -> LinkDetour:
        """These hops between brokers, for a fault that acts on them together."""
        wanted, topology = set(names), self._topology
        detours = [
            Detour(hop=hop.name, listen=str(topology.link_toxic_address(hop)), upstream=str(hop.upstream))
            for hop in topology.link_hops()
            if hop.name in wanted
        ]
        return LinkDetour(self._hops, self._toxics, detours)

    def remove(self) -> None:
        """Lead everything straight again.

        Raises:
            FaultError: Some could not be.
        """
        problems = []
        for detour in dict.fromkeys(self._made.values()):
            try:
                detour.remove()
                self._made = {name: made for name, made in self._made.items() if made is not detour}
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
