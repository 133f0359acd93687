"""The delayed frame: a request that reaches the broker after the client's retry of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from faults.armed import ArmedRule, Wanted, frame_facts, step_rule
from faults.errors import ProxyError
from faults.evidence import Evidence
from faults.hops import HopClient, HopEvent
from faults.steps import StepRule
from faults.stream import EventStream


class StepDelay:
    """Delivers the n-th request of a step late: after the client's retry of the same step was answered.

    It bit if the broker got the held request after the answer to the retry had passed. A retry is the next
    request of the same step on the same lane, with the same transactional id.

    The arguments and errors are those of `StepRule`.
    """

    def __init__(
        self,
        hops: HopClient,
        events: EventStream,
        *,
        id: str,
        lanes: Sequence[str],
        step: str,
        n: int = 1,
        hold_ms_max: int = 0,
    ) -> None:
        self._held = StepRule(hops, events, id=id, lanes=lanes, step=step, n=n, hold_ms_max=hold_ms_max)
        # Counts the same requests from the same moment on, so that no retry can slip through in between.
        self._retry = ArmedRule(
            hops,
            events,
            replace(
                step_rule(f"{id}.retry", lanes, step=step, when="after", n=n + 1, action="note"), times=-1
            ),
        )

    def arm(self) -> None:
        """Add the rules.

        Raises:
            ProxyError: The proxy refuses them (the id exists), or does not answer.
        """
        self._retry.arm()
        try:
            self._held.arm()
        except ProxyError:
            self._retry.disarm()
            self._retry.forget()
            raise

    def wait_held(self, timeout_s: float) -> HopEvent | None:
        """The request that is held now; None when the step has not come within `timeout_s`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be held.
        """
        return self._held.wait_held(timeout_s)

    def deliver_after_retry(self, timeout_s: float) -> bool:
        """Wait until the retry was answered, then deliver; deliver anyway after `timeout_s`.

        Returns:
            Whether the request was delivered, and after its retry.

        Raises:
            ProxyError: The proxy is gone.
        """
        held = self._held.wait_held(0)
        if held is None:
            return False
        retried = self._retry.wait("noted", timeout_s, _is_retry_of(held))
        return self._held.deliver() and retried is not None

    def disarm(self) -> None:
        """Heal: remove the rules; a request that is still held is delivered. May be called twice.

        Raises:
            ProxyError: The proxy does not answer.
        """
        self._held.disarm()
        self._retry.disarm()
        self._retry.forget()

    def evidence(self) -> Evidence:
        """The delayed request, its retry, and which of them came to the broker first."""
        delayed, held = self._held.evidence(), self._held.wait_held(0)
        if held is None or not delayed.bit:
            return delayed
        retry = self._retry.first("noted", _is_retry_of(held))
        facts = dict(delayed.facts)
        if retry is None:
            why = (
                f"no retry of {held.api} was answered while it was held: it came late, but not past its retry"
            )
            return Evidence(fired=1, bit=False, facts=facts, why=why)
        facts["retry"] = {**frame_facts(retry), "answered_ns": retry.mono_ns}
        if facts["ended"] != "deliver" or facts["released_ns"] < retry.mono_ns:
            why = f"the held {held.api} was not delivered after its retry, but ended as {facts['ended']!r}"
            return Evidence(fired=1, bit=False, facts=facts, why=why)
        return Evidence(fired=1, bit=True, facts=facts)


def _is_retry_of(held: HopEvent) -> Wanted:
    def matches(event: HopEvent) -> bool:
        return (event.lane, event.api, event.transactional_id) == (
            held.lane,
            held.api,
            held.transactional_id,
        ) and event.mono_ns > held.mono_ns

    return matches
