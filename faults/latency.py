"""Latency on a lane: every reply comes later, by a mean delay and its jitter."""

from __future__ import annotations

from typing import Any

from faults.detours import LaneDetour
from faults.errors import FaultError, ProxyError
from faults.messages import Rtt
from faults.toxic_faults import Toxic, ToxicFault

_ENOUGH = 0.8
"""How much of the delay the shortest round trip must show: timers are not exact, but a round trip that escaped the
toxic takes a small fraction of it."""


class Latency(ToxicFault):
    """Delays every reply on a prepared detour, which adds `delay_ms` ± `jitter_ms` to each round trip.

    It bit only if round trips were measured while it lasted, the shortest of them took at least
    0.8 · (delay - jitter), and the toxics were still there, unchanged, at its end.

    Args:
        detour: Prepared before the app connected.
        delay_ms: Mean delay.
        jitter_ms: Less than the delay.
        name: Of the toxics; two latencies at once on one lane need two names.

    Raises:
        FaultError: No delay, or a jitter that could swallow it.
    """

    what = "latency"

    def __init__(self, detour: LaneDetour, delay_ms: int, jitter_ms: int = 0, name: str = "latency") -> None:
        if not 0 <= jitter_ms < delay_ms:
            raise FaultError(
                f"a latency of {delay_ms} ms ± {jitter_ms} ms cannot be proved:"
                " the delay must be above 0 and above its jitter"
            )
        attributes = {"latency": delay_ms, "jitter": jitter_ms}
        toxic = Toxic(name=name, kind="latency", attributes=attributes, stream="downstream")
        super().__init__(detour, [toxic], {"delay_ms": delay_ms, "jitter_ms": jitter_ms})
        self._least_ms = _ENOUGH * (delay_ms - jitter_ms)
        self._window: Rtt | None = None

    def _begin(self) -> None:
        self._detour.hops.reset_rtt(self._detour.lane)

    def _observe(self) -> None:
        """The window of the hops; None when eosproxy does not answer."""
        try:
            windows = [near.rtt for near, _ in self._detour.states() if near.rtt.count]
        except ProxyError:
            self._window = None
            return
        self._window = Rtt(
            count=sum(window.count for window in windows),
            min_us=min((window.min_us for window in windows), default=0),
            max_us=max((window.max_us for window in windows), default=0),
            sum_us=sum(window.sum_us for window in windows),
        )

    def _measured(self) -> dict[str, Any]:
        window = self._window
        if window is None:
            return {}
        return {
            "round_trips": window.count,
            "rtt_min_ms": round(window.min_us / 1000, 3),
            "rtt_mean_ms": round(window.sum_us / window.count / 1000, 3) if window.count else None,
            "rtt_max_ms": round(window.max_us / 1000, 3),
        }

    def _why_no_bite(self) -> str:
        window = self._window
        if window is None:
            return "the delay could not be measured: eosproxy did not answer"
        if not window.count:
            return f"not one request was answered on {self._detour.lane} while it was slow"
        if window.min_us / 1000 < self._least_ms:
            return (
                f"a round trip on {self._detour.lane} took only {window.min_us / 1000:.1f} ms, less than"
                f" {self._least_ms:.0f} ms: not all of it went through Toxiproxy"
            )
        return ""
