"""Faults for Kafka apps and brokers, databases and services: inject and heal, with evidence that each one acted.

A leaf, usable alone; docs/faults.md has the table of all faults, and `python -m faults --help` the command line.
Processes are crashed, stopped and paused; links are cut, slowed down and reset; the n-th frame of a protocol step is
held, lost, delayed, refused or answered otherwise by eosproxy, whose hops clients connect through. Ten lines that hold
the third commit of an app, kill the app while it is held, and lose the frame::

    with Proxy.start() as proxy:
        proxy.hop("127.0.0.1:9092", listen="127.0.0.1:19092")
        third = StepRule(proxy.hops, proxy.events, lanes=["app"], step="commit", n=3)
        third.arm()
        if third.wait_held(timeout_s=30):
            death = ProcessHandle.of(pid).crash()
            third.drop(connection="close")
            print("died inside the commit:", death.bit and third.held_at(death.facts["signalled_ns"]))
        third.disarm()
        print(third.evidence())

Read on in: `process`, `tree`, `links`, `latency`, `shaping`, `resets`, `steps`, `acts`, `delay` (the faults);
`names`, `codes` (what steps and errors may be called); `proxy`, `hops`, `messages`, `stream`, `toxics`, `detours` (the
proxy); `evidence`; `errors`.
"""

from faults.acts import StepLose, StepRefuse, StepReplace
from faults.armed import ALL, When
from faults.codes import error_code, error_name, known_errors
from faults.delay import StepDelay
from faults.detours import Detour, LaneDetour
from faults.errors import (
    FaultError,
    HealError,
    ProcessError,
    ProxyError,
    ProxyFailedError,
    ProxyGoneError,
    ProxyMissingError,
    ProxyRefusedError,
    StepError,
    ToxicError,
)
from faults.evidence import Evidence
from faults.hops import HopClient
from faults.latency import Latency
from faults.link_detours import LinkDetour
from faults.link_latency import LEAST_LINK_DELAY_MS, LinkLatency
from faults.link_resets import LinkReset
from faults.links import How, LinkPartition, Way
from faults.messages import (
    At,
    Ending,
    FrameTopic,
    Health,
    HopEvent,
    HopProtocol,
    HopSpec,
    HopState,
    Rtt,
    Rule,
    RuleState,
)
from faults.names import Step, StepProtocol, known_steps, step_alternatives
from faults.process import ProcessHandle
from faults.proxy import Proxy
from faults.resets import Reset
from faults.shaping import Bandwidth, Slicing
from faults.steps import StepRule
from faults.stream import EventStream
from faults.toxics import Toxics
from faults.tree import ProcessTree

__all__ = [
    "ALL",
    "LEAST_LINK_DELAY_MS",
    "At",
    "Bandwidth",
    "Detour",
    "Ending",
    "EventStream",
    "Evidence",
    "FaultError",
    "FrameTopic",
    "HealError",
    "Health",
    "HopClient",
    "HopEvent",
    "HopProtocol",
    "HopSpec",
    "HopState",
    "How",
    "LaneDetour",
    "Latency",
    "LinkDetour",
    "LinkLatency",
    "LinkPartition",
    "LinkReset",
    "ProcessError",
    "ProcessHandle",
    "ProcessTree",
    "Proxy",
    "ProxyError",
    "ProxyFailedError",
    "ProxyGoneError",
    "ProxyMissingError",
    "ProxyRefusedError",
    "Reset",
    "Rtt",
    "Rule",
    "RuleState",
    "Slicing",
    "Step",
    "StepDelay",
    "StepError",
    "StepLose",
    "StepProtocol",
    "StepRefuse",
    "StepReplace",
    "StepRule",
    "ToxicError",
    "Toxics",
    "Way",
    "When",
    "error_code",
    "error_name",
    "known_errors",
    "known_steps",
    "step_alternatives",
]
