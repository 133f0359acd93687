"""A rule at eosproxy together with the events that it makes: what all step faults are built on."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from faults.codes import error_code
from faults.errors import ProxyError, ProxyRefusedError, StepError
from faults.hops import HopClient
from faults.messages import Action, At, HopEvent, Rule
from faults.names import Step, step_of
from faults.stream import EventStream

When = Literal["before", "after"]
"""before = the broker has not seen the request; after = it has, and the client has not seen the reply."""

_AT: dict[str, At] = {"before": "request", "after": "reply"}

ALL = -1
"""`times` of a fault that acts on every frame from the n-th on."""

_KAFKA = {"", "kafka"}

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
        for held in self.all("held"):  # the proxy ends the holds of a removed rule a moment later
            self.wait_end_of(held)
        self._events.unsubscribe(self.rule.id, self._take)
        with self._arrived:
            self._over = True
            self._arrived.notify_all()

    def all(self, kind: str, wanted: Wanted = _any) -> list[HopEvent]:
        """All such events so far."""
        with self._arrived:
            return [event for event in self._seen if event.kind == kind and wanted(event)]

    def first(self, kind: str, wanted: Wanted = _any) -> HopEvent | None:
        """The first such event so far."""
        return next(iter(self.all(kind, wanted)), None)

    def wait(self, kind: str, timeout_s: float, wanted: Wanted = _any, nth: int = 1) -> HopEvent | None:
        """The nth such event; None when there is none within `timeout_s`, or until the rule is disarmed.

        With a timeout of 0 it only looks, and does not raise.

        Raises:
            ProxyGoneError: It will never come.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            with self._arrived:
                events = self.all(kind, wanted)
                if len(events) >= nth:
                    return events[nth - 1]
                left = deadline - time.monotonic()
                if self._over or left <= 0:
                    return None
                self._events.check()
                self._arrived.wait(min(left, _TICK_S))

    def wait_end_of(self, held: HopEvent) -> HopEvent | None:
        """The event that confirms a release; None when it does not come at once.

        Raises:
            ProxyGoneError: It will never come.
        """
        return self.wait("released", _ECHO_S, lambda released: released.hold == held.hold)

    def acted(self, kind: str) -> list[HopEvent]:
        """All such events, those included that the proxy has logged and that are still on their way."""
        if self._armed and len(self.all(kind)) < max(self.rule.times, 1):
            self._events.catch_up(_ECHO_S)
        return self.all(kind)

    def matched(self) -> int | None:
        """How many requests matched so far; None when the proxy cannot say."""
        if not self._armed:
            return self._matched
        try:
            return next((rule.seen for rule in self._hops.rules() if rule.id == self.rule.id), None)
        except ProxyError:
            return None

    def why_no_more(self, step: Step, fired: int) -> str:
        """Why the rule fired only so often, as far as it can be known; empty when that is what was asked for."""
        if fired >= max(self.rule.times, 1):
            return ""
        number = self.rule.nth + fired
        what, where = f"{step} {number}", ", ".join([*self.rule.lanes, *(f"link {link}" for link in self.rule.links)])
        if lost := self._events.lost - self._lost_before:
            return f"eosproxy's event log lost {lost} events: whether {what} came on {where} cannot be known"
        matched = self.matched()
        if matched is None:
            return f"{what} was not seen on {where}, and eosproxy cannot say how often the step came"
        if matched < number:
            return f"{what} never came on {where}: the step was seen {matched} times"
        if self.rule.at == "reply":
            return f"{what} came on {where}, but no reply to it did"
        return f"{what} came on {where}, but its connection ended before the rule could act on it"

    def _take(self, event: HopEvent) -> None:
        with self._arrived:
            self._seen.append(event)
            self._arrived.notify_all()


def step_rule(
    id: str | None,
    lanes: Sequence[str] = (),
    *,
    links: Sequence[str] = (),
    step: str | Step,
    when: str = "before",
    n: int = 1,
    times: int = 1,
    action: Action,
    error: str | int | None = None,
) -> Rule:
    """The rule that acts on the n-th frame of a step, and on `times` from there on.

    Args:
        id: Without one the rule gets a name of its own.

    Raises:
        StepError: The step or the error does not exist, or n, times, when, lanes or links cannot be.
    """
    named = step_of(step)
    _check_names("lanes", lanes, "lane-3")
    _check_names("links", links, "1-2")
    if not lanes and not links:
        raise StepError("a step fault needs a list of lanes, such as ['lane-3'], or of links, such as ['1-2']")
    if n < 1:
        raise StepError(f"steps are counted from 1, so there is no step number {n}")
    if times < 1 and times != ALL:
        raise StepError(f"a step fault acts at least once, or with times={ALL} on all that come, not {times} times")
    if when not in _AT:
        raise StepError(f"a step fault acts 'before' or 'after' a step, not {when!r}")
    return Rule(
        id=f"{named.name}-{uuid.uuid4().hex[:8]}" if id is None else id,
        lanes=tuple(lanes),
        links=tuple(links),
        match=named.alternatives(),
        at=_AT[when],
        action=action,
        nth=n,
        times=times,
        error=None if error is None else error_code(error, named.protocol),
    )


def _check_names(what: str, names: Sequence[str], example: str) -> None:
    if isinstance(names, str):
        raise StepError(f"a step fault needs a list of {what}, such as [{example!r}], not {names!r}")


def frame_facts(event: HopEvent) -> dict[str, Any]:
    """What identifies a frame, as evidence."""
    frame: dict[str, Any] = {"at": event.at, "n": event.n, "api": event.api, "hop": event.hop}
    if event.protocol in _KAFKA:
        frame |= {
            "api_version": event.api_version,
            "correlation_id": event.correlation_id,
            "client_id": event.client_id,
        }
    frame |= {"connection": event.connection}
    for name in ("lane", "link", "text", "transactional_id", "group_id"):
        if value := getattr(event, name):
            frame[name] = value
    if event.committed is not None:
        frame["committed"] = event.committed
    if event.topics:
        frame["topics"] = [asdict(topic) for topic in event.topics]
    return frame
