"""Connections that end by RST in the middle of a reply."""

from __future__ import annotations

import threading
from typing import Any

from faults.detours import LaneDetour
from faults.errors import FaultError
from faults.messages import HopEvent
from faults.stream import EventStream
from faults.toxic_faults import Toxic, ToxicFault

_ECHO_S = 2.0
"""How long events that the proxy has logged already may take."""


class Reset(ToxicFault):
    """Resets every connection of a prepared detour when its next reply comes: what was asked for has happened.

    A connection that is older than `inject()` gets a FIN instead, and those that come after it an RST. It bit only if
    one was really reset, and the toxics were still there, unchanged, at its end.

    Args:
        detour: Prepared before the app connected.
        events: The proxy's started event stream.
        after_ms: How long the reply is held back before the reset.
        name: Of the toxics; two at once on one lane need two names.

    Raises:
        FaultError: A negative time.
    """

    what = "reset"

    def __init__(self, detour: LaneDetour, events: EventStream, after_ms: int = 0, name: str = "reset") -> None:
        if after_ms < 0:
            raise FaultError(f"a reset cannot come {after_ms} ms after a reply")
        toxic = Toxic(name=name, kind="reset_peer", attributes={"timeout": after_ms}, stream="downstream")
        super().__init__(detour, [toxic], {"after_ms": after_ms})
        self._events = events
        self._names = {each.hop for each in detour.detours}
        self._lock = threading.Lock()
        self._reset: list[HopEvent] = []
        self._closed = 0

    def _begin(self) -> None:
        self._events.subscribe(None, self._take)

    def _observe(self) -> None:
        self._events.catch_up(_ECHO_S)

    def _end(self) -> None:
        self._events.unsubscribe(None, self._take)

    def _take(self, event: HopEvent) -> None:
        if event.kind != "closed" or event.hop not in self._names:
            return
        with self._lock:
            if event.reason == "upstream reset":
                self._reset.append(event)
            elif event.reason == "upstream closed":
                self._closed += 1

    def _measured(self) -> dict[str, Any]:
        with self._lock:
            facts: dict[str, Any] = {"connections_reset": len(self._reset), "connections_closed": self._closed}
            if self._reset:
                first = self._reset[0]
                facts |= {"hop": first.hop, "connection": first.connection, "reset_ns": first.mono_ns}
        return facts

    def _why_no_bite(self) -> str:
        with self._lock:
            if self._reset:
                return ""
            older = f" ({self._closed} older ones were closed)" if self._closed else ""
        return f"no connection of {self._detour.lane} was reset{older}: nobody was answered on a new one meanwhile"
