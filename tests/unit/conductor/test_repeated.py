"""A fault that acts at several steps in a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.conductor.injections.base import Injection
from harness.conductor.injections.repeated import Repeated
from harness.model import FaultOutcome
from harness.scenario import AtStep, Crash, Fault


class Scripted(Injection):
    """Acts when it is told to, and is over when it is told to."""

    def __init__(self, fault: Fault, made: list[Scripted]) -> None:
        super().__init__(fault)
        self.at = fault.at
        self.armed = self.bites = False
        made.append(self)

    @property
    def pending(self) -> bool:
        return not self.fired

    @property
    def timed(self) -> bool:
        return False

    def prepare(self) -> None:
        return

    def arm(self) -> None:
        self.armed = True

    def act(self, *, bites: bool = True) -> None:
        self.fired, self.busy, self.bites = 1, True, bites

    def _turn(self) -> None:
        return

    def heal(self) -> FaultOutcome:
        why = "" if self.bites else "no bite" if self.fired else "its trigger never came"
        return FaultOutcome(fault=self.label, fired=self.fired, bit=self.bites, healed=True, why=why)

    def clear(self) -> None:
        return

    def facts(self) -> Mapping[str, Any]:
        return {}


def repeated(times: int | str) -> tuple[Repeated, list[Scripted]]:
    fault = Crash.model_validate({"crash": "sink", "at": "before commit 3", "times": times})
    made: list[Scripted] = []
    injection = Repeated(fault, lambda each: Scripted(each, made))
    injection.prepare()
    injection.arm()
    return injection, made


def test_the_next_one_waits_for_the_next_step_once_the_last_is_over() -> None:
    injection, made = repeated(2)
    assert (injection.label, [str(each.at) for each in made]) == (
        "crash sink before commit 3, 2 times",
        ["before commit 3"],
    )
    made[0].act()
    injection.poll()
    assert (injection.fired, injection.busy, len(made)) == (1, True, 1)
    made[0].busy = False
    injection.poll()
    assert [str(each.at) for each in made] == ["before commit 3", "before commit 1"]
    assert made[1].armed
    assert isinstance(made[1].at, AtStep)
    assert (injection.fired, injection.busy, injection.pending) == (1, False, True)
    made[1].act()
    made[1].busy = False
    injection.poll()
    assert len(made) == 2
    assert injection.heal() == FaultOutcome(
        fault=injection.label, fired=2, bit=True, healed=True, evidence={"times": [{}, {}]}
    )


def test_it_bit_only_if_all_of_them_did() -> None:
    for bites, acts, why in (
        ((True,), 1, "it acted 1 of 2 times; its trigger never came"),
        ((True, False), 2, "no bite"),
    ):
        injection, made = repeated(2)
        for n, each in enumerate(bites):
            made[n].act(bites=each)
            made[n].busy = False
            injection.poll()
        outcome = injection.heal()
        assert (outcome.fired, outcome.bit, outcome.why) == (acts, False, why)


def test_all_times_is_as_often_as_the_step_came() -> None:
    injection, made = repeated("all")
    for n in range(3):
        made[n].act()
        made[n].busy = False
        injection.poll()
    assert not injection.pending, "the next one is not waited for"
    outcome = injection.heal()
    assert (outcome.fired, outcome.bit, outcome.why) == (3, True, "")
    never, _ = repeated("all")
    outcome = never.heal()
    assert (outcome.fired, outcome.bit, outcome.why) == (0, False, "its trigger never came")
