"""A scenario's faults, each bound to the processes, hops and lanes of one repeat.

An injection is polled by the repeat's loop, waits for its trigger, acts once, ends by itself when its time is over,
and is healed at the end whatever happened. What it says afterwards (`FaultOutcome`) is evidence, not intention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.conductor.injections.apps import AppEnd, AppPause
from harness.conductor.injections.base import Injection
from harness.conductor.injections.brokers import BrokerInjection
from harness.conductor.injections.frames import FrameDelay, FrameHold, FrameLose
from harness.conductor.injections.links import LaneSlow, LinkCut
from harness.conductor.injections.stage import Stage
from harness.scenario.model import (
    BrokerTarget,
    Crash,
    Delay,
    Fault,
    Hold,
    Latency,
    Lose,
    Partition,
    Pause,
    Stop,
)

__all__ = ["Injection", "Stage", "injection_of"]


def injection_of(fault: Fault, stage: Stage) -> Injection:
    """The injection that carries out a fault of a scenario."""
    if isinstance(fault, Crash | Stop | Pause) and isinstance(fault.target, BrokerTarget):
        return BrokerInjection(fault, stage)
    return _OF_KIND[type(fault)](fault, stage)


# Keyed by class, so the argument's type is right by construction.
_OF_KIND: Mapping[type[Fault], Callable[[Any, Stage], Injection]] = {
    Crash: AppEnd,
    Stop: AppEnd,
    Pause: AppPause,
    Partition: LinkCut,
    Latency: LaneSlow,
    Hold: FrameHold,
    Lose: FrameLose,
    Delay: FrameDelay,
}
