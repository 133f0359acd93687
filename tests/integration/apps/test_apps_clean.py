"""Without a fault, every client in every configuration leaves every record exactly once, and a ledger that says so."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.environment import Environment
from tests.integration.apps.bench import ALL, Bench, batches, found, wait_until

CLIENTS = ("kafka-python", "confluent-kafka")


@pytest.mark.parametrize(
    ("commit", "write"),
    [("before_write", "insert"), ("after_write", "insert"), ("in_transaction", "upsert")],
)
def test_everything_arrives_once(environment: Environment, tmp_path: Path, commit: str, write: str) -> None:
    with ExitStack() as stack:
        benches = {}
        for client in CLIENTS:  # side by side: most of the time is waiting
            (tmp_path / client).mkdir()
            bench = Bench(environment, tmp_path / client, with_table=True, upsert=write == "upsert")
            benches[client] = stack.enter_context(bench)
        running = {
            client: [
                bench.start("processor", client, commit=commit),
                bench.start("sink", client, write=write),
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


@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_instance_takes_over_its_share(environment: Environment, tmp_path: Path, client: str) -> None:
    """What a rebalance takes away in mid-batch is done by its next owner, by nobody else, and nothing twice."""
    with Bench(environment, tmp_path, partitions=4) as bench:
        strategy = {"partition.assignment.strategy": "cooperative-sticky"}
        config = {"commit": "in_transaction", "batch": 50, "batch_wait_s": 2.0, "consumer": strategy}
        first = bench.start("processor", client, **config)
        bench.finish(bench.start("producer", client, records=60, keys=40))
        wait_until(lambda: bench.polled("processor") < 60)
        second = bench.start("processor", client, instance=2, **config)
        bench.finish(bench.start("producer", client, records=120, keys=40))
        bench.settle()
        bench.stop(first, second)
        assert bench.collect() == []
        assert bench.exact("invoices", bench.ids("orders")) == (0, 0)
        assert len(bench.ids("orders")) == 120
        assert {begin["txn"] for begin, _ in batches(bench.ledger("processor", instance=2))}
        assert any(line.get("note") == "rebalance" for line in bench.ledger("processor"))
