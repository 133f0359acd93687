"""Step faults: what happens to the n-th frame of a protocol step on some lanes.

`StepRule` holds it until something else has happened, `StepLose` loses it; `faults.delay` delivers it late.
All of them: `arm()` before the step can come, `wait_…()`, `disarm()`, and `evidence()`. n counts the requests
of the step over all the lanes, from `arm()` on, retries included.

Waiting does not raise because a step does not come: it returns None or False, and the evidence says how often
the step was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from faults.armed import ArmedRule, When, frame_facts, step_rule
from faults.errors import ProxyRefusedError
from faults.evidence import Evidence
from faults.hops import Ending, HopClient, HopEvent
from faults.stream import EventStream

_ECHO_S = 2.0
"""How long the event that confirms our own release may take; it is there within milliseconds."""


class StepRule:
    """Holds the n-th frame of a step: `before` = its request, `after` = its reply.

    It bit if a frame was really held and then ended as it was told to.

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
        self._told: str | None = None
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

    def wait_held(self, timeout_s: float) -> HopEvent | None:
        """The frame that is held now; None when the step has not come within `timeout_s`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be held.
        """
        return self._armed.wait("held", timeout_s)

    def deliver(self) -> bool:
        """Let the held frame go on. False when it cannot: nothing is held, or its connection is gone.

        Raises:
            ProxyError: The proxy does not answer.
        """
        return self._end("deliver", None)

    def drop(self, connection: Ending = "close") -> bool:
        """Lose the held frame. False when nothing is held.

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
        if self._armed.first("held"):
            self._armed.wait("released", _ECHO_S)
        self._armed.forget()

    def held_at(self, mono_ns: int) -> bool:
        """Whether the frame was held at that CLOCK_MONOTONIC time: proves that a crash fell into the step."""
        held, released = self._armed.first("held"), self._armed.first("released")
        return held is not None and held.mono_ns <= mono_ns and (not released or mono_ns <= released.mono_ns)

    def evidence(self) -> Evidence:
        """The frame, its connection and correlation id, and how long it was held."""
        held = self._armed.first("held")
        if held is None:
            return Evidence(fired=0, bit=False, why=self._armed.why_it_never_came(self._step))
        facts = {
            "step": self._step,
            "rule": self._armed.rule.id,
            **frame_facts(held),
            "held_ns": held.mono_ns,
        }
        released = self._armed.first("released")
        facts["ended"] = released.action if released else "still held"
        if released:
            facts |= {"released_ns": released.mono_ns, "ended_by": released.reason}
            facts["held_ms"] = (released.mono_ns - held.mono_ns) // 1_000_000
        why = self._why_no_bite(held, released)
        return Evidence(fired=1, bit=not why, facts=facts, why=why)

    def _end(self, action: Literal["deliver", "drop"], connection: Ending | None) -> bool:
        held = self._armed.first("held")
        if held is None:
            return False
        self._told = action
        try:
            self._hops.release(held.hold, action, connection)
        except ProxyRefusedError as error:
            self._refusal = error.words
            return False
        self._armed.wait("released", _ECHO_S)
        return True

    def _why_no_bite(self, held: HopEvent, released: HopEvent | None) -> str:
        if self._refusal:
            return f"the held {held.api} could not be ended by {self._told!r}: {self._refusal}"
        if released and self._told and released.action != self._told:
            ended = f"ended by {released.action!r} instead of {self._told!r}"
            return f"the held {held.api} {ended}: {released.reason}"
        return ""


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
        """The frame that was lost; None when the step has not come within `timeout_s`.

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
        self._armed.forget()

    def evidence(self) -> Evidence:
        """The frame, its connection and correlation id."""
        lost = self._armed.first("lost")
        if lost is None:
            return Evidence(fired=0, bit=False, why=self._armed.why_it_never_came(self._step))
        facts = {
            "step": self._step,
            "rule": self._armed.rule.id,
            **frame_facts(lost),
            "lost_ns": lost.mono_ns,
        }
        return Evidence(fired=1, bit=True, facts=facts | {"then": self._armed.rule.connection})
