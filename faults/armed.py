"""A rule at eosproxy together with the events that it makes: what all step faults are built on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from faults.errors import ProxyError, ProxyRefusedError, StepError
from faults.hops import At, HopClient, HopEvent, Rule
from faults.names import step_alternatives
from faults.stream import EventStream

When = Literal["before", "after"]
"""before = the broker has not seen the request; after = it has, and the client has not seen the reply."""

_AT: dict[str, At] = {"before": "request", "after": "reply"}

_TICK_S = 0.2
"""How soon a waiting thread notices that the proxy is gone."""

_ECHO_S = 2.0
"""How long events that the proxy has logged already may take; they are here within milliseconds."""

Wanted = Callable[[HopEvent], bool]


def _any(_: HopEvent) -> bool:
    return True


class ArmedRule:
    """One rule, and what it did. Threads may wait on it together.

    Args:
        hops: The proxy.
        events: Its started event stream.
        rule: What to add on `arm()`.
    """

    def __init__(self, hops: HopClient, events: EventStream, rule: Rule) -> None:
        self.rule = rule
        self._hops = hops
        self._events = events
        self._seen: list[HopEvent] = []
        self._arrived = threading.Condition()
        self._matched: int | None = None
        self._armed = False
        self._over = False
        self._lost_before = 0

    def arm(self) -> None:
        """Add the rule.

        Raises:
            ProxyError: The proxy refuses it (its id exists), or does not answer.
        """
        self._lost_before = self._events.lost
        self._events.subscribe(self.rule.id, self._take)
        try:
            self._hops.add_rule(self.rule)
        except ProxyError:
            self._events.unsubscribe(self.rule.id, self._take)
            raise
        self._armed, self._over = True, False

    def disarm(self) -> None:
        """Remove the rule; is content when the proxy does not have it any more.

        What it did until then is known afterwards, and threads that wait on it come back.

        Raises:
            ProxyError: The proxy does not answer.
        """
        if not self._armed:
            return
        self._matched = self.matched()
        try:
            self._hops.remove_rule(self.rule.id)
        except ProxyRefusedError as error:
            if error.status != 404:
                raise
        self._armed = False
        self._events.catch_up(_ECHO_S)
        if self.first("held"):  # the proxy ends a hold of a removed rule a moment later
            self.wait("released", _ECHO_S)
        self._events.unsubscribe(self.rule.id, self._take)
        with self._arrived:
            self._over = True
            self._arrived.notify_all()

    def first(self, kind: str, wanted: Wanted = _any) -> HopEvent | None:
        """The first such event so far."""
        with self._arrived:
            return next((event for event in self._seen if event.kind == kind and wanted(event)), None)

    def wait(self, kind: str, timeout_s: float, wanted: Wanted = _any) -> HopEvent | None:
        """The first such event; None when there is none within `timeout_s`, or until the rule is disarmed.

        With a timeout of 0 it only looks, and does not raise.

        Raises:
            ProxyGoneError: It will never come.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            with self._arrived:
                event = self.first(kind, wanted)
                if event is not None or self._over:
                    return event
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._events.check()
                self._arrived.wait(min(left, _TICK_S))

    def wait_end_of_hold(self) -> HopEvent | None:
        """The event that confirms our own release; None when it does not come at once.

        Raises:
            ProxyGoneError: It will never come.
        """
        return self.wait("released", _ECHO_S)

    def matched(self) -> int | None:
        """How many requests matched so far; None when the proxy cannot say."""
        if not self._armed:
            return self._matched
        try:
            return next((rule.seen for rule in self._hops.rules() if rule.id == self.rule.id), None)
        except ProxyError:
            return None

    def why_it_never_came(self, step: str) -> str:
        """Why the rule never fired, as far as it can be known."""
        what = f"{step} {self.rule.nth}"
        lanes = ", ".join(self.rule.lanes)
        if lost := self._events.lost - self._lost_before:
            return f"eosproxy's event log lost {lost} events: whether {what} came on {lanes} cannot be known"
        matched = self.matched()
        if matched is None:
            return f"{what} was not seen on {lanes}, and eosproxy cannot say how often the step came"
        if matched < self.rule.nth:
            return f"{what} never came on {lanes}: the step was seen {matched} times"
        if self.rule.at == "reply":
            return f"{what} came on {lanes}, but no reply to it did"
        return f"{what} came on {lanes}, but its connection ended before the rule could act on it"

    def _take(self, event: HopEvent) -> None:
        with self._arrived:
            self._seen.append(event)
            self._arrived.notify_all()


def step_rule(
    id: str, lanes: Sequence[str], *, step: str, when: str, n: int, action: Literal["hold", "lose", "note"]
) -> Rule:
    """The rule that acts on the n-th frame of a step.

    Raises:
        StepError: The step does not exist, or n, when or lanes cannot be.
    """
    if isinstance(lanes, str) or not lanes:
        raise StepError(f"a step fault needs a list of lanes, such as ['lane-3'], not {lanes!r}")
    if n < 1:
        raise StepError(f"steps are counted from 1, so there is no step number {n}")
    if when not in _AT:
        raise StepError(f"a step fault acts 'before' or 'after' a step, not {when!r}")
    match = step_alternatives(step)
    return Rule(id=id, lanes=tuple(lanes), match=match, at=_AT[when], action=action, nth=n)


def frame_facts(event: HopEvent) -> dict[str, Any]:
    """What identifies a frame, as evidence."""
    frame = {
        "at": event.at,
        "n": event.n,
        "api": event.api,
        "api_version": event.api_version,
        "hop": event.hop,
        "lane": event.lane,
        "connection": event.connection,
        "correlation_id": event.correlation_id,
        "client_id": event.client_id,
    }
    if event.transactional_id:
        frame["transactional_id"] = event.transactional_id
    if event.committed is not None:
        frame["committed"] = event.committed
    if event.topics:
        frame["topics"] = [asdict(topic) for topic in event.topics]
    return frame
