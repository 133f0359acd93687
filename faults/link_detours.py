"""The way of links between brokers through Toxiproxy.

Unlike an app, brokers are connected already when a fault is prepared, and keep their connections for hours. So these
are closed once, and the brokers connect again through Toxiproxy; once more when the detour is removed::

    broker 1 → link/1-2/… → Toxiproxy → far hop → broker 2
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from faults.detours import Detour, LaneDetour
from faults.errors import FaultError
from faults.hops import HopClient
from faults.messages import HopState
from faults.toxics import Toxics

_HEARTBEAT_S = 0.7
"""A link in use carries something in this time: a follower's Fetch waits half a second at most."""

_CLOSED_S = 2.0

_FLOWS_S = 5.0
"""Brokers wait up to a second before they connect again."""

_LOOK_S = 0.05


class LinkDetour(LaneDetour):
    """Leads links between brokers through Toxiproxy.

    Args:
        hops: The proxy.
        toxics: The Toxiproxy in it.
        detours: One for each hop, `link/1-2/INTERNAL`, that is to be led there.
    """

    def __init__(self, hops: HopClient, toxics: Toxics, detours: Sequence[Detour]) -> None:
        self.links = tuple(dict.fromkeys(detour.hop.split("/")[1] for detour in detours))
        super().__init__(hops, toxics, f"link {', '.join(self.links)}", detours)

    @property
    def facts(self) -> dict[str, Any]:
        return {"links": list(self.links)}

    def prepare(self) -> None:
        """Close the connections, and wait until bytes flow through Toxiproxy where they flowed before.

        A link that stays silent is waited for some seconds: who used it may have no more need of it. Whether a fault on
        it bit is told by its evidence. On an error everything is as it was.

        Raises:
            ProxyError: An address is taken, there is no such hop, or it has a detour already.
            FaultError: A connection that does not go through Toxiproxy stays open.
        """
        in_use = self._in_use()
        super().prepare()
        try:
            self._close()
        except FaultError:
            self._undo()
            raise
        self._wait_for_bytes(in_use)

    def remove(self) -> None:
        """Lead the links straight again, and wait until bytes flow where they flowed before. May be called twice.

        Raises:
            HealError: Something could not be removed.
            ProxyError: The proxy does not answer.
        """
        if not self._made:
            return
        in_use = self._in_use()
        super().remove()
        self._wait_for_bytes(in_use)

    def _in_use(self) -> set[str]:
        """The hops that carry something now."""
        before = self._hop_states()
        time.sleep(_HEARTBEAT_S)
        return self._grown(before, before)

    def _close(self) -> None:
        before = self._hop_states()
        for detour in self.detours:
            try:
                self.hops.patch_hop(detour.hop, enabled=False)
            finally:
                self.hops.patch_hop(detour.hop, enabled=True)
        if not _until(lambda: not self._older(before), _CLOSED_S):
            stays = ", ".join(self._older(before))
            raise FaultError(f"connections of {stays} stay open past Toxiproxy: try again, or start eosproxy again")

    def _older(self, before: Mapping[str, HopState]) -> list[str]:
        """The hops with open connections that are older than `before`."""
        return [
            name
            for name, now in self._hop_states().items()
            if now.open_connections > now.accepted - before[name].accepted
        ]

    def _wait_for_bytes(self, hops: Collection[str]) -> None:
        before = self._hop_states()
        _until(lambda: self._grown(before, hops) == set(hops), _FLOWS_S)

    def _grown(self, before: Mapping[str, HopState], hops: Collection[str]) -> set[str]:
        """Those of the hops that have delivered replies since."""
        now = self._hop_states()
        return {name for name in hops if now[name].bytes_down > before[name].bytes_down}

    def _hop_states(self) -> dict[str, HopState]:
        """
        Raises:
            FaultError: There is no such hop.
        """
        states = {state.name: state for state in self.hops.hops()}
        missing = [detour.hop for detour in self.detours if detour.hop not in states]
        if missing:
            raise FaultError(f"eosproxy at {self.hops.url} has no hop {', '.join(map(repr, missing))}")
        return {detour.hop: states[detour.hop] for detour in self.detours}


def _until(true: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_S)
    return True
