"""A scenario's faults, each bound to the processes, hops and lanes of one repeat.

An injection is polled by the repeat's loop, waits for its trigger, acts, ends by itself when its time is over, and is
healed at the end whatever happened. What it says afterwards (`FaultOutcome`) is evidence, not intention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from harness.conductor.injections.apps import AppEnd, AppPause
from harness.conductor.injections.base import Injection
from harness.conductor.injections.components import ComponentInjection
from harness.conductor.injections.frames import FrameAct, FrameDelay, FrameHold
from harness.conductor.injections.links import LinkCut, LinkSlow
from harness.conductor.injections.repeated import Repeated
from harness.conductor.injections.stage import Stage
from harness.scenario.model import (
    AppTarget,
    Bandwidth,
    Crash,
    Delay,
    Fault,
    Hold,
    Latency,
    Lose,
    Partition,
    Pause,
    Refuse,
    Replace,
    Reset,
    Slicing,
    Stop,
)

__all__ = ["Injection", "Stage", "injections_of"]


def injections_of(faults: tuple[Fault, ...], stage: Stage) -> list[Injection]:
    """The injections that carry out the faults of a scenario, in their order."""
    injections = [_injection(fault, stage) for fault in faults]
    stage.faults.update({each.name: each for each in injections if each.name})
    return injections


def _injection(fault: Fault, stage: Stage) -> Injection:
    make = partial(_single, stage=stage)
    if fault.number_of_times != 1 and not isinstance(fault, Lose | Refuse | Replace):  # those the proxy counts
        return Repeated(fault, make)
    return make(fault)


def _single(fault: Fault, stage: Stage) -> Injection:
    if isinstance(fault, Crash | Stop | Pause) and not isinstance(fault.target, AppTarget):
        return ComponentInjection(fault, stage)
    return _OF_KIND[type(fault)](fault, stage)


# Keyed by class, so the argument's type is right by construction.
_OF_KIND: Mapping[type[Fault], Callable[[Any, Stage], Injection]] = {
    Crash: AppEnd,
    Stop: AppEnd,
    Pause: AppPause,
    Partition: LinkCut,
    Latency: LinkSlow,
    Bandwidth: LinkSlow,
    Slicing: LinkSlow,
    Reset: LinkSlow,
    Hold: FrameHold,
    Lose: FrameAct,
    Refuse: FrameAct,
    Replace: FrameAct,
    Delay: FrameDelay,
}
