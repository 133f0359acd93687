"""The held frame: what every fault at an exact step is built on.

All step faults have the same shape: `arm()` before the step can come, `wait_…()`, `disarm()`, and `evidence()`. n
counts the requests of the step over all the lanes and links, from `arm()` on, retries included. A fault that is to act
`times` times bit only if it acted so often; with `times=ALL`, if it acted at all.

Waiting does not raise because a step does not come: it returns None or False, and the evidence says how often the
step was seen. With a timeout of 0 it only looks, for who polls several things. One object is one fault: it is armed
once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from faults.armed import ArmedRule, When, frame_facts, step_rule
from faults.errors import ProxyRefusedError
from faults.evidence import Evidence
from faults.hops import HopClient
from faults.messages import Ending, HopEvent
from faults.names import Step, step_of
from faults.stream import EventStream

_DYING_S = 1.0
"""How long before its exit can be seen a killed process may have closed its connections."""


class StepRule:
    """Holds the n-th frame of a step: `before` = its request, `after` = its reply.

    It bit if a frame was really held and, once it was told how to end, ended so.

    Args:
        hops: The proxy.
        events: Its started event stream.
        id: Unique among the rules of the proxy; None makes one up.
        lanes: The lanes of the app, one for each instance.
        links: Links between brokers, `1-2`, beside the lanes or instead of them.
        step: A `Step`, or its text: `commit`, `EndTxn(commit, my-id)`, `Produce(orders-0)`, `COMMIT`, `POST(/charges)`.
        when: See `When`.
        n: From 1.
        times: How many from there on; `ALL` = -1. Each is held until it is told to end.
        hold_ms_max: Safety net: deliver by itself after so long; 0 = never.

    Raises:
        StepError: The step does not exist, or n, times, when, lanes or links cannot be.
    """

    def __init__(
        self,
        hops: HopClient,
        events: EventStream,
        *,
        id: str | None = None,
        lanes: Sequence[str] = (),
        links: Sequence[str] = (),
        step: str | Step,
        when: When = "before",
        n: int = 1,
        times: int = 1,
        hold_ms_max: int = 0,
    ) -> None:
        self._hops = hops
        self._step = step_of(step)
        rule = step_rule(id, lanes, links=links, step=self._step, when=when, n=n, times=times, action="hold")
        self._armed = ArmedRule(hops, events, replace(rule, hold_ms_max=hold_ms_max))
        self._known: dict[int, _Hold] = {}

    def arm(self) -> None:
        """Add the rule.

        Raises:
            ProxyError: The proxy refuses it (its id exists), or does not answer.
        """
        self._armed.arm()

    @property
    def held(self) -> HopEvent | None:
        """The first frame that was held, whatever became of it; None as long as the step has not come."""
        return self._armed.first("held")

    def wait_held(self, timeout_s: float, nth: int = 1) -> HopEvent | None:
        """The nth frame that was held; None when it has not come within `timeout_s`, or until `disarm()`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be held.
        """
        return self._armed.wait("held", timeout_s, nth=nth)

    def deliver(self) -> bool:
        """Let every frame that is held go on. May be called twice.

        Returns:
            Whether all of them have gone on, or will as soon as a shut gate or a stalled peer lets them. False when one
            cannot, or could not before: nothing is held, its connection is gone, or it was dropped.

        Raises:
            ProxyError: The proxy does not answer.
        """
        return self._end("deliver", None)

    def drop(self, connection: Ending = "close") -> bool:
        """Lose every frame that is held. False when nothing is held, or one was delivered before. May be called twice.

        Args:
            connection: What becomes of the client's connection.

        Raises:
            ProxyError: The proxy does not answer.
        """
        return self._end("drop", connection)

    def disarm(self) -> None:
        """Heal: remove the rule; a frame that is still held is delivered. May be called twice.

        Raises:
            ProxyError: The proxy does not answer.
        """
        self._armed.disarm()

    def held_at(self, mono_ns: int) -> bool:
        """Whether a frame was held at that CLOCK_MONOTONIC time: proves that a crash fell into the step."""
        return any(hold.held_at(mono_ns) for hold in self._holds())

    def evidence(self) -> Evidence:
        """The frame, its connection and correlation id, and how long it was held; of several, `frames` has the rest."""
        self._armed.acted("held")
        holds = self._holds()
        missing = self._armed.why_no_more(self._step, len(holds))
        if not holds:
            return Evidence(fired=0, bit=False, why=missing)
        first, *others = [hold.facts() for hold in holds]
        facts = {"step": str(self._step), "rule": self._armed.rule.id, **first}
        if others:
            facts["frames"] = others
        why = "; ".join(filter(None, [*(hold.why_no_bite() for hold in holds), missing]))
        return Evidence(fired=len(holds), bit=not why, facts=facts, why=why)

    def _end(self, action: Literal["deliver", "drop"], connection: Ending | None) -> bool:
        ended = [hold.end(action, connection) for hold in self._holds()]
        return bool(ended) and all(ended)

    def _holds(self) -> list[_Hold]:
        """In the order in which they began."""
        for event in self._armed.all("held"):
            self._known.setdefault(event.hold, _Hold(self._hops, self._armed, event))
        return list(self._known.values())


class _Hold:
    """One frame that was held, and what it was told."""

    def __init__(self, hops: HopClient, armed: ArmedRule, held: HopEvent) -> None:
        self._hops = hops
        self._armed = armed
        self._held = held
        self._told = ""
        self._told_ns = sys.maxsize
        self._refusal = ""

    @property
    def _released(self) -> HopEvent | None:
        return self._armed.first("released", lambda released: released.hold == self._held.hold)

    def end(self, action: Literal["deliver", "drop"], connection: Ending | None) -> bool:
        """Whether it ended so, or is on its way."""
        if not self._told:
            self._told, self._told_ns = action, time.monotonic_ns()
        if self._released is None:
            try:
                if not self._hops.release(self._held.hold, action, connection):
                    return True
            except ProxyRefusedError as error:  # it has ended by itself, which its event tells
                self._refusal = error.words
        released = self._armed.wait_end_of(self._held)
        return released is not None and released.action == action

    def held_at(self, mono_ns: int) -> bool:
        """Whether it was held at that time.

        A process that dies closes its connections a moment before its exit can be seen, and a reply held for it ends
        with them. So a frame that ended undelivered, without being told to, counts as held for that moment longer.
        """
        held, released = self._held, self._released
        if mono_ns < held.mono_ns:
            return False
        if released is None or mono_ns <= released.mono_ns:
            return True
        died_with_it = released.action == "drop" and self._told_ns > released.mono_ns
        return died_with_it and mono_ns - released.mono_ns < _DYING_S * 1e9

    def facts(self) -> dict[str, Any]:
        held, released = self._held, self._released
        facts = {**frame_facts(held), "held_ns": held.mono_ns, "ended": released.action if released else "still held"}
        if released:
            facts |= {"released_ns": released.mono_ns, "ended_by": released.reason}
            facts["held_ms"] = (released.mono_ns - held.mono_ns) // 1_000_000
        return facts

    def why_no_bite(self) -> str:
        """Empty when it ended as it was told to, or was not told yet."""
        released, api = self._released, self._held.api
        if not self._told or (released and released.action == self._told):
            return ""
        if released:
            return f"the held {api} ended by {released.action!r} instead of {self._told!r}: {released.reason}"
        refusal = f": {self._refusal}" if self._refusal else ""
        return f"the held {api} was to end by {self._told!r}, which was not seen to happen{refusal}"
