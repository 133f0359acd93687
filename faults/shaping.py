"""Slow links: a limited bandwidth, and replies that arrive in small pieces."""

from __future__ import annotations

from typing import Any

from faults.detours import LaneDetour
from faults.errors import FaultError
from faults.links import Way
from faults.toxic_faults import Toxic, ToxicFault
from faults.toxics import Stream
from faults.transit import Transit, Wait

_STREAMS: dict[Way, tuple[Stream, ...]] = {
    "forward": ("upstream",),
    "backward": ("downstream",),
    "both": ("upstream", "downstream"),
}

_LEAST_WAIT_MS = 60
"""How long bytes must have waited. A machine that is busy may let them wait for less."""

_TOO_FAST = 1.5
"""How much faster than the limit bytes may seem to pass: they come in bursts, and the samples cut them anywhere."""

_EXPLAINED = 0.5
"""How much of a wait the limit must explain: at that rate, what waited takes so long."""


class _Shaped(ToxicFault):
    """Bytes pass at a limited rate, and wait in Toxiproxy when there are more of them.

    It bit only if bytes were seen to wait as long as they must at that rate, while no more passed than it allows on
    each connection.
    """

    def __init__(
        self, detour: LaneDetour, toxics: list[Toxic], facts: dict[str, Any], bytes_per_s: float, burst: int
    ) -> None:
        super().__init__(detour, toxics, facts)
        self._bytes_per_s = bytes_per_s
        self._burst = burst
        self._transit: Transit | None = None

    def _begin(self) -> None:
        streams = tuple(dict.fromkeys(toxic.stream for toxic in self._toxics))
        self._transit = Transit(self._detour, streams)
        self._transit.start()

    def _observe(self) -> None:
        return  # it measures all the time

    def _end(self) -> None:
        if self._transit:
            self._transit.stop()

    def _measured(self) -> dict[str, Any]:
        longest = self._longest()
        if longest is None:
            return {}
        return {
            "hop": longest.hop,
            "stream": longest.stream,
            "waited_ms": longest.ms,
            "waiting_bytes": longest.waiting,
            "passed_meanwhile_bytes": longest.passed,
            "connections": longest.connections,
        }

    def _longest(self) -> Wait | None:
        waits = self._transit.waits() if self._transit else []
        return next((wait for wait in waits if self._is_the_limits(wait)), waits[0] if waits else None)

    def _is_the_limits(self, wait: Wait) -> bool:
        return wait.ms >= _LEAST_WAIT_MS and self._explains(wait) and not self._exceeded_by(wait)

    def _explains(self, wait: Wait) -> bool:
        return wait.waiting * 1000 >= _EXPLAINED * wait.ms * self._bytes_per_s

    def _exceeded_by(self, wait: Wait) -> bool:
        most = (self._bytes_per_s * wait.ms / 1000 + self._burst) * wait.connections * _TOO_FAST
        return wait.passed > most

    def _why_no_bite(self) -> str:
        longest, where = self._longest(), f"on {self._detour.lane}"
        if longest is not None and self._is_the_limits(longest):
            return ""
        if self._transit and self._transit.unmeasured:
            return f"the {self.what} could not be measured: {self._transit.unmeasured}"
        if longest is None or longest.ms < _LEAST_WAIT_MS:
            waited = longest.ms if longest else 0
            return f"no byte was seen to wait {_LEAST_WAIT_MS} ms {where}, but {waited} ms at most: too little was sent"
        if self._exceeded_by(longest):
            return (
                f"{longest.passed} bytes passed {where} in {longest.ms} ms, which is more than the {self.what} allows"
            )
        return f"{longest.waiting} bytes waited {longest.ms} ms {where}, longer than the {self.what} lets them wait"


class Bandwidth(_Shaped):
    """Lets no more than `kb_per_s` pass on each connection of a prepared detour.

    It bit only if bytes were seen to wait in Toxiproxy as long as they must at that rate while no more passed, and the
    toxics were still there, unchanged, at its end.

    Args:
        detour: Prepared before the app connected.
        kb_per_s: In 1000 bytes a second, at least 1.
        way: forward = requests, backward = replies.
        name: Of the toxics; two at once on one lane need two names.

    Raises:
        FaultError: No bandwidth at all: that is a partition.
    """

    what = "bandwidth"

    def __init__(self, detour: LaneDetour, kb_per_s: int, way: Way = "both", name: str = "bandwidth") -> None:
        if kb_per_s < 1:
            raise FaultError(f"a bandwidth of {kb_per_s} kB/s lets nothing pass: use a partition")
        toxics = [
            Toxic(name=f"{name}.{stream}", kind="bandwidth", attributes={"rate": kb_per_s}, stream=stream)
            for stream in _STREAMS[way]
        ]
        # Toxiproxy reads 32 KiB at a time, and lets them pass in parts of a tenth of a second's worth.
        burst = min(kb_per_s * 100, 32 << 10)
        super().__init__(detour, toxics, {"kb_per_s": kb_per_s, "way": way}, kb_per_s * 1000, burst)


class Slicing(_Shaped):
    """Lets replies pass in pieces of about `size` bytes on a prepared detour, `delay_ms` apart.

    It bit only if bytes were seen to wait in Toxiproxy as long as they must at that pace while no more passed, and the
    toxics were still there, unchanged, at its end.

    Args:
        detour: Prepared before the app connected.
        size: Mean bytes of a piece.
        delay_ms: Between two pieces; without one, TCP would put them together again.
        variation: By how many bytes a piece may differ; less than the size.
        name: Of the toxics; two at once on one lane need two names.

    Raises:
        FaultError: No size, no delay, or a variation that could swallow the size.
    """

    what = "slicing"

    def __init__(
        self, detour: LaneDetour, size: int, delay_ms: int = 10, variation: int = 0, name: str = "slicing"
    ) -> None:
        if delay_ms < 1 or not 0 <= variation < size:
            raise FaultError(
                f"slices of {size} ± {variation} bytes, {delay_ms} ms apart, cannot be proved:"
                " the size must be above its variation, and the delay at least 1 ms"
            )
        attributes = {"average_size": size, "size_variation": variation, "delay": delay_ms * 1000}
        toxic = Toxic(name=name, kind="slicer", attributes=attributes, stream="downstream")
        facts = {"size": size, "variation": variation, "delay_ms": delay_ms}
        super().__init__(detour, [toxic], facts, (size + variation) * 1000 / delay_ms, size + variation)
