"""What the faults of one repeat act on, and how a scenario's words find it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from faults import EventStream, HopClient
from harness.conductor.processes import Processes
from harness.conductor.triggers import AckTrigger, StepTrigger, TimeTrigger, Trigger
from harness.environment import Environment
from harness.scenario.model import Acked, AfterSeconds, AppTarget, AtStep, BrokerTarget, End, Fault


@dataclass(slots=True)
class Stage:
    """What the faults of one repeat act on."""

    environment: Environment
    hops: HopClient
    stream: EventStream
    processes: Processes
    folder: Path
    rules: str
    """Prefix of rule ids, unique among all repeats that use the proxy."""
    helpers: ThreadPoolExecutor
    """For what must wait while the repeat goes on."""
    armed: int = 0

    def rule_id(self) -> str:
        self.armed += 1
        return f"{self.rules}.{self.armed}"

    def lanes(self, app: str, instance: int | None = None) -> list[str]:
        return [instance.lane.name for instance in self.processes.of(app, instance)]

    def trigger(self, fault: Fault) -> Trigger:
        at = fault.at
        if isinstance(at, AfterSeconds):
            return TimeTrigger(at.seconds)
        if isinstance(at, Acked):
            return AckTrigger(at.count, self.folder / "ledger", at.app)
        return StepTrigger(
            self.hops,
            self.stream,
            rule=self.rule_id(),
            lanes=self.step_lanes(fault, at),
            step=at.step,
            when=at.when,
            n=at.n,
        )

    def step_lanes(self, fault: Fault, at: AtStep) -> list[str]:
        """An instance that is the target counts alone; else all instances of the app whose step it is."""
        assert at.app is not None
        own = [target.instance for target in fault.apps if target.app == at.app]
        return self.lanes(at.app, own[0] if own else None)

    def hop_names(self, first: End, second: End) -> tuple[list[str], list[str]]:
        """The hops between two ends: those whose requests go first → second, and those that go the other way."""
        topology = self.environment.topology
        nodes = list(topology.node_ids)
        if isinstance(first, AppTarget):
            lanes = [instance.lane.index for instance in self.processes.of(first.app, first.instance)]
            targets = nodes if second == "brokers" else [_node(second)]
            return [topology.lane_hop(lane, node).name for lane in lanes for node in targets], []
        if isinstance(second, AppTarget):
            backward, _ = self.hop_names(second, first)
            return [], backward
        sources = nodes if first == "brokers" else [_node(first)]
        targets = nodes if second == "brokers" else [_node(second)]
        pairs = [(a, b) for a in sources for b in targets if a != b]
        return (
            [name for a, b in pairs for name in topology.link_hop_names(a, b)],
            [name for a, b in pairs for name in topology.link_hop_names(b, a)],
        )


def _node(end: End) -> int:
    assert isinstance(end, BrokerTarget)
    return end.node
