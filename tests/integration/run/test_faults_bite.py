"""Every kind of fault, as a scenario says it, on real brokers: it bites and heals, and exactly-once holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environment import Environment
from tests.runs import pipeline, play

APPS = """\
  - {latency: producer, at: 0s, delay: 40ms, jitter: 5ms, for: 3s}
  - {pause: processor, at: before commit 2, for: 1s}
  - {hold: processor, at: after commit 4, for: 500ms}
  - {stop: sink, at: after commit 1, restart_after: 500ms}
  - {crash: "sink#1", at: 100 acked by processor, restart_after: 500ms}
"""

FRAMES = """\
  - {lose: producer, at: after Produce 3}
  - {lose: processor, at: before EndTxn(commit) 2, connection: reset}
  - {delay: sink, at: before OffsetCommit 2}
"""

LINKS = """\
  - {partition: [processor, brokers], at: before commit 2, for: 1500ms}
  - {partition: [sink, broker 2], way: forward, at: after commit 1 of sink, for: 2s}
  - {partition: [broker 1, broker 2], at: 1s, for: 4s}
  - {partition: [producer, brokers], how: refuse, at: 40 acked by producer, for: 500ms}
"""

BROKERS = """\
  - {crash: broker 3, at: before commit 3 of processor, restart_after: 1s}
  - {pause: broker 1, at: 6s, for: 1s}
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("faults", [APPS, FRAMES, LINKS, BROKERS], ids=["apps", "frames", "links", "brokers"])
def test_faults_bite_and_heal(environment: Environment, tmp_path: Path, faults: str) -> None:
    played = play(environment, tmp_path, pipeline("biting", records=300, faults=faults))
    told = {fault["fault"]: (fault["bit"], fault["healed"], fault["why"]) for fault in played.only["faults"]}
    assert len(told) == len(faults.splitlines())
    assert all(fault == (True, True, "") for fault in told.values()), (told, played.only["reasons"])
    assert played.run.verdict.value == "as-expected", played.only["reasons"]
    for place in ("orders", "invoices", "invoices_seen"):
        counts = played.only["places"][place]
        assert not any(counts.values()), f"{place}: {counts}"
