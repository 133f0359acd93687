"""Every kind of fault, as a scenario says it, on real brokers: it bites and heals, and exactly-once holds.

Triggers are steps, acknowledgements and other faults: how fast the machine is decides nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environment import Environment
from tests.runs import Played, pipeline, play

APPS = """\
  - {latency: producer, at: 0s, delay: 40ms, jitter: 5ms, until: 200 acked by producer}
  - {pause: processor, at: before commit 2, until: once stopped, for: 20s}
  - {hold: processor, at: after commit 4, for: 500ms}
  - {name: stopped, stop: sink, at: after Fetch 4, restart_after: 500ms}
  - {crash: "sink#1", at: 100 acked by processor, restart_after: 500ms}
"""

FRAMES = """\
  - {lose: producer, at: after Produce(orders) 3}
  - {lose: processor, at: "before EndTxn(commit, processor-1) 2", connection: reset}
  - {delay: sink, at: before OffsetCommit 2}
  - {refuse: processor, at: before AddOffsetsToTxn 4, error: COORDINATOR_LOAD_IN_PROGRESS, times: 2}
  - {replace: sink, at: after OffsetCommit 5, error: COORDINATOR_NOT_AVAILABLE}
  - {crash: sink, at: before OffsetCommit 7, times: 2, restart_after: 200ms}
"""

LINKS = """\
  - {partition: [processor, brokers], at: before commit 2, for: 1500ms}
  - {partition: [sink, broker 2], way: forward, at: after commit 1 of sink, for: 2s}
  - {name: quorum, partition: [broker 1, [broker 2, broker 3]], way: backward, at: after commit 3 of processor, for: 2s}
  - {partition: [producer, rest], how: reset, at: 40 acked by producer, for: 500ms}
  - {hold: brokers, at: before WriteTxnMarkers 3, for: 500ms}
"""

BETWEEN_BROKERS = """\
  - {name: slow, latency: [leader of orders-0, brokers], delay: 200ms, jitter: 20ms, at: 20 acked by producer, for: 2s}
  - {name: narrow, bandwidth: [broker 1, brokers], rate: 1KB/s, at: 200ms after slow is over, for: 1s}
  - {name: torn, slicing: [broker 2, [broker 1, broker 3]], size: 32, delay: 40ms, at: once narrow is over, for: 1s}
  - {reset: [broker 1, brokers], at: 200ms after torn is over, for: 3s}
"""

BROKERS = """\
  - {name: dead, crash: leader of orders-0, at: before commit 3 of processor, restart_after: 1s}
  - {name: still, pause: coordinator of group sink, at: once dead is over, for: 1s}
  - {stop: quorum leader, at: 500ms after still is over, restart_after: 500ms}
"""

OUTSIDE = """\
# Exactly-once beyond Kafka, where everything outside is struck too: is it exact?
scenario: outside
topics: {orders: {partitions: 2}, invoices: {partitions: 2}}
tables: {invoices_seen: {}}
services: {billing: {}}
mailboxes: {outbox: {}}
apps:
  producer:  {is: producer, to: orders, records: 200, commit: in_transaction, resume: transaction}
  processor:
    {is: processor, client: confluent-kafka, from: orders, to: invoices, commit: in_transaction, calls: billing,
     idempotency_key: true}
  sink:      {is: sink, from: invoices, to: invoices_seen, write: upsert}
  mailer:    {is: sink, from: invoices, to: outbox}
faults:
  - {crash: producer, at: before commit 3, restart_after: 200ms}
  - {crash: database, at: before COMMIT 2 of sink, restart_after: 500ms}
  - {replace: sink, at: after COMMIT 5, error: serialization_failure}
  - {partition: [sink, database], how: reset, at: before COMMIT 7 of sink, for: 500ms}
  - {refuse: processor, at: "before POST(/billing) 3", error: 503, times: 2}
  - {pause: service billing, at: after POST 30 of processor, for: 1s}
  - {lose: mailer, at: before DATA 4}
  - {refuse: mailer, at: before MAIL 9, error: 451}
  - {crash: mailbox outbox, at: before DATA 15 of mailer, restart_after: 300ms}
expect:
  - {in: [orders, invoices, invoices_seen, billing], duplicates: none, losses: none}
  - {in: outbox, duplicates: any, losses: none} # nothing can take an e-mail back
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "faults",
    [APPS, FRAMES, LINKS, BETWEEN_BROKERS, BROKERS],
    ids=["apps", "frames", "links", "between-brokers", "brokers"],
)
def test_faults_bite_and_heal(environment: Environment, tmp_path: Path, faults: str) -> None:
    played = play(environment, tmp_path, pipeline("biting", records=300, faults=faults))
    assert len(played.only["faults"]) == len(faults.splitlines())
    assert_all_bit(played)
    for place in ("orders", "invoices", "invoices_seen"):
        counts = played.only["places"][place]
        assert not counts["duplicate" if place != "invoices_seen" else "sink-duplicate"], f"{place}: {counts}"


@pytest.mark.timeout(240)
def test_faults_outside_kafka_bite_and_heal(environment: Environment, tmp_path: Path) -> None:
    played = play(environment, tmp_path, OUTSIDE)
    assert_all_bit(played)
    assert played.only["places"]["billing"]["repeated-effect"] == 0
    assert played.only["places"]["outbox"]["missing-effect"] == 0


def assert_all_bit(played: Played) -> None:
    told = {fault["fault"]: (fault["bit"], fault["healed"], fault["why"]) for fault in played.only["faults"]}
    assert all(fault == (True, True, "") for fault in told.values()), (told, played.only["reasons"])
    assert played.run.verdict.value == "as-expected", (played.only["reasons"], played.only["failures"])
