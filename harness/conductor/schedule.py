"""Which repeats may go on side by side. Pure.

Repeats of cells whose faults touch only their own apps' lanes do not see one another: names and lanes are theirs alone.
A fault on a broker, a link between brokers, the database or a service is everybody's, and toxics stand in front of a
broker: such a cell has the cluster alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from harness.plan import Cell, Plan
from harness.scenario.model import Scenario


@dataclass(frozen=True, slots=True)
class Task:
    """One repeat of one cell; both numbers are from 1."""

    index: int
    cell: Cell
    number: int

    @property
    def lanes(self) -> int:
        return sum(app.instances for app in self.cell.scenario.apps.values())


class Schedule:
    """The repeats of a plan in their order: cell by cell.

    Args:
        jobs: How many may go on at a time.
        lanes: How many the cluster has.
    """

    def __init__(self, plan: Plan, *, jobs: int, lanes: int) -> None:
        self._waiting = deque(
            Task(index, cell, number)
            for index, cell in enumerate(plan.cells, 1)
            for number in range(1, plan.repeat + 1)
        )
        self._jobs = jobs
        self._lanes = lanes

    def next(self, going_on: Collection[Task]) -> Task | None:
        """Take the next one out if it may begin beside those that go on; none overtakes another."""
        if not self._waiting or (going_on and not self._fits(self._waiting[0], going_on)):
            return None
        return self._waiting.popleft()

    @property
    def waiting(self) -> bool:
        """Whether some have not begun."""
        return bool(self._waiting)

    def stop(self) -> None:
        """Nothing more begins."""
        self._waiting.clear()

    def _fits(self, task: Task, going_on: Collection[Task]) -> bool:
        together = [task, *going_on]
        return (
            len(together) <= self._jobs
            and sum(each.lanes for each in together) <= self._lanes
            and not any(needs_the_cluster_alone(each.cell.scenario) for each in together)
        )


def needs_the_cluster_alone(scenario: Scenario) -> bool:
    """Whether some fault of it touches more than the lanes of its own apps."""
    return not all(fault.own_lanes_only for fault in scenario.faults)
