"""Faults for Kafka apps and brokers: inject and heal, with evidence that each one acted.

A leaf, usable alone. Processes are crashed, stopped and paused; links are cut and slowed; the n-th frame of
a protocol step is held, lost or delayed by eosproxy, whose hops the apps connect through. Ten lines that hold
the third commit of an app on lane 3, kill the app while it is held, and lose the frame::

    hops = HopClient("http://127.22.3.1:8474")
    with EventStream(hops) as events:
        third = StepRule(hops, events, id="demo", lanes=["lane-3"], step="commit", when="before", n=3)
        third.arm()
        if third.wait_held(timeout_s=30):
            death = ProcessHandle.of(pid).crash()
            third.drop(connection="close")
            print("died inside the commit:", death.bit and third.held_at(death.facts["exited_ns"]))
        third.disarm()
        print(third.evidence())

Read on in: `process`, `links`, `latency`, `steps`, `delay` (the faults); `hops`, `stream`, `toxics` (the
clients); `names` (what a step may be called); `evidence`; `errors`.
"""

from faults.delay import StepDelay
from faults.errors import (
    FaultError,
    HealError,
    ProcessError,
    ProxyError,
    ProxyFailedError,
    ProxyGoneError,
    ProxyRefusedError,
    StepError,
    ToxicError,
)
from faults.evidence import Evidence
from faults.hops import FrameTopic, Health, HopClient, HopEvent, HopSpec, HopState, Rtt, Rule, RuleState
from faults.latency import Detour, LaneDetour, LaneLatency
from faults.links import LinkPartition
from faults.names import known_steps, step_alternatives
from faults.process import ProcessHandle
from faults.steps import StepLose, StepRule
from faults.stream import EventStream
from faults.toxics import Toxics

__all__ = [
    "Detour",
    "EventStream",
    "Evidence",
    "FaultError",
    "FrameTopic",
    "HealError",
    "Health",
    "HopClient",
    "HopEvent",
    "HopSpec",
    "HopState",
    "LaneDetour",
    "LaneLatency",
    "LinkPartition",
    "ProcessError",
    "ProcessHandle",
    "ProxyError",
    "ProxyFailedError",
    "ProxyGoneError",
    "ProxyRefusedError",
    "Rtt",
    "Rule",
    "RuleState",
    "StepDelay",
    "StepError",
    "StepLose",
    "StepRule",
    "ToxicError",
    "Toxics",
    "known_steps",
    "step_alternatives",
]
