"""Several instances of an app: each has its own lane, partitions move between them, supervisors start them again."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from harness.environment import Environment
from harness.events import AppStarted
from tests.runs import play

SCENARIO = """\
# Three processors share a topic; one freezes past its session and wakes up as a zombie, one dies. Is it exact?
scenario: instances
topics: {orders: {partitions: 6}, invoices: {partitions: 3}}
tables: {invoices_seen: {}}
apps:
  producer:  {is: producer, instances: 2, to: orders, records: 240}
  processor:
    {is: processor, client: confluent-kafka, instances: 3, from: orders, to: invoices, commit: in_transaction,
     batch: 10, restart: {policy: on-failure, delay: 300ms, most: 5}, consumer: {session.timeout.ms: 2000}}
  sink:      {is: sink, instances: 2, from: invoices, to: invoices_seen, write: upsert}
faults:
  - {name: frozen, pause: processor#1, at: before TxnOffsetCommit 2, until: 2s after dead, for: 20s}
  - {name: dead, crash: processor#3, at: 2s after frozen}
  - {stop: sink#2, at: once frozen is over, restart_after: 300ms}
  - {lose: processor, at: after commit 1 of processor#2}
expect:
  - {in: invoices, duplicates: none, losses: none, fenced: some} # the zombie was turned away
  - {in: [orders, invoices_seen], duplicates: none, losses: none}
"""


@pytest.mark.timeout(240)
def test_instances_freeze_die_and_come_back(environment: Environment, tmp_path: Path) -> None:
    played = play(environment, tmp_path, SCENARIO)
    faults = played.only["faults"]
    assert all(fault["bit"] and fault["healed"] for fault in faults), faults
    assert played.run.verdict.value == "as-expected", (played.only["reasons"], played.only["failures"])
    frozen, dead, _, lost = (fault["evidence"] for fault in faults)
    assert frozen["acts"][0]["stopped_ms"] > 3000
    assert frozen["frame"]["lane"] != lost["frame"]["lane"], "each instance has a lane of its own"
    assert dead["acts"][0]["process"] == "processor#3/1"
    started = [event.process for event in played.events if isinstance(event, AppStarted)]
    assert "processor#3/2" in started, "no fault said so: its supervisor did"
    assert "sink#2/2" in started
    ledger = tmp_path / "run/cells/all/repeat-1/ledger"
    moved = [
        line
        for path in ledger.glob("processor-2-*.jsonl")
        for line in map(orjson.loads, path.read_bytes().splitlines())
        if line.get("note") == "rebalance"
    ]
    assert len(moved) > 1, "partitions came to the instance that stayed"
