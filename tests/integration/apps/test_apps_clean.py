"""Without a fault, every client in every configuration leaves every record exactly once, and a ledger that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environment import Environment
from tests.integration.apps.bench import ALL, Bench, batches, found, side_by_side, wait_until


@pytest.mark.parametrize(
    ("commit", "write"),
    [("before_write", "insert"), ("after_write", "insert"), ("in_transaction", "upsert")],
)
def test_everything_arrives_once(environment: Environment, tmp_path: Path, commit: str, write: str) -> None:
    with side_by_side(environment, tmp_path, table=write) as benches:
        running = {
            client: [
                bench.start("processor", client, commit=commit),
                bench.start("sink", client),
            ]
            for client, bench in benches.items()
        }
        transactional = "in_transaction" if commit == "in_transaction" else None
        producers = [bench.start("producer", client, commit=transactional) for client, bench in benches.items()]
        for bench, producer in zip(benches.values(), producers, strict=True):
            bench.finish(producer)
        for client, bench in benches.items():
            bench.settle()
            bench.stop(*running[client])
            assert bench.members("processor") == bench.members("sink") == 0, "SIGTERM leaves the group"
            check_exact(bench, client, commit)


def check_exact(bench: Bench, client: str, commit: str) -> None:
    assert bench.collect() == []
    audited = bench.audit()
    assert (found(audited), audited.problems) == ({}, ())
    assert bench.ids("orders") == bench.ids("invoices") == bench.ids("invoices_seen") == ALL
    for app in ("producer", "processor", "sink"):
        header, *lines = bench.ledger(app)
        assert header["client"].startswith(client)
        assert header["isolation"] == (None if app == "producer" else "read_committed")
        assert lines[-1] == {"note": "exit", "at": lines[-1]["at"], "code": 0, "reason": ""}
        assert {end["outcome"] for _, end in batches(lines) if end} == {"ok"}
        assert all(end for _, end in batches(lines))
    header = bench.ledger("processor")[0]
    assert header["config"]["producer"]["acks"] == "all"
    assert ("transactional.id" in header["config"]["producer"]) == (commit == "in_transaction")
    inside = {begin.get("txn", "").partition("/")[0] for begin, _ in batches(bench.ledger("processor"))}
    assert inside == ({f"processor-1.{bench.suffix}"} if commit == "in_transaction" else {""})


@pytest.mark.parametrize("strategy", ["cooperative-sticky", "range"])
@pytest.mark.parametrize("commit", ["in_transaction", "after_write"])
def test_a_second_instance_takes_over_its_share(
    environment: Environment, tmp_path: Path, strategy: str, commit: str
) -> None:
    """What a rebalance takes away in mid-batch is done by its next owner, by nobody else, and nothing twice.

    First one instance, then two; then the first leaves.
    """
    # A busy machine must not make it an eviction: then at-least-once may well do a batch twice.
    consumer = {"partition.assignment.strategy": strategy, "session.timeout.ms": 30_000}
    config = {"commit": commit, "batch": 50, "batch_wait_s": 1.0, "consumer": consumer}
    with side_by_side(environment, tmp_path, partitions=4) as benches:
        first = {client: bench.start("processor", client, **config) for client, bench in benches.items()}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client, records=60, keys=40))
        second = {}
        for client, bench in benches.items():
            wait_until(lambda bench=bench: bench.polled("processor") < 60)
            second[client] = bench.start("processor", client, instance=2, **config)
            bench.finish(bench.start("producer", client, records=120, keys=40))
        for client, bench in benches.items():
            bench.settle()
            bench.stop(first[client])
            bench.finish(bench.start("producer", client, records=160, keys=40))
        for client, bench in benches.items():
            bench.settle()
            bench.stop(second[client])
            assert bench.collect() == []
            assert len(bench.ids("orders")) == 160
            assert bench.exact("invoices", bench.ids("orders")) == (0, 0), client
            assert list(batches(bench.ledger("processor", instance=2))), client
            assert any(line.get("note") == "rebalance" for line in bench.ledger("processor")), client
            steps = (step for line in bench.ledger("processor", instance=2) for step in line.get("do", ()))
            assert any(step.get("how") == "rebalance" for step in steps), client
