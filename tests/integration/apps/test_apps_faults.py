"""What the apps do when something goes wrong at an exact step: the counts are those that the guarantee allows."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.environment import Environment
from tests.integration.apps.bench import COMMIT, Bench, Step, batches, found, wait_until

CLIENTS = ("kafka-python", "confluent-kafka")
RECORDS = 20
BATCH = 5  # the bench's


@contextmanager
def side_by_side(environment: Environment, folder: Path, **options: Any) -> Iterator[dict[str, Bench]]:
    """A bench for each client: most of the time is waiting, which they can do together."""
    with ExitStack() as stack:
        benches = {}
        for client in CLIENTS:
            (folder / client).mkdir()
            benches[client] = stack.enter_context(Bench(environment, folder / client, **options))
        yield benches


def judged(bench: Bench) -> dict[tuple[str, str], int]:
    """What is found at the output, by place and type; the evidence is whole, and every order is there."""
    assert bench.collect() == []
    audited = bench.audit()
    assert audited.problems == ()
    assert len(set(bench.ids("orders"))) == RECORDS
    return {key: count for key, count in found(audited).items() if key[0] == "invoices"}


@pytest.mark.parametrize(
    ("commit", "at", "expected"),
    [
        ("before_write", "reply", {("invoices", "lost-processing"): BATCH}),
        ("after_write", "request", {("invoices", "duplicate-processing"): BATCH}),
        ("in_transaction", "request", {}),
    ],
)
def test_killed_in_mid_batch(
    environment: Environment, tmp_path: Path, commit: str, at: Any, expected: dict[tuple[str, str], int]
) -> None:
    """Killed while its second commit (or the answer to it) is held, which then is gone."""
    with side_by_side(environment, tmp_path, partitions=1) as benches, ExitStack() as stack:
        steps = {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            steps[client] = stack.enter_context(Step(bench, ["processor-1"], COMMIT, at=at, nth=2))
        killed = {client: bench.start("processor", client, commit=commit) for client, bench in benches.items()}
        successors = {}
        for client, bench in benches.items():
            hold = steps[client].wait()
            killed[client].kill()
            killed[client].wait(10)
            steps[client].drop(hold)
            successors[client] = bench.start("processor", client, commit=commit)
        for client, bench in benches.items():
            bench.settle()
            bench.stop(successors[client])
            assert judged(bench) == expected, client
            begun = list(batches(bench.ledger("processor")))
            assert [end and end["outcome"] for _, end in begun] == ["ok", None]


def test_an_answer_that_is_lost_is_asked_for_again(environment: Environment, tmp_path: Path) -> None:
    """The transaction is committed, its answer lost: nothing is done twice, and no successor is needed."""
    with side_by_side(environment, tmp_path, partitions=1) as benches, ExitStack() as stack:
        running = {}
        for client, bench in benches.items():
            stack.enter_context(Step(bench, ["processor-1"], COMMIT, at="reply", nth=2, lose="close"))
            running[client] = bench.start("processor", client, commit="in_transaction")
            bench.finish(bench.start("producer", client))
        for client, bench in benches.items():
            bench.settle()
            bench.stop(running[client])
            assert judged(bench) == {}, client


def test_a_zombie_is_fenced(environment: Environment, tmp_path: Path) -> None:
    """Stopped before its offsets are added, for longer than its session; meanwhile another member does its work."""
    config = {"commit": "in_transaction", "producer": {"transaction.timeout.ms": 30_000}}
    with side_by_side(environment, tmp_path, partitions=1) as benches, ExitStack() as stack:
        zombies, heirs, steps = {}, {}, {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            step = Step(bench, ["processor-1"], [{"api": "TxnOffsetCommit"}], nth=2)
            steps[client] = stack.enter_context(step)
            zombies[client] = bench.start("processor", client, **config)
        holds = {}
        for client, bench in benches.items():
            holds[client] = steps[client].wait()
            zombies[client].send_signal(signal.SIGSTOP)
            heirs[client] = bench.start("processor", client, instance=2, **config)
        for client, bench in benches.items():
            wait_until(lambda bench=bench: RECORDS - bench.committed(0))
            zombies[client].send_signal(signal.SIGCONT)
            steps[client].deliver(holds[client])
        for client, bench in benches.items():
            bench.settle()
            bench.stop(heirs[client])
            assert judged(bench) == {}, client
            print(client, bench.ledger("processor"), zombies[client].poll())
            assert False


def test_a_second_owner_of_a_transactional_id_ends_the_first(environment: Environment, tmp_path: Path) -> None:
    """The older one asks for a successor as soon as it finds out, and nothing of its open transaction stays."""
    with side_by_side(environment, tmp_path, partitions=1) as benches, ExitStack() as stack:
        older, newer, steps = {}, {}, {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            step = Step(bench, ["processor-1"], [{"api": "TxnOffsetCommit"}], nth=2)
            steps[client] = stack.enter_context(step)
            older[client] = bench.start("processor", client, commit="in_transaction")
        for client, bench in benches.items():
            hold = steps[client].wait()
            newer[client] = bench.start("processor", client, commit="in_transaction")
            wait_until(lambda bench=bench: not bench.ledger_path("processor", 2).exists())
            time.sleep(1)
            steps[client].deliver(hold)
        for client, bench in benches.items():
            bench.finish(older[client], 75)
            bench.settle()
            bench.stop(newer[client])
            assert judged(bench) == {}, client
            print(client, bench.ledger("processor"))
            assert False
