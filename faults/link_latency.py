"""Latency on links between brokers, where round trips tell nothing: a Fetch waits at the other broker on purpose."""

from __future__ import annotations

from typing import Any

from faults.errors import FaultError
from faults.link_detours import LinkDetour
from faults.toxic_faults import Toxic, ToxicFault
from faults.transit import Transit, Wait

LEAST_LINK_DELAY_MS = 100
"""What waits is seen by samples: a shorter delay could fall between two of them."""

_ENOUGH = 0.5
"""How much of the delay bytes must have been seen to wait; without the toxic they stay a fraction of a millisecond."""


class LinkLatency(ToxicFault):
    """Delays every reply on a prepared detour of links, by `delay_ms` ± `jitter_ms`.

    It bit only if replies were seen to wait in Toxiproxy for at least 0.5 · (delay - jitter), and the toxics were still
    there, unchanged, at its end.

    Args:
        detour: Prepared.
        delay_ms: Mean delay.
        jitter_ms: At least 100 ms less than the delay.
        name: Of the toxics; two latencies at once on one link need two names.

    Raises:
        FaultError: A delay too short to be measured.
    """

    what = "latency"

    def __init__(self, detour: LinkDetour, delay_ms: int, jitter_ms: int = 0, name: str = "latency") -> None:
        if jitter_ms < 0 or delay_ms - jitter_ms < LEAST_LINK_DELAY_MS:
            raise FaultError(
                f"a latency of {delay_ms} ms ± {jitter_ms} ms between brokers cannot be proved:"
                f" it must be at least {LEAST_LINK_DELAY_MS} ms"
            )
        attributes = {"latency": delay_ms, "jitter": jitter_ms}
        toxic = Toxic(name=name, kind="latency", attributes=attributes, stream="downstream")
        super().__init__(detour, [toxic], {"delay_ms": delay_ms, "jitter_ms": jitter_ms})
        self._least_ms = _ENOUGH * (delay_ms - jitter_ms)
        self._transit = Transit(detour, ["downstream"])

    def inject(self) -> None:
        # What is inside Toxiproxy when measuring begins is not measured: with the toxics in, that would be too much.
        self._transit = Transit(self._detour, ["downstream"])
        self._transit.start()
        try:
            super().inject()
        except FaultError:
            self._transit.stop()
            raise

    def _begin(self) -> None:
        return  # it measures already

    def _observe(self) -> None:
        return  # it measures all the time

    def _end(self) -> None:
        self._transit.stop()

    def _longest(self) -> Wait | None:
        return next(iter(self._transit.waits()), None)

    def _measured(self) -> dict[str, Any]:
        longest = self._longest()
        if longest is None:
            return {}
        return {"hop": longest.hop, "waited_ms": longest.ms, "waiting_bytes": longest.waiting}

    def _why_no_bite(self) -> str:
        longest = self._longest()
        waited = longest.ms if longest else 0
        if waited >= self._least_ms:
            return ""
        if self._transit.unmeasured:
            return f"the delay could not be measured: {self._transit.unmeasured}"
        return f"no reply was seen to wait {self._least_ms:.0f} ms on {self._detour.lane}, but {waited} ms at most"
