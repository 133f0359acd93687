"""Whom a scenario's words mean: brokers by their roles, and the hops between two sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.collect.roles import Roles
from harness.conductor.names import Names
from harness.conductor.processes import Processes
from harness.environment import Environment
from harness.scenario.model import (
    AllOf,
    AppTarget,
    BrokerTarget,
    End,
    RoleTarget,
    Scenario,
    ServerTarget,
    Side,
    Sides,
)
from harness.topology import Service

SERVERS: dict[str, Service] = {"database": "postgres", "service": "rest", "mailbox": "smtp"}
"""Kind of server → its component of the environment."""


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One end of links: a lane (by its index), a broker, or a server."""

    kind: str
    name: str | int


@dataclass(frozen=True, slots=True)
class Reach:
    """Finds brokers and hops for the faults of one repeat."""

    environment: Environment
    processes: Processes
    scenario: Scenario
    names: Names

    def node_of(self, target: RoleTarget) -> int:
        """The broker that has this role now.

        Raises:
            EnvironmentFailedError: Nobody has it for ten seconds.
        """
        with Roles(self.environment.bootstrap_direct, self.environment.cluster_id) as roles:
            match target.role:
                case "leader":
                    return roles.leader(self.names.topic(target.name), target.partition)
                case "group coordinator":
                    return roles.group_coordinator(self.names.group(target.name))
                case "transaction coordinator":
                    return roles.transaction_coordinator(self.names.transactional_id(target.name))
                case "quorum leader":
                    return roles.quorum_leader()

    def hops_between(self, first: Side, second: Side) -> tuple[list[str], list[str]]:
        """The hops between two sides: those whose requests go first → second, and those that go the other way.

        A broker that is named by what it leads is looked up now.
        """
        one, other = self._nodes(first), self._nodes(second)
        if AllOf("rest") in first:
            one = self._everybody() - other
        if AllOf("rest") in second:
            other = self._everybody() - one
        there = [name for a in sorted(one, key=str) for b in sorted(other, key=str) for name in self._hops(a, b)]
        back = [name for a in sorted(one, key=str) for b in sorted(other, key=str) for name in self._hops(b, a)]
        return there, [name for name in back if name not in there]

    def links_between(self, sides: Sides) -> list[str]:
        """The hops between two sides of brokers, both ways."""
        there, back = self.hops_between(*sides)
        return [*there, *back]

    def possible_links(self, sides: Sides) -> list[str]:
        """The same before it is known who will lead: who is named by a role can be any broker."""
        first, second = (
            tuple(AllOf("brokers") if isinstance(end, RoleTarget) else end for end in side) for side in sides
        )
        return self.links_between((first, second))

    def lanes_to(self, end: End) -> dict[int, list[str]]:
        """Lane → its hops that lead to a target: an app's to the brokers, all apps' to a broker or server.

        A broker that is named by what it leads is not known yet: all of them.
        """
        if isinstance(end, AppTarget):
            own, others = self._nodes((end,)), self._nodes((AllOf("brokers"),))
        elif isinstance(end, RoleTarget):
            own, others = self._lanes(), self._nodes((AllOf("brokers"),))
        elif isinstance(end, ServerTarget):
            own, others = self._lanes_of(self._writers(end)), self._nodes((end,))
        else:
            own, others = self._lanes(), self._nodes((end,))
        return {
            int(lane.name): [name for other in sorted(others, key=str) for name in self._hops(lane, other)]
            for lane in sorted(own)
        }

    def _nodes(self, side: Side) -> set[Node]:
        return {node for end in side for node in self._nodes_of(end)}

    def _nodes_of(self, end: End) -> set[Node]:
        if isinstance(end, AppTarget):
            return {Node("lane", each.lane.index) for each in self.processes.of(end.app, end.instance)}
        if isinstance(end, BrokerTarget):
            return {Node("broker", end.node)}
        if isinstance(end, RoleTarget):
            return {Node("broker", self.node_of(end))}
        if isinstance(end, ServerTarget):
            return {Node("server", SERVERS[end.kind])}
        several = {
            "brokers": {Node("broker", node) for node in self.environment.topology.node_ids},
            "services": {Node("server", "rest"), Node("server", "smtp")},
        }
        return several.get(end.which, set())  # of the rest the other side decides

    def _everybody(self) -> set[Node]:
        servers = {Node("server", server) for server in SERVERS.values()}
        return self._lanes() | self._nodes((AllOf("brokers"),)) | servers

    def _lanes(self) -> set[Node]:
        return {Node("lane", each.lane.index) for each in self.processes.instances}

    def _lanes_of(self, apps: Iterable[str]) -> set[Node]:
        return {Node("lane", each.lane.index) for app in apps for each in self.processes.of(app)}

    def _writers(self, server: ServerTarget) -> list[str]:
        """The apps that talk to a server."""
        places: Iterable[str] = [server.name] if server.name else self.scenario.tables
        return [app.name for app in self.scenario.apps.values() if set(app.writes) & set(places)]

    def _hops(self, source: Node, target: Node) -> Sequence[str]:
        """The hops that `source` connects to in order to reach `target`; none where it never does."""
        topology = self.environment.topology
        match source.kind, source.name, target.kind, target.name:
            case "lane", int(lane), "broker", int(node):
                return [topology.lane_hop(lane, node).name]
            case "lane", int(lane), "server", ("postgres" | "rest" | "smtp") as server:
                return [topology.service_hop(lane, server).name]
            case "broker", int(one), "broker", int(other) if one != other:
                return topology.link_hop_names(one, other)
            case _:
                return ()
