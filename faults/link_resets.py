"""Resets of connections between brokers, of which eosproxy logs no events: its counters tell."""

from __future__ import annotations

from typing import Any

from faults.errors import ProxyError
from faults.link_detours import LinkDetour
from faults.messages import HopState
from faults.toxic_faults import Toxic, ToxicFault


class LinkReset(ToxicFault):
    """Resets every connection of a prepared detour of links when its next reply comes.

    A connection that is older than `inject()` gets a FIN instead, and those that come after it an RST. It bit only if
    one that came while it lasted had ended before the heal, and the toxics were still there, unchanged, at its end.

    Args:
        detour: Prepared.
        name: Of the toxics; two at once on one link need two names.
    """

    what = "reset"

    def __init__(self, detour: LinkDetour, name: str = "reset") -> None:
        toxic = Toxic(name=name, kind="reset_peer", attributes={"timeout": 0}, stream="downstream")
        super().__init__(detour, [toxic], {})
        self._before: dict[str, HopState] = {}
        self._ended: int | None = 0

    def _begin(self) -> None:
        self._before = {near.name: near for near, _ in self._detour.states()}

    def _observe(self) -> None:
        """Those that are open now may all be new ones: no more than that is claimed."""
        try:
            now = [near for near, _ in self._detour.states()]
        except ProxyError:
            self._ended = None
            return
        self._ended = sum(
            max(near.accepted - self._before[near.name].accepted - near.open_connections, 0) for near in now
        )

    def _measured(self) -> dict[str, Any]:
        return {} if self._ended is None else {"connections_ended": self._ended}

    def _why_no_bite(self) -> str:
        if self._ended is None:
            return "the connections could not be counted: eosproxy did not answer"
        if not self._ended:
            return f"no new connection of {self._detour.lane} ended: nobody was answered on one meanwhile"
        return ""
