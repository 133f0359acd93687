"""Crash, stop and pause of a broker."""

from __future__ import annotations

import time
from concurrent.futures import Future

from faults import Evidence, FaultError, ProcessHandle
from harness.conductor.injections.base import Injection
from harness.conductor.injections.stage import Stage
from harness.conductor.triggers import Hit
from harness.scenario.model import BrokerTarget, Crash, Pause, Stop

RECOVER_S = 30.0
"""How long a broker may take to be back."""


class BrokerInjection(Injection):
    """Crash, stop or pause of a broker. The conductor marks it down, so that its death is no surprise."""

    def __init__(self, fault: Crash | Stop | Pause, stage: Stage) -> None:
        super().__init__(fault, stage)
        assert isinstance(fault.target, BrokerTarget)
        self._fault = fault
        self._node = fault.target.node
        self._act: Evidence | None = None
        self._back_at: float | None = None
        self._back: Future[None] | None = None
        self._handle: ProcessHandle | None = None

    @property
    def _component(self) -> str:
        return f"broker {self._node}"

    def _inject(self, hit: Hit) -> None:
        environment = self._stage.environment
        handle = self._handle = ProcessHandle(*environment.process(self._component))
        environment.mark_down(self._component)
        if isinstance(self._fault, Pause):
            self._act = handle.pause()
            self._back_at = time.monotonic() + self._fault.for_s
        else:
            self._act = handle.crash() if isinstance(self._fault, Crash) else handle.stop(signalled=self._let_go)
            wait_s = self._fault.restart_after_s
            self._back_at = None if wait_s is None else time.monotonic() + wait_s
        self._trigger.release(deliver=isinstance(self._fault, Crash) and self._fault.then == "deliver")
        self.busy = self._back_at is not None

    def _let_go(self) -> None:
        """A broker that is told to stop may wait for what is held."""
        self._trigger.release(deliver=True)

    def _go_on(self) -> None:
        if self._back is None and self._back_at is not None and time.monotonic() >= self._back_at:
            self._back = self._stage.helpers.submit(self._bring_back)
        if self._back is not None and self._back.done():
            self.busy = False
            self._back.result()

    def _bring_back(self) -> None:
        if isinstance(self._fault, Pause):
            assert self._handle is not None
            self._act = self._handle.resume()
        else:
            self._stage.environment.start_broker(self._node)
        self._stage.environment.mark_up(self._component)

    def _heal(self) -> None:
        """A broker always comes back, also one that was to stay dead: the cluster serves the next repeat."""
        if not self.fired:
            return
        if self._back is None:
            self._back = self._stage.helpers.submit(self._bring_back)
        try:
            self._back.result(RECOVER_S)
        except TimeoutError as error:
            raise FaultError(f"{self._component} was not back within {RECOVER_S:g} s") from error

    def _evidence(self) -> list[Evidence]:
        if self._act is None:
            return []
        facts = {"process": self._component, **self._act.facts}
        return [Evidence(fired=self._act.fired, bit=self._act.bit, facts=facts, why=self._act.why)]
