"""When a fault acts, or ends: after a while, after so many acknowledgements, at a step, or with another fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from faults import EventStream, Evidence, HopClient, HopEvent, Step, StepRule, When
from faults.armed import ArmedRule, step_rule
from harness.ledger.reader import AckCounter

WITHOUT_WORK = frozenset({"BrokerHeartbeat", "Fetch", "Heartbeat"})
"""Steps that come by themselves, again and again, also when there is nothing left to do."""


@dataclass(frozen=True, slots=True)
class Hit:
    """The trigger has come; `frame` is the held one, for a step."""

    frame: HopEvent | None = None


class Trigger(Protocol):
    """What a fault waits for."""

    @property
    def comes(self) -> bool:
        """Whether it may still come if one only waits: true of times, not of a step that takes work to do."""

    @property
    def timed(self) -> bool:
        """Whether it is certain to come at a time that is known: until then nothing stands still."""

    def prepare(self) -> None:
        """Before the apps start."""

    def start(self) -> None:
        """The load has begun."""

    def poll(self) -> Hit | None:
        """The hit, once it has come; does not wait."""

    def release(self, *, deliver: bool) -> None:
        """The fault has acted: end the hold."""

    def disarm(self) -> None:
        """Remove what was prepared."""

    def evidence(self) -> Evidence | None:
        """Of the held frame; None where nothing is held."""


class _Unheld:
    """A trigger that holds nothing, and for which nothing is prepared."""

    def prepare(self) -> None:
        return

    def start(self) -> None:
        return

    def release(self, *, deliver: bool) -> None:
        return

    def disarm(self) -> None:
        return

    def evidence(self) -> Evidence | None:
        return None


class TimeTrigger(_Unheld):
    comes = timed = True

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: float | None = None

    def start(self) -> None:
        self._due = time.monotonic() + self._seconds

    def poll(self) -> Hit | None:
        return Hit() if self._due is not None and time.monotonic() >= self._due else None


class AckTrigger(_Unheld):
    comes = timed = False

    def __init__(self, count: int, counter: AckCounter) -> None:
        self._count = count
        self._counter = counter

    def poll(self) -> Hit | None:
        return Hit() if self._counter.poll() >= self._count else None


class Moment(Protocol):
    """What another fault's trigger looks at of a fault."""

    @property
    def pending(self) -> bool: ...

    @property
    def timed(self) -> bool: ...

    @property
    def acted_at(self) -> float | None: ...

    @property
    def over_at(self) -> float | None: ...


class FaultTrigger(_Unheld):
    """So long after another fault has acted, or after it is over.

    Args:
        other: Looked up when it is asked for: the faults of a repeat may wait for each other in any order.
    """

    def __init__(self, other: Callable[[], Moment], seconds: float, *, over: bool) -> None:
        self._other = other
        self._seconds = seconds
        self._over = over

    @property
    def comes(self) -> bool:
        return self._since() is not None or self._other().acted_at is not None or self._other().pending

    @property
    def timed(self) -> bool:
        return self._since() is not None or self._other().timed

    def poll(self) -> Hit | None:
        since = self._since()
        return Hit() if since is not None and time.monotonic() >= since + self._seconds else None

    def _since(self) -> float | None:
        return self._other().over_at if self._over else self._other().acted_at


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAt:
    """A step as the hops know it.

    Args:
        lanes: Of the apps whose step it is; or, of brokers, the `links` they ask each other over.
    """

    step: Step
    when: When
    n: int
    lanes: Sequence[str] = ()
    links: Sequence[str] = ()

    @property
    def comes(self) -> bool:
        return self.step.name in WITHOUT_WORK


class StepTrigger:
    """Holds the frame, so that the fault acts while it is held."""

    timed = False

    def __init__(self, hops: HopClient, stream: EventStream, rule: str, at: StepAt) -> None:
        self.comes = at.comes
        self._rule = StepRule(hops, stream, id=rule, lanes=at.lanes, links=at.links, step=at.step, when=at.when, n=at.n)

    def prepare(self) -> None:
        self._rule.arm()

    def start(self) -> None:
        return

    def poll(self) -> Hit | None:
        frame = self._rule.wait_held(0)
        return Hit(frame) if frame else None

    def release(self, *, deliver: bool) -> None:
        if deliver:
            self._rule.deliver()
        else:
            self._rule.drop("close")

    def disarm(self) -> None:
        self._rule.disarm()

    def evidence(self) -> Evidence | None:
        return self._rule.evidence()

    def held_at(self, mono_ns: int) -> bool:
        return self._rule.held_at(mono_ns)


class WatchTrigger(_Unheld):
    """Sees the frame pass and lets it: for what ends a fault."""

    timed = False

    def __init__(self, hops: HopClient, stream: EventStream, rule: str, at: StepAt) -> None:
        self.comes = at.comes
        self._watch = ArmedRule(
            hops,
            stream,
            step_rule(rule, at.lanes, links=at.links, step=at.step, when=at.when, n=at.n, action="note"),
        )

    def prepare(self) -> None:
        self._watch.arm()

    def poll(self) -> Hit | None:
        frame = self._watch.wait("noted", 0)
        return Hit(frame) if frame else None

    def disarm(self) -> None:
        self._watch.disarm()


class Lasting:
    """How long a fault lasts: for a while, or until a trigger has come, and then `for_s` at most.

    Args:
        until_text: The trigger as the scenario has it, for messages.
    """

    def __init__(self, for_s: float, until: Trigger | None = None, until_text: str = "") -> None:
        self.for_s = for_s
        self._until = until
        self._until_text = until_text
        self._deadline: float | None = None
        self._came = False

    def prepare(self) -> None:
        if self._until:
            self._until.prepare()

    def start(self) -> None:
        if self._until:
            self._until.start()

    def begin(self) -> None:
        """The fault has been injected."""
        self._deadline = time.monotonic() + self.for_s

    def over(self) -> bool:
        if self._until and not self._came and self._until.poll():
            self._came = True
        return self._came or (self._deadline is not None and time.monotonic() >= self._deadline)

    def disarm(self) -> None:
        if self._until:
            self._until.disarm()

    def why_not_as_said(self) -> str:
        """Why the fault did not end as it was to; empty when it did."""
        if self._until is None or self._came:
            return ""
        return f"it was to last until '{self._until_text}', which had not come after {self.for_s:g} s"
