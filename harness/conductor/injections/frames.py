"""Step faults on one frame: hold, lose, delay."""

from __future__ import annotations

import time
from concurrent.futures import Future

from faults import Evidence, StepDelay, StepLose
from harness.conductor.injections.base import Injection
from harness.conductor.injections.stage import Stage
from harness.conductor.triggers import Hit
from harness.scenario.model import Delay, Hold, Lose


class FrameHold(Injection):
    """One frame is held for a while, and everything behind it on its connection waits too."""

    def __init__(self, fault: Hold, stage: Stage) -> None:
        super().__init__(fault, stage)
        self._fault = fault
        self._until = 0.0

    def _inject(self, hit: Hit) -> None:
        self.busy = True
        self._until = time.monotonic() + self._fault.for_s

    def _go_on(self) -> None:
        if time.monotonic() >= self._until:
            self._heal()

    def _heal(self) -> None:
        if self.busy:
            self._trigger.release(deliver=self._fault.then == "deliver")
            self.busy = False

    def _evidence(self) -> list[Evidence]:
        return []


class LoseTrigger:
    """The rule that loses the frame is trigger and act in one: nothing is held."""

    comes = False

    def __init__(self, fault: Lose, stage: Stage) -> None:
        self._rule = StepLose(
            stage.hops,
            stage.stream,
            id=stage.rule_id(),
            lanes=stage.step_lanes(fault, fault.at),
            step=fault.at.step,
            when=fault.at.when,
            n=fault.at.n,
            connection=fault.connection,
        )

    def prepare(self) -> None:
        self._rule.arm()

    def start(self) -> None:
        return

    def poll(self) -> Hit | None:
        frame = self._rule.wait_lost(0)
        return Hit(frame) if frame else None

    def release(self, *, deliver: bool) -> None:
        return

    def disarm(self) -> None:
        self._rule.disarm()

    def evidence(self) -> Evidence | None:
        return self._rule.evidence()


class FrameLose(Injection):
    """One request or reply is lost."""

    def __init__(self, fault: Lose, stage: Stage) -> None:
        super().__init__(fault, stage, LoseTrigger(fault, stage))

    def _inject(self, hit: Hit) -> None:
        return

    def _evidence(self) -> list[Evidence]:
        return []


class DelayTrigger:
    """Holds the request; `release` delivers it after its retry was answered, however long that takes at most."""

    comes = False

    def __init__(self, fault: Delay, stage: Stage) -> None:
        self.rule = StepDelay(
            stage.hops,
            stage.stream,
            id=stage.rule_id(),
            lanes=stage.step_lanes(fault, fault.at),
            step=fault.at.step,
            n=fault.at.n,
        )

    def prepare(self) -> None:
        self.rule.arm()

    def start(self) -> None:
        return

    def poll(self) -> Hit | None:
        frame = self.rule.wait_held(0)
        return Hit(frame) if frame else None

    def release(self, *, deliver: bool) -> None:
        return

    def disarm(self) -> None:
        self.rule.disarm()

    def evidence(self) -> Evidence | None:
        return self.rule.evidence()


class FrameDelay(Injection):
    """One request reaches the broker after the client's retry of it was answered."""

    def __init__(self, fault: Delay, stage: Stage) -> None:
        self._rule = DelayTrigger(fault, stage)
        super().__init__(fault, stage, self._rule)
        self._for_s = fault.for_s
        self._delivered: Future[bool] | None = None

    def _inject(self, hit: Hit) -> None:
        self.busy = True
        self._delivered = self._stage.helpers.submit(self._rule.rule.deliver_after_retry, self._for_s)

    def _go_on(self) -> None:
        if self._delivered is not None and self._delivered.done():
            self.busy = False
            self._delivered.result()

    def _evidence(self) -> list[Evidence]:
        return []
