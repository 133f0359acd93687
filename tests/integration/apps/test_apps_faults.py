"""What the apps do when something goes wrong at an exact step: the counts are those that the guarantee allows."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from faults.messages import At
from harness.apps.config import Write
from harness.environment import Environment
from tests.integration.apps.bench import ALL, COMMIT, RECORDS, Bench, Step, batches, side_by_side, wait_until

BATCH = 5  # the bench's
WOKEN_S = 2.0
"""A few heartbeats: a member that was paused has learnt that it is none any more."""


def outcome(bench: Bench, place: str = "invoices") -> tuple[int, int]:
    """(too many, missing) records at a place that was read whole."""
    assert bench.collect() == []
    return bench.exact(place, ALL)


@pytest.mark.parametrize(
    ("commit", "at", "expected"),
    [
        ("before_write", "reply", (0, BATCH)),
        ("after_write", "request", (BATCH, 0)),
        ("in_transaction", "request", (0, 0)),
    ],
)
def test_a_processor_is_killed_in_mid_batch(
    environment: Environment, tmp_path: Path, commit: str, at: At, expected: tuple[int, int]
) -> None:
    """Killed while its second commit (or the answer to it) is held, which then is gone."""
    with side_by_side(environment, tmp_path, partitions=1) as benches, ExitStack() as stack:
        steps, killed, successors = {}, {}, {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            steps[client] = stack.enter_context(Step(bench, ["processor-1"], COMMIT, at=at, nth=2))
            killed[client] = bench.start("processor", client, commit=commit)
        for client, bench in benches.items():
            hold = steps[client].wait()
            killed[client].kill()
            killed[client].wait(10)
            steps[client].drop(hold)
            successors[client] = bench.start("processor", client, commit=commit)
        for client, bench in benches.items():
            bench.settle()
            bench.stop(successors[client])
            assert outcome(bench) == expected, client
            assert [end and end["outcome"] for _, end in batches(bench.ledger("processor"))] == ["ok", None]
            if commit == "in_transaction":
                assert len(bench.ids("invoices", "aborted")) == BATCH


def test_a_sink_is_killed_between_rows_and_offsets(environment: Environment, tmp_path: Path) -> None:
    """The rows of one batch are written, their offsets are not: they come once more."""
    writes: dict[str, Write] = {"kafka-python": "insert", "confluent-kafka": "upsert"}
    with ExitStack() as stack:
        benches, steps, killed, successors = {}, {}, {}, {}
        for client, write in writes.items():
            (tmp_path / client).mkdir()
            bench = Bench(environment, tmp_path / client, partitions=1, table=write)
            benches[client] = stack.enter_context(bench)
            bench.fill_invoices(client)
            steps[client] = stack.enter_context(Step(bench, ["sink-1"], COMMIT, nth=2))
            killed[client] = bench.start("sink", client)
        for client, bench in benches.items():
            hold = steps[client].wait()
            killed[client].kill()
            killed[client].wait(10)
            steps[client].drop(hold)
            successors[client] = bench.start("sink", client)
        for client, bench in benches.items():
            bench.settle()
            bench.stop(successors[client])
            assert outcome(bench, "invoices_seen") == (BATCH if client == "kafka-python" else 0, 0), client


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
            assert outcome(bench) == (0, 0), client


def test_a_zombie_is_fenced_and_works_on(environment: Environment, tmp_path: Path) -> None:
    """Stopped before its offsets are added, for longer than its session; meanwhile another member does its work."""
    config = {"commit": "in_transaction", "producer": {"transaction.timeout.ms": 30_000}}
    with side_by_side(environment, tmp_path, partitions=1) as benches, ExitStack() as stack:
        zombies, heirs, steps, holds = {}, {}, {}, {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            step = Step(bench, ["processor-1"], [{"api": "TxnOffsetCommit"}], nth=2)
            steps[client] = stack.enter_context(step)
            zombies[client] = bench.start("processor", client, **config)
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
            bench.stop(heirs[client], zombies[client])
            assert outcome(bench) == (0, 0), client
            aborted = [end for _, end in batches(bench.ledger("processor")) if end and end["outcome"] == "failed"]
            assert len(aborted) == 1, client
            assert len(bench.ids("invoices", "aborted")) == BATCH


def test_a_zombie_that_asks_for_its_membership_too_late(environment: Environment, tmp_path: Path) -> None:
    """Asked for after it woke up, the group metadata of kafka-python names no member, and fences nobody.

    It commits the offsets of its old batch over its heir's, so what came after that batch is done again, too.
    confluent-kafka still gives that of the time when it was a member.
    """
    # Whoever wakes up must find the reply that it was waiting for.
    patient = {"kafka-python": "request.timeout.ms", "confluent-kafka": "socket.timeout.ms"}
    with side_by_side(environment, tmp_path, partitions=1) as benches, ExitStack() as stack:
        zombies, heirs, steps, holds = {}, {}, {}, {}
        configs: dict[str, dict[str, Any]] = {
            client: {
                "commit": "in_transaction",
                "group_metadata": "at_commit",
                "producer": {"transaction.timeout.ms": 60_000, patient[client]: 30_000},
            }
            for client in benches
        }
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            step = Step(bench, ["processor-1"], [{"api": "Produce"}], at="reply", nth=2)
            steps[client] = stack.enter_context(step)
            zombies[client] = bench.start("processor", client, **configs[client])
        for client, bench in benches.items():
            holds[client] = steps[client].wait()
            zombies[client].send_signal(signal.SIGSTOP)
            heirs[client] = bench.start("processor", client, instance=2, **configs[client])
        for client, bench in benches.items():
            wait_until(lambda bench=bench: RECORDS - bench.committed(0))
            zombies[client].send_signal(signal.SIGCONT)
        time.sleep(WOKEN_S)
        for client, bench in benches.items():
            steps[client].deliver(holds[client])
            bench.settle()
            bench.stop(heirs[client], zombies[client])
            assert outcome(bench) == (RECORDS - BATCH if client == "kafka-python" else 0, 0), client


def test_a_second_owner_of_a_transactional_id_ends_the_first(environment: Environment, tmp_path: Path) -> None:
    """The older one asks for a successor as soon as it finds out, and nothing of its open transaction stays."""
    with side_by_side(environment, tmp_path, partitions=1) as benches, ExitStack() as stack:
        older, newer, steps = {}, {}, {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            step = Step(bench, ["processor-1"], [{"api": "TxnOffsetCommit"}], nth=2)
            steps[client] = stack.enter_context(step)
            older[client] = bench.start("processor", client, commit="in_transaction")
        holds = {client: step.wait() for client, step in steps.items()}
        for client, bench in benches.items():
            newer[client] = bench.start("processor", client, commit="in_transaction")
        for client, bench in benches.items():
            wait_until(lambda bench=bench: not bench.aborted_by_successor())
            steps[client].deliver(holds[client])
        for client, bench in benches.items():
            bench.finish(older[client], 75)
            bench.settle()
            bench.stop(newer[client])
            assert outcome(bench) == (0, 0), client
            assert "fenced" in bench.ledger("processor")[-1]["reason"].lower(), client


def test_a_batch_that_can_never_be_sent(environment: Environment, tmp_path: Path) -> None:
    """It is aborted, tried again a few times, and never passed over; then a successor is asked for."""
    with side_by_side(environment, tmp_path, partitions=1, invoices={"max.message.bytes": 100}) as benches:
        processors = {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            processors[client] = bench.start("processor", client, commit="in_transaction")
        for client, bench in benches.items():
            bench.finish(processors[client], 75)
            assert outcome(bench) == (0, RECORDS), client
            assert bench.committed(0) == 0
            assert {end and end["outcome"] for _, end in batches(bench.ledger("processor"))} == {"failed"}
