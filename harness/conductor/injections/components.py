"""Crash, stop and pause of what the apps talk to: a broker, the database, the REST service, the mail server."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from faults import Evidence, FaultError, ProcessHandle, ProcessTree
from harness.conductor.injections.base import SingleInjection
from harness.conductor.injections.reach import SERVERS
from harness.conductor.injections.stage import Stage
from harness.conductor.triggers import Hit, Lasting
from harness.scenario.model import BrokerTarget, Crash, Pause, RoleTarget, ServerTarget, Stop

RECOVER_S = 30.0
"""How long a component may take to be back."""


class ComponentInjection(SingleInjection):
    """The conductor marks the component down, so that its death is no surprise, and brings it back in any case: the
    cluster serves the next repeat."""

    def __init__(self, fault: Crash | Stop | Pause, stage: Stage) -> None:
        self._length: Lasting | None = None
        if isinstance(fault, Pause):
            self._length = stage.lasting(fault.for_s, fault.until)
        super().__init__(fault, stage, lasting=self._length)
        self._fault = fault
        self._component = ""
        self._handle: ProcessHandle | ProcessTree | None = None
        self._act: Evidence | None = None
        self._back_at: float | None = None
        self._back: Future[None] | None = None

    def _inject(self, hit: Hit) -> None:
        environment = self._stage.environment
        self._component = self._resolved()
        pid, created = environment.process(self._component)
        # PostgreSQL is a tree: backends outlive their postmaster for a while, and go on when it alone is stopped.
        self._handle = (ProcessTree if self._component == "postgres" else ProcessHandle)(pid, created)
        environment.mark_down(self._component)
        if self._length:
            self._act = self._handle.pause()
            self._length.begin()
            self.busy = True
        else:
            self._act = self._ended()
            wait_s = None if isinstance(self._fault, Pause) else self._fault.restart_after_s
            self._back_at = None if wait_s is None else time.monotonic() + wait_s
            self.busy = wait_s is not None
        self._trigger.release(deliver=isinstance(self._fault, Crash) and self._fault.then == "deliver")

    def _resolved(self) -> str:
        """The component that the target means now."""
        target = self._fault.target
        if isinstance(target, ServerTarget):
            return SERVERS[target.kind]
        if isinstance(target, RoleTarget):
            return f"broker {self._stage.reach.node_of(target)}"
        assert isinstance(target, BrokerTarget)
        return str(target)

    def _ended(self) -> Evidence:
        assert self._handle is not None
        if isinstance(self._fault, Crash):
            return self._handle.crash()
        if isinstance(self._handle, ProcessTree):  # on SIGTERM PostgreSQL would wait for its clients to go
            return self._handle.stop(signalled=self._let_go, by=signal.SIGINT)
        return self._handle.stop(signalled=self._let_go)

    def _let_go(self) -> None:
        """Who is told to stop may wait for what is held."""
        self._trigger.release(deliver=True)

    def _go_on(self) -> None:
        due = self._length.over() if self._length else self._back_at is not None and time.monotonic() >= self._back_at
        if self._back is None and due:
            self._back = self._stage.helpers.submit(self._bring_back)
        if self._back is not None and self._back.done():
            self.busy = False
            self._back.result()

    def _bring_back(self) -> None:
        if self._length:
            assert self._handle is not None
            self._act = self._handle.resume()
        else:
            self._stage.environment.start(self._component)
        self._stage.environment.mark_up(self._component)

    def _heal(self) -> None:
        if self._handle is None:
            return
        if self._back is None:
            self._back = self._stage.helpers.submit(self._bring_back)
        try:
            self._back.result(RECOVER_S)
        except TimeoutError as error:
            raise FaultError(f"{self._component} was not back within {RECOVER_S:g} s") from error

    def _evidence(self) -> Sequence[Evidence]:
        if self._act is None:
            return []
        facts: dict[str, Any] = {"process": self._component}
        if str(self._fault.target) != self._component:
            facts["target"] = str(self._fault.target)
        return [
            Evidence(fired=self._act.fired, bit=self._act.bit, facts={**facts, **self._act.facts}, why=self._act.why)
        ]
