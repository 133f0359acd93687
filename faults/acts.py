"""What happens to a frame at once: it is lost, refused, or its reply is replaced.

`faults.steps` says what all step faults have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from faults.armed import ArmedRule, When, frame_facts, step_rule
from faults.codes import error_name
from faults.evidence import Evidence
from faults.hops import HopClient
from faults.messages import Ending, HopEvent, Rule
from faults.names import Step, step_of
from faults.stream import EventStream

_FRAMES_MAX = 20
"""How many frames stand in the evidence one by one: a rule for all that come may act on thousands."""


class _StepAct:
    """A rule that acts by itself. It bit if it acted as often as it was to."""

    _kind: ClassVar[str]
    """Of the events that prove it."""

    def __init__(self, hops: HopClient, events: EventStream, step: Step, rule: Rule) -> None:
        self._step = step
        self._armed = ArmedRule(hops, events, rule)

    def arm(self) -> None:
        """Add the rule.

        Raises:
            ProxyError: The proxy refuses it (its id exists), or does not answer.
        """
        self._armed.arm()

    def disarm(self) -> None:
        """Heal: remove the rule. May be called twice.

        Raises:
            ProxyError: The proxy does not answer.
        """
        self._armed.disarm()

    def evidence(self) -> Evidence:
        """The frame, its connection and correlation id; of several, `frames` has the rest, the first twenty of them."""
        acted = self._armed.acted(self._kind)
        missing = self._armed.why_no_more(self._step, len(acted))
        if not acted:
            return Evidence(fired=0, bit=False, why=missing)
        first, *others = [self._facts(event) for event in acted[: 1 + _FRAMES_MAX]]
        facts = {"step": str(self._step), "rule": self._armed.rule.id, **first, **self._what()}
        if others:
            facts["frames"] = others
        return Evidence(fired=len(acted), bit=not missing, facts=facts, why=missing)

    def _wait(self, timeout_s: float, nth: int) -> HopEvent | None:
        return self._armed.wait(self._kind, timeout_s, nth=nth)

    def _facts(self, event: HopEvent) -> dict[str, Any]:
        return {**frame_facts(event), f"{self._kind}_ns": event.mono_ns}

    def _what(self) -> dict[str, Any]:
        """What was done to all of them."""
        raise NotImplementedError


class StepLose(_StepAct):
    """Loses the n-th request of a step (`before`) or its reply (`after`).

    It bit if `times` frames were really lost.

    Args:
        connection: What becomes of the client's connection: closed (FIN), reset (RST), or left open, so that
            the client waits until its own timeout.

    The other arguments and errors are those of `StepRule`.
    """

    _kind = "lost"

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
        connection: Ending = "close",
    ) -> None:
        named = step_of(step)
        rule = step_rule(id, lanes, links=links, step=named, when=when, n=n, times=times, action="lose")
        super().__init__(hops, events, named, replace(rule, connection=connection))

    def wait_lost(self, timeout_s: float, nth: int = 1) -> HopEvent | None:
        """The nth frame that was lost; None when it has not come within `timeout_s`, or until `disarm()`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be lost.
        """
        return self._wait(timeout_s, nth)

    def _what(self) -> dict[str, Any]:
        return {"then": self._armed.rule.connection}


class _ErrorAct(_StepAct):
    def _what(self) -> dict[str, Any]:
        code = str(self._armed.rule.error)
        name = error_name(code, self._step.protocol)
        return {"error": code} | ({"error_name": name} if name else {})


class StepRefuse(_ErrorAct):
    """Refuses the n-th request of a step: nothing is forwarded, and the client is told an error.

    It bit if `times` requests were really answered so.

    Args:
        error: By name or number: `NOT_COORDINATOR`, `16`; `serialization_failure`, `40001`; `503`; `451`.

    The other arguments and errors are those of `StepRule`.
    """

    _kind = "refused"

    def __init__(
        self,
        hops: HopClient,
        events: EventStream,
        *,
        id: str | None = None,
        lanes: Sequence[str] = (),
        links: Sequence[str] = (),
        step: str | Step,
        n: int = 1,
        times: int = 1,
        error: str | int,
    ) -> None:
        named = step_of(step)
        rule = step_rule(id, lanes, links=links, step=named, n=n, times=times, action="refuse", error=error)
        super().__init__(hops, events, named, rule)

    def wait_refused(self, timeout_s: float, nth: int = 1) -> HopEvent | None:
        """The nth request that was refused; None when it has not come within `timeout_s`, or until `disarm()`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be refused.
        """
        return self._wait(timeout_s, nth)


class StepReplace(_ErrorAct):
    """Replaces the reply to the n-th request of a step by an error: what was asked for has happened all the same.

    It bit if `times` replies were really replaced. The arguments and errors are those of `StepRefuse`.
    """

    _kind = "replaced"

    def __init__(
        self,
        hops: HopClient,
        events: EventStream,
        *,
        id: str | None = None,
        lanes: Sequence[str] = (),
        links: Sequence[str] = (),
        step: str | Step,
        n: int = 1,
        times: int = 1,
        error: str | int,
    ) -> None:
        named = step_of(step)
        rule = step_rule(
            id, lanes, links=links, step=named, when="after", n=n, times=times, action="replace", error=error
        )
        super().__init__(hops, events, named, rule)

    def wait_replaced(self, timeout_s: float, nth: int = 1) -> HopEvent | None:
        """The nth reply that was replaced; None when it has not come within `timeout_s`, or until `disarm()`.

        Raises:
            ProxyGoneError: The proxy is gone; nothing will ever be replaced.
        """
        return self._wait(timeout_s, nth)
