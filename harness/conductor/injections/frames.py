"""Step faults on single frames: hold, lose, refuse, replace, delay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from faults import Evidence, HopEvent, StepDelay, StepLose, StepRefuse, StepReplace
from harness.conductor.injections.base import SingleInjection
from harness.conductor.injections.stage import Stage
from harness.conductor.triggers import Hit
from harness.scenario.model import Delay, Hold, Lose, Refuse, Replace


class FrameHold(SingleInjection):
    """One frame is held for a while, and everything behind it on its connection waits too."""

    def __init__(self, fault: Hold, stage: Stage) -> None:
        self._length = stage.lasting(fault.for_s, fault.until)
        super().__init__(fault, stage, lasting=self._length)
        self._fault = fault

    def _inject(self, hit: Hit) -> None:
        self.busy = True
        self._length.begin()

    def _heal(self) -> None:
        if self.busy:
            self._trigger.release(deliver=self._fault.then == "deliver")
            self.busy = False

    def _evidence(self) -> Sequence[Evidence]:
        return []


class _Rule(Protocol):
    def arm(self) -> None: ...

    def disarm(self) -> None: ...

    def evidence(self) -> Evidence: ...


class RuleTrigger:
    """A rule that acts by itself: trigger and act in one.

    Args:
        came: The frame it acted on first, once it has.
    """

    timed = False

    def __init__(self, rule: _Rule, came: Callable[[], HopEvent | None], *, comes: bool) -> None:
        self.comes = comes
        self._rule = rule
        self._came = came

    def prepare(self) -> None:
        self._rule.arm()

    def start(self) -> None:
        return

    def poll(self) -> Hit | None:
        frame = self._came()
        return Hit(frame) if frame else None

    def release(self, *, deliver: bool) -> None:
        return

    def disarm(self) -> None:
        self._rule.disarm()

    def evidence(self) -> Evidence | None:
        return self._rule.evidence()


class FrameAct(SingleInjection):
    """Requests or replies are lost, refused or replaced; the proxy counts them."""

    def __init__(self, fault: Lose | Refuse | Replace, stage: Stage) -> None:
        super().__init__(fault, stage, _acting(fault, stage))

    def _inject(self, hit: Hit) -> None:
        return

    def _evidence(self) -> Sequence[Evidence]:
        return []


def _acting(fault: Lose | Refuse | Replace, stage: Stage) -> RuleTrigger:
    at, hops, stream, rule_id = stage.step_at(fault.step), stage.hops, stage.stream, stage.rule_id()
    if isinstance(fault, Lose):
        lose = StepLose(
            hops,
            stream,
            id=rule_id,
            lanes=at.lanes,
            links=at.links,
            step=at.step,
            when=at.when,
            n=at.n,
            times=fault.times,
            connection=fault.connection,
        )
        return RuleTrigger(lose, lambda: lose.wait_lost(0), comes=at.comes)
    answered = StepRefuse if isinstance(fault, Refuse) else StepReplace
    rule = answered(
        hops,
        stream,
        id=rule_id,
        lanes=at.lanes,
        links=at.links,
        step=at.step,
        n=at.n,
        times=fault.times,
        error=fault.code,
    )
    came = rule.wait_refused if isinstance(rule, StepRefuse) else rule.wait_replaced
    return RuleTrigger(rule, lambda: came(0), comes=at.comes)


class FrameDelay(SingleInjection):
    """One request reaches the broker after the client's retry of it was answered, however long that takes at most."""

    def __init__(self, fault: Delay, stage: Stage) -> None:
        at = stage.step_at(fault.step)
        rule = StepDelay(
            stage.hops, stage.stream, id=stage.rule_id(), lanes=at.lanes, links=at.links, step=at.step, n=at.n
        )
        super().__init__(fault, stage, RuleTrigger(rule, lambda: rule.wait_held(0), comes=at.comes))
        self._rule = rule
        self._for_s = fault.for_s
        self._delivered: Future[bool] | None = None

    def _inject(self, hit: Hit) -> None:
        self.busy = True
        self._delivered = self._stage.helpers.submit(self._rule.deliver_after_retry, self._for_s)

    def _go_on(self) -> None:
        if self._delivered is not None and self._delivered.done():
            self.busy = False
            self._delivered.result()

    def _evidence(self) -> Sequence[Evidence]:
        return []
