"""What the faults of one repeat act on, and how a scenario's words find it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from faults import EventStream, HopClient, Toxics
from harness.conductor.injections.detours import Detours
from harness.conductor.injections.reach import Reach
from harness.conductor.names import Names
from harness.conductor.processes import Processes
from harness.conductor.triggers import (
    AckTrigger,
    FaultTrigger,
    Lasting,
    Moment,
    StepAt,
    StepTrigger,
    TimeTrigger,
    Trigger,
    WatchTrigger,
)
from harness.environment import Environment
from harness.ledger.reader import AckCounter
from harness.scenario.model import Acked, AfterFault, AfterSeconds, AppTarget, AtStep, BrokerTarget, Scenario
from harness.scenario.model import Trigger as Said


@dataclass(slots=True)
class Stage:
    """What the faults of one repeat act on.

    Args:
        folder: Of the repeat.
        helpers: For what must wait while the repeat goes on.
        faults: The named faults of the repeat, filled in once they are all made.
    """

    environment: Environment
    hops: HopClient
    stream: EventStream
    processes: Processes
    scenario: Scenario
    names: Names
    folder: Path
    helpers: ThreadPoolExecutor
    faults: dict[str, Moment] = field(default_factory=dict)
    armed: int = 0
    detours: Detours = field(init=False)
    reach: Reach = field(init=False)

    def __post_init__(self) -> None:
        self.detours = Detours(self.environment.topology, self.hops, Toxics(self.environment.proxy_url))
        self.reach = Reach(self.environment, self.processes, self.scenario, self.names)

    def rule_id(self) -> str:
        """Unique among all repeats that use the proxy."""
        self.armed += 1
        return f"{self.names.suffix}.{self.armed}"

    # -- when --------------------------------------------------------------------------------------------------------

    def trigger(self, at: Said) -> Trigger:
        """What a fault's `at` waits for: a step is held."""
        if isinstance(at, AtStep):
            return StepTrigger(self.hops, self.stream, self.rule_id(), self.step_at(at))
        return self._unheld(at)

    def lasting(self, for_s: float, until: Said | None) -> Lasting:
        """What a fault's `for` and `until` say: a step is only watched."""
        if until is None:
            return Lasting(for_s)
        if isinstance(until, AtStep):
            watched = WatchTrigger(self.hops, self.stream, self.rule_id(), self.step_at(until))
            return Lasting(for_s, watched, str(until))
        return Lasting(for_s, self._unheld(until), str(until))

    def _unheld(self, at: Acked | AfterFault | AfterSeconds) -> Trigger:
        if isinstance(at, AfterSeconds):
            return TimeTrigger(at.seconds)
        if isinstance(at, Acked):
            place = self.scenario.apps[at.app].target
            return AckTrigger(at.count, AckCounter(self.folder / "ledger", at.app, instance=at.instance, place=place))
        return FaultTrigger(partial(self.faults.__getitem__, at.fault), at.seconds, over=at.over)

    def step_at(self, at: AtStep) -> StepAt:
        """A scenario's step as the hops know it."""
        step = self.names.step(at.step)
        actor = at.actor
        if isinstance(actor, AppTarget):
            lanes = [instance.lane.name for instance in self.processes.of(actor.app, actor.instance)]
            return StepAt(step=step, when=at.when, n=at.n, lanes=lanes)
        nodes = self.environment.topology.node_ids
        askers = [actor.node] if isinstance(actor, BrokerTarget) else list(nodes)
        links = [f"{asker}-{other}" for asker in askers for other in nodes if asker != other]
        return StepAt(step=step, when=at.when, n=at.n, links=links)
