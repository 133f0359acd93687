"""The way through Toxiproxy, for the faults that need it.

The detour is permanent for an app's life, since a connection keeps its path; the faults on it come and go::

    detour = LaneDetour(hops, toxics, "lane-3", [Detour(hop="lane-3/broker-1", listen=…, upstream=…), …])
    detour.prepare()                                    # before the app starts
    latency = Latency(detour, delay_ms=200)
    latency.inject(); …; latency.heal(); latency.evidence()
    detour.remove()                                     # after the app has ended

Behind Toxiproxy stands a second hop that only counts: what it has carried and the first has not is inside Toxiproxy::

    client → hop → Toxiproxy → far hop → broker
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from faults.errors import FaultError, HealError
from faults.hops import HopClient
from faults.messages import HopSpec, HopState
from faults.toxics import Toxics


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """The way of one hop through Toxiproxy.

    Args:
        hop: `lane-3/broker-1`.
        listen: `host:port` where Toxiproxy is to listen for it. The far hop listens at the same host, at a free port.
        upstream: `host:port` of the broker or service, to which the hop goes without the detour.
    """

    hop: str
    listen: str
    upstream: str

    @property
    def proxy(self) -> str:
        """Its name at Toxiproxy, where it is part of a path."""
        return self.hop.replace("/", ".")

    @property
    def far_hop(self) -> str:
        return far_hop_of(self.hop)


def far_hop_of(hop: str) -> str:
    """The name of the hop behind Toxiproxy."""
    return f"far/{hop}"


class LaneDetour:
    """Leads hops of one lane through Toxiproxy.

    Args:
        hops: The proxy.
        toxics: The Toxiproxy in it.
        lane: `lane-3`.
        detours: One for each hop that is to be led there.
    """

    def __init__(self, hops: HopClient, toxics: Toxics, lane: str, detours: Sequence[Detour]) -> None:
        self.hops = hops
        self.toxics = toxics
        self.lane = lane
        self.detours = tuple(detours)
        self._made: list[Detour] = []

    @property
    def facts(self) -> dict[str, Any]:
        """Where it is, as evidence."""
        return {"lane": self.lane}

    def prepare(self) -> None:
        """Call it before the app connects. On an error everything is as it was.

        Raises:
            ProxyError: An address is taken, there is no such hop, or the lane has a detour already.
        """
        try:
            far = self._far_addresses()
            for detour in self.detours:
                self.toxics.create_proxy(detour.proxy, detour.listen, far[detour.hop])
                self._made.append(detour)
                self.hops.patch_hop(detour.hop, upstream=detour.listen)
        except FaultError:
            self._undo()
            raise

    def remove(self) -> None:
        """Lead new connections straight to the brokers again; those through Toxiproxy are closed. May be called twice.

        Raises:
            HealError: Something could not be removed.
        """
        problems = self._undo()
        if problems:
            raise HealError(f"the detour of {self.lane} through Toxiproxy remains: " + "; ".join(problems))

    def states(self) -> list[tuple[HopState, HopState]]:
        """Each hop as it is now, with its far hop.

        Raises:
            ProxyError: The proxy does not answer.
        """
        states = {state.name: state for state in self.hops.hops()}
        pairs = [(states.get(detour.hop), states.get(detour.far_hop)) for detour in self.detours]
        return [(near, far) for near, far in pairs if near is not None and far is not None]

    def _far_addresses(self) -> dict[str, str]:
        """Hop → where its far hop listens. eosproxy keeps its hops: the one of an earlier detour serves again."""
        known = {state.name: state for state in self.hops.hops()}
        for detour in self.detours:
            if detour.far_hop not in known:
                host = detour.listen.rpartition(":")[0]
                spec = HopSpec(name=detour.far_hop, listen=f"{host}:0", upstream=detour.upstream, protocol="tcp")
                self.hops.create_hops([spec])
            elif known[detour.far_hop].upstream != detour.upstream:
                self.hops.patch_hop(detour.far_hop, upstream=detour.upstream)
        known = {state.name: state for state in self.hops.hops()}
        return {detour.hop: known[detour.far_hop].listen for detour in self.detours}

    def _undo(self) -> list[str]:
        """Undo only what this detour did: the lane may have had one already. Returns what went wrong."""
        problems, remaining = [], []
        for detour in self._made:
            try:
                self.hops.patch_hop(detour.hop, upstream=detour.upstream)
                self.toxics.remove_proxy(detour.proxy)
            except FaultError as error:
                problems.append(f"{detour.hop}: {error}")
                remaining.append(detour)
        self._made = remaining
        return problems
