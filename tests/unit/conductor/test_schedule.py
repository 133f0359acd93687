"""Which repeats go on side by side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.conductor.schedule import Schedule, Task, needs_the_cluster_alone
from harness.plan import Plan, make_plan
from harness.scenario import parse
from tests.runs import pipeline

ON_OWN_LANES = [
    "  - {crash: processor, at: before commit 1, restart_after: 1s}\n",
    "  - {pause: sink, at: 1s, for: 1s}\n",
    "  - {partition: [processor, brokers], at: 1s, for: 1s}\n",
    "  - {partition: [processor, broker 2], at: 1s, for: 1s}\n",
    "  - {lose: processor, at: after commit 1}\n",
]
ON_EVERYBODYS = [
    "  - {crash: broker 1, at: 1s, restart_after: 1s}\n",
    "  - {partition: [broker 1, broker 2], at: 1s, for: 1s}\n",
    "  - {latency: processor, at: 1s, delay: 10ms, for: 1s}\n",
    "  - {bandwidth: [broker 1, brokers], rate: 16KB/s, at: 1s, for: 1s}\n",
]


def plan(faults: str = "", repeat: int = 1) -> Plan:
    return make_plan(parse(pipeline("side-by-side", faults=faults), "test.chaos.yaml"), repeat=repeat)


@pytest.mark.parametrize("fault", ON_OWN_LANES)
def test_a_fault_on_the_apps_own_lanes_leaves_the_cluster_to_others(fault: str) -> None:
    assert not needs_the_cluster_alone(plan(fault).cells[0].scenario)


@pytest.mark.parametrize("fault", ON_EVERYBODYS)
def test_a_fault_on_what_all_share_does_not(fault: str) -> None:
    assert needs_the_cluster_alone(plan(ON_OWN_LANES[0] + fault).cells[0].scenario)


@given(jobs=st.integers(1, 6), lanes=st.integers(3, 16), repeat=st.integers(1, 8), data=st.data())
def test_every_repeat_has_its_turn_in_order_and_within_the_limits(
    jobs: int, lanes: int, repeat: int, data: st.DataObject
) -> None:
    fault = data.draw(st.sampled_from(["", *ON_OWN_LANES, *ON_EVERYBODYS]))
    schedule = Schedule(plan(fault, repeat), jobs=jobs, lanes=lanes)
    going_on: list[Task] = []
    begun: list[int] = []
    while len(begun) < repeat or going_on:
        while (task := schedule.next(going_on)) is not None:
            going_on.append(task)
            begun.append(task.number)
        assert going_on, "something can always begin when nothing goes on"
        assert len(going_on) <= (1 if fault in ON_EVERYBODYS else jobs)
        assert len(going_on) == 1 or sum(task.lanes for task in going_on) <= lanes
        going_on.pop(data.draw(st.integers(0, len(going_on) - 1)))
    assert begun == list(range(1, repeat + 1))
    assert schedule.next([]) is None


def test_a_stopped_schedule_begins_nothing_more() -> None:
    schedule = Schedule(plan(repeat=3), jobs=2, lanes=16)
    assert schedule.next([]) is not None
    schedule.stop()
    assert schedule.next([]) is None
