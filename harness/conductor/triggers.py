"""When a fault acts: after a while, after so many acknowledgements, or while a frame of a step is held."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from faults import EventStream, Evidence, HopClient, HopEvent, StepRule
from faults.hops import Ending
from harness.ledger.reader import AckCounter


@dataclass(frozen=True, slots=True)
class Hit:
    """The trigger has come; `frame` is the held one, for a step."""

    frame: HopEvent | None = None


class Trigger(Protocol):
    """`comes` says whether it will come by itself if one only waits: true of times, not of steps."""

    comes: bool

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
    """A trigger that holds nothing."""

    def prepare(self) -> None:
        return

    def release(self, *, deliver: bool) -> None:
        return

    def disarm(self) -> None:
        return

    def evidence(self) -> Evidence | None:
        return None


class TimeTrigger(_Unheld):
    comes = True

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: float | None = None

    def start(self) -> None:
        self._due = time.monotonic() + self._seconds

    def poll(self) -> Hit | None:
        return Hit() if self._due is not None and time.monotonic() >= self._due else None


class AckTrigger(_Unheld):
    comes = False

    def __init__(self, count: int, ledgers: Path, app: str) -> None:
        self._count = count
        self._counter = AckCounter(ledgers, app)

    def start(self) -> None:
        return

    def poll(self) -> Hit | None:
        return Hit() if self._counter.poll() >= self._count else None


class StepTrigger:
    comes = False

    def __init__(
        self,
        hops: HopClient,
        stream: EventStream,
        *,
        rule: str,
        lanes: list[str],
        step: str,
        when: str,
        n: int,
    ) -> None:
        self._rule = StepRule(
            hops, stream, id=rule, lanes=lanes, step=step, when="before" if when == "before" else "after", n=n
        )

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
            self._rule.drop(_CLOSE)

    def disarm(self) -> None:
        self._rule.disarm()

    def evidence(self) -> Evidence | None:
        return self._rule.evidence()

    def held_at(self, mono_ns: int) -> bool:
        return self._rule.held_at(mono_ns)


_CLOSE: Ending = "close"
