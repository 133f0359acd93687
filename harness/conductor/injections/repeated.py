"""A fault that acts at several steps in a row: one injection after another, each with a trigger of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.conductor.injections.base import Injection
from harness.model import FaultOutcome
from harness.scenario.fault_base import ALL_TIMES
from harness.scenario.model import AtStep, Fault


class Repeated(Injection):
    """The next one is made when the last is over, and acts at the next step from then on.

    Args:
        make: Fault → the injection that carries it out once.
    """

    def __init__(self, fault: Fault, make: Callable[[Fault], Injection]) -> None:
        super().__init__(fault)
        assert isinstance(fault.at, AtStep)
        self._times = fault.number_of_times
        self._make = make
        self._next = fault.model_copy(update={"at": replace(fault.at, n=1), "times": 1})
        self._acts = [make(fault.model_copy(update={"times": 1}))]

    @property
    def pending(self) -> bool:
        return self._acts[-1].pending and self._times != ALL_TIMES

    @property
    def timed(self) -> bool:
        return self._acts[-1].timed

    def prepare(self) -> None:
        self._acts[0].prepare()

    def arm(self) -> None:
        self._acts[0].arm()

    def _turn(self) -> None:
        last = self._acts[-1]
        last.poll()
        if last.fired and not last.busy and (self._times == ALL_TIMES or len(self._acts) < self._times):
            last = self._make(self._next)
            self._acts.append(last)
            last.prepare()
            last.arm()
        self.fired = sum(act.fired for act in self._acts)
        self.busy = last.busy

    def heal(self) -> FaultOutcome:
        self.healed_late = self.busy
        outcomes = [act.heal() for act in reversed(self._acts)][::-1]
        self.busy = False
        acted = [outcome for outcome in outcomes if outcome.fired]
        wanted = max(len(acted), 1) if self._times == ALL_TIMES else self._times
        said = acted if acted and self._times == ALL_TIMES else outcomes  # the last of `all` is one that never came
        whys = [outcome.why for outcome in said if outcome.why]
        missing = [f"it acted {len(acted)} of {wanted} times"] if 0 < len(acted) < wanted else []
        return FaultOutcome(
            fault=self.label,
            fired=len(acted),
            bit=len(acted) >= wanted and all(outcome.bit for outcome in acted),
            healed=all(outcome.healed for outcome in outcomes),
            evidence={"times": [dict(outcome.evidence) for outcome in acted]} if acted else {},
            why="; ".join(dict.fromkeys([*missing, *whys])),
        )

    def clear(self) -> None:
        for act in self._acts:
            act.clear()

    def facts(self) -> Mapping[str, Any]:
        return next((act.facts() for act in reversed(self._acts) if act.fired), {})
