"""Step faults: what happens to the n-th frame of a protocol step on some lanes.

`StepRule` holds it until something else has happened, `StepLose` loses it; `faults.delay` delivers it late.
All of them: `arm()` before the step can come, `wait_…()`, `disarm()`, and `evidence()`. n counts the requests
of the step over all the lanes, from `arm()` on, retries included.

Waiting does not raise because a step does not come: it returns None or False, and the evidence says how often the
step was seen. With a timeout of 0 it only looks, for who polls several things. One object is one fault: it is armed
once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from faults.armed import ArmedRule, When, frame_facts, step_rule
from faults.errors import ProxyRefusedError
from faults.evidence import Evidence
from faults.hops import Ending, HopClient, HopEvent
from faults.stream import EventStream

_DYING_S = 1.0
"""How long before its exit can be seen a killed process may have closed its connections."""


class StepRule:
    """Holds the n-th frame of a step: `before` = its request, `after` = its reply.

    It bit if a frame was really held and, once it was told how to end, ended so.

    Args:
        hops: The proxy.
        events: Its started event stream.
        id: Unique among the rules of the proxy.
        lanes: The lanes of the app, one for each instance.
        step: One of `known_steps()`.
        when: See `When`.
        n: From 1.
        hold_ms_max: Safety net: deliver by itself after so long; 0 = never.

    Raises:
        StepError: The step does not exist, or n, when or lanes cannot be.
    """

    def __init__(
        self,
        hops: HopClient,
        events: EventStream,
        *,
        id: str,
        lanes: Sequence[str],
        step: str,
        when: When = "before",
        n: int = 1,
        hold_ms_max: int = 0,
    ) -> None:
        self._hops = hops
        self._step = step
        self._told = ""
        self._told_ns = sys.maxsize
        self._refusal = ""
        self._armed = ArmedRule(
            hops,
            events,
            replace(step_rule(id, lanes, step=step, when=when, n=n, action="hold"), hold_ms_max=hold_ms_max),
        )

    def arm(self) -> None:
        """Add the rule.

        Raises:
            ProxyError: The proxy refuses it (its id exists), or does not answer.
        """
        self._armed.arm()

    @property
    def held(self) -> HopEvent | None:
        """The frame that was held, whatever became of it; None as long as the step has not come."""
        return self._armed.first("held")

    def wait_held(self, timeout_s: float) -> HopEvent | None:
        """The frame that is held now; None when the step has not come within `timeout_s`, or until `disarm()`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be held.
        """
        return self._armed.wait("held", timeout_s)

    def deliver(self) -> bool:
        """Let the held frame go on. May be called twice.

        Returns:
            Whether it has gone on, or will as soon as a shut gate or a stalled peer lets it. False when it cannot:
            nothing is held, its connection is gone, or it was dropped before.

        Raises:
            ProxyError: The proxy does not answer.
        """
        return self._end("deliver", None)

    def drop(self, connection: Ending = "close") -> bool:
        """Lose the held frame. False when nothing is held, or it was delivered before. May be called twice.

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
        """Whether the frame was held at that CLOCK_MONOTONIC time: proves that a crash fell into the step.

        A process that dies closes its connections a moment before its exit can be seen, and a reply held for it ends
        with them. So a frame that ended undelivered, without being told to, counts as held for that moment longer.
        """
        held, released = self.held, self._armed.first("released")
        if held is None or mono_ns < held.mono_ns:
            return False
        if released is None or mono_ns <= released.mono_ns:
            return True
        died_with_it = released.action == "drop" and self._told_ns > released.mono_ns
        return died_with_it and mono_ns - released.mono_ns < _DYING_S * 1e9

    def evidence(self) -> Evidence:
        """The frame, its connection and correlation id, and how long it was held."""
        held = self.held
        if held is None:
            return Evidence(fired=0, bit=False, why=self._armed.why_it_never_came(self._step))
        facts = {"step": self._step, "rule": self._armed.rule.id, **frame_facts(held), "held_ns": held.mono_ns}
        released = self._armed.first("released")
        facts["ended"] = released.action if released else "still held"
        if released:
            facts |= {"released_ns": released.mono_ns, "ended_by": released.reason}
            facts["held_ms"] = (released.mono_ns - held.mono_ns) // 1_000_000
        why = self._why_no_bite(held, released)
        return Evidence(fired=1, bit=not why, facts=facts, why=why)

    def _end(self, action: Literal["deliver", "drop"], connection: Ending | None) -> bool:
        held = self.held
        if held is None:
            return False
        if not self._told:
            self._told, self._told_ns = action, time.monotonic_ns()
        if self._armed.first("released") is None:
            try:
                if not self._hops.release(held.hold, action, connection):
                    return True  # on its way
            except ProxyRefusedError as error:  # it has ended by itself, which its event tells
                self._refusal = error.words
        released = self._armed.wait_end_of_hold()
        return released is not None and released.action == action

    def _why_no_bite(self, held: HopEvent, released: HopEvent | None) -> str:
        if not self._told or (released and released.action == self._told):
            return ""
        if released:
            return f"the held {held.api} ended by {released.action!r} instead of {self._told!r}: {released.reason}"
        refusal = f": {self._refusal}" if self._refusal else ""
        return f"the held {held.api} was to end by {self._told!r}, which was not seen to happen{refusal}"


class StepLose:
    """Loses the n-th request of a step (`before`) or its reply (`after`).

    It bit if a frame was really lost.

    Args:
        connection: What becomes of the client's connection: closed (FIN), reset (RST), or left open, so that
            the client waits until its own timeout.

    The other arguments and errors are those of `StepRule`.
    """

    def __init__(
        self,
        hops: HopClient,
        events: EventStream,
        *,
        id: str,
        lanes: Sequence[str],
        step: str,
        when: When = "before",
        n: int = 1,
        connection: Ending = "close",
    ) -> None:
        self._step = step
        self._armed = ArmedRule(
            hops,
            events,
            replace(step_rule(id, lanes, step=step, when=when, n=n, action="lose"), connection=connection),
        )

    def arm(self) -> None:
        """Add the rule.

        Raises:
            ProxyError: The proxy refuses it (its id exists), or does not answer.
        """
        self._armed.arm()

    def wait_lost(self, timeout_s: float) -> HopEvent | None:
        """The frame that was lost; None when the step has not come within `timeout_s`, or until `disarm()`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be lost.
        """
        return self._armed.wait("lost", timeout_s)

    def disarm(self) -> None:
        """Heal: remove the rule. May be called twice.

        Raises:
            ProxyError: The proxy does not answer.
        """
        self._armed.disarm()

    def evidence(self) -> Evidence:
        """The frame, its connection and correlation id."""
        lost = self._armed.first("lost")
        if lost is None:
            return Evidence(fired=0, bit=False, why=self._armed.why_it_never_came(self._step))
        facts = {"step": self._step, "rule": self._armed.rule.id, **frame_facts(lost), "lost_ns": lost.mono_ns}
        return Evidence(fired=1, bit=True, facts=facts | {"then": self._armed.rule.connection})
