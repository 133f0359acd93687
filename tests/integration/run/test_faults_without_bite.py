"""A fault that matched, or was injected, and did not act: its repeat proves nothing, and says which fault and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults import EventStream
from faults.messages import HopEvent
from harness.environment import Environment
from harness.events import Event, PhaseStarted
from tests.runs import pipeline, play

ALL_DONE = "200 acked by processor"
"""Then the producer has long ended: its process is dead and its links are silent."""

FAULTS = f"""\
  - {{crash: producer, at: {ALL_DONE}}}
  - {{stop: producer, at: {ALL_DONE}}}
  - {{pause: producer, at: {ALL_DONE}, for: 300ms}}
  - {{partition: [producer, brokers], at: {ALL_DONE}, for: 300ms}}
  - {{name: refused, partition: [producer, brokers], how: refuse, at: once cut is over, for: 300ms}}
  - {{name: cut, partition: [producer, [broker 1, broker 2]], how: reset, at: 1s after done is over, for: 300ms}}
  - {{name: done, latency: producer, at: {ALL_DONE}, delay: 40ms, for: 300ms}}
  - {{bandwidth: producer, at: once done, rate: 16KB/s, for: 300ms}}
  - {{slicing: producer, at: once done is over, for: 300ms}}
  - {{reset: producer, at: 500ms after done is over, for: 300ms}}
  - {{hold: sink, at: before commit 9990, for: 1s}}
  - {{lose: sink, at: after commit 9991}}
  - {{refuse: sink, at: before COMMIT 9992, error: serialization_failure}}
  - {{replace: processor, at: after Produce(invoices-1) 9993, error: NOT_LEADER_OR_FOLLOWER}}
  - {{delay: processor, at: before EndTxn(abort) 1}}
  - {{delay: sink, at: before Heartbeat 2, for: 200ms}}
  - {{hold: sink, at: before Fetch 3, until: before commit 9994, for: 200ms}}
  - {{hold: processor, at: before InitProducerId 1, times: 50, for: 100ms}}
  - {{name: down, crash: database, at: 1s after refused is over, restart_after: 500ms}}
  - {{pause: database, at: once down, for: 100ms}}
"""

WHY = {
    "crash producer": "producer#1 was not running",
    "stop producer": "producer#1 was not running",
    "pause producer": "producer#1 was not running",
    f"partition producer and brokers at {ALL_DONE}": "not a byte was sent on these links while they were cut",
    "partition producer and brokers once cut is over": "no connection was open when the hops began to refuse",
    "partition producer and broker 1 + broker 2": "no connection",
    "latency producer": "not one request was answered",
    "bandwidth producer": "",
    "slicing producer": "",
    "reset producer": "",
    "hold sink before commit 9990": "commit 9990 never came",
    "lose sink": "commit 9991 never came",
    "refuse sink": "COMMIT 9992 never came",
    "replace processor": "never came",
    "delay processor": "EndTxn(abort) 1 never came",
    "delay sink": "no retry of Heartbeat was answered while it was held",
    "hold sink before Fetch 3": "it was to last until 'before commit 9994', which had not come after 0.2 s",
    "hold processor": "it acted 1 of 50 times",
    "pause database": "postgres",
}


@pytest.mark.timeout(240)
def test_every_fault_that_did_not_bite_is_named(environment: Environment, tmp_path: Path) -> None:
    played = play(environment, tmp_path, pipeline("toothless", records=200, faults=FAULTS))
    assert played.run.verdict.value == "inconclusive", played.only["failures"]
    faults = {fault["fault"]: fault for fault in played.only["faults"]}
    assert faults.pop("crash database 1s after refused is over")["bit"], "its twin that bites"
    reasons = played.only["reasons"]
    assert len(faults) == len(WHY)
    for label, fault in faults.items():
        (expected,) = [why for begin, why in WHY.items() if label.startswith(begin)]
        assert fault["bit"] is False, label
        assert fault["why"], label
        assert expected in fault["why"], label
        said = "fault did not bite" if fault["fired"] else "fault never fired"
        assert f"{said}: {label}: {fault['why']}" in reasons
    assert not any(played.only["places"]["invoices"][kind] for kind in ("duplicate-processing", "lost-processing"))


def test_events_that_the_proxy_lost_make_a_repeat_inconclusive(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its log had no room for may have been the very frame that a fault waits for."""
    streams: list[EventStream] = []
    start = EventStream.start

    def started(stream: EventStream) -> None:
        streams.append(stream)
        start(stream)

    def lose_events(event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase == "load":
            streams[0]._take(HopEvent(seq=0, kind="dropped_events", count=7))

    monkeypatch.setattr(EventStream, "start", started)
    played = play(environment, tmp_path, pipeline("events-lost"), lose_events)
    assert played.run.verdict.value == "inconclusive"
    assert played.only["reasons"] == ["7 events of the proxy were lost"]
