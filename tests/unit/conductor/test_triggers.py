"""What a fault waits for, and what it lasts until."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.conductor import triggers
from harness.conductor.triggers import FaultTrigger, Lasting, TimeTrigger
from harness.ledger.reader import AckCounter


class Clock:
    """The monotonic time of the module under test, set by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(triggers, "time", clock)
    return clock


@dataclass
class Other:
    pending: bool = True
    timed: bool = False
    acted_at: float | None = None
    over_at: float | None = None


def test_a_time_is_certain_to_come(clock: Clock) -> None:
    trigger = TimeTrigger(5.0)
    assert trigger.comes
    assert trigger.timed
    assert trigger.poll() is None, "the load has not begun"
    trigger.start()
    clock.now += 4.9
    assert trigger.poll() is None
    clock.now += 0.1
    assert trigger.poll()


def test_another_fault_is_waited_for_as_long_as_it_may_come(clock: Clock) -> None:
    other = Other()
    trigger = FaultTrigger(lambda: other, 2.0, over=True)
    assert (trigger.comes, trigger.timed, trigger.poll()) == (True, False, None)
    other.pending, other.acted_at = False, clock.now
    assert (trigger.comes, trigger.timed, trigger.poll()) == (True, False, None), "it has not ended yet"
    other.over_at = clock.now
    assert (trigger.comes, trigger.timed, trigger.poll()) == (True, True, None)
    clock.now += 2.0
    assert trigger.poll()


def test_a_fault_that_will_not_come_is_not_waited_for() -> None:
    trigger = FaultTrigger(lambda: Other(pending=False), 0.0, over=False)
    assert not trigger.comes
    assert not trigger.timed


def test_what_lasts_for_a_while(clock: Clock) -> None:
    lasting = Lasting(3.0)
    assert not lasting.over()
    lasting.begin()
    clock.now += 2.9
    assert not lasting.over()
    clock.now += 0.2
    assert lasting.over()
    assert lasting.why_not_as_said() == ""


def test_what_lasts_until_something_came(clock: Clock) -> None:
    other = Other(acted_at=None)
    lasting = Lasting(30.0, FaultTrigger(lambda: other, 0.0, over=False), "once cut")
    lasting.begin()
    assert not lasting.over()
    other.acted_at = clock.now
    assert lasting.over()
    assert lasting.why_not_as_said() == ""


def test_what_it_lasts_until_may_not_come_in_time(clock: Clock) -> None:
    lasting = Lasting(30.0, FaultTrigger(Other, 0.0, over=False), "once cut")
    lasting.begin()
    clock.now += 30.0
    assert lasting.over()
    assert lasting.why_not_as_said() == "it was to last until 'once cut', which had not come after 30 s"


def test_acknowledgements_of_one_instance_at_one_place(tmp_path: Path) -> None:
    def write(name: str, *steps: dict[str, Any]) -> None:
        lines = [{"end": n, "outcome": "ok", "at": n, "do": [step]} for n, step in enumerate(steps, 1)]
        (tmp_path / name).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))

    def ack(place: str, count: int) -> dict[str, Any]:
        return {"ack": place, "id": ["x"] * count, "part": [0] * count, "pos": list(range(count))}

    write("processor-1-1.jsonl", ack("invoices", 3), ack("billing", 3))
    write("processor-2-1.jsonl", ack("invoices", 5))
    write("processor-2-2.jsonl", ack("invoices", 7))
    assert AckCounter(tmp_path, "processor").poll() == 18
    assert AckCounter(tmp_path, "processor", place="invoices").poll() == 15
    assert AckCounter(tmp_path, "processor", instance=2).poll() == 12
