"""A producer is killed and its successor goes on: where it keeps its position decides what is sent twice."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from faults.messages import At
from harness.environment import Environment
from tests.integration.apps.bench import ALL, Bench, Step, side_by_side

BATCH = 5  # the bench's
PRODUCE = [{"api": "Produce"}]
POSITION = [{"api": "TxnOffsetCommit"}]
COMMIT = [{"api": "EndTxn", "committed": True}]
TRANSACTION: Mapping[str, Any] = {"commit": "in_transaction", "resume": "transaction"}


def killed_and_succeeded(
    environment: Environment, folder: Path, config: Mapping[str, Any], match: list[Any], at: At
) -> dict[str, Bench]:
    """Benches of both clients, read to the end; each producer was killed at its second such frame, which was lost."""
    with side_by_side(environment, folder, partitions=1) as benches, ExitStack() as stack:
        steps, killed = {}, {}
        for client, bench in benches.items():
            steps[client] = stack.enter_context(Step(bench, ["producer-1"], match, at=at, nth=2))
            killed[client] = bench.start("producer", client, **config)
        for client, step in steps.items():  # before anything else: a client asks again after a while
            hold = step.wait()
            killed[client].kill()
            killed[client].wait(10)
            step.drop(hold)
        successors = {client: bench.start("producer", client, **config) for client, bench in benches.items()}
        for client, bench in benches.items():
            bench.finish(successors[client])
            bench.settle()
            assert bench.collect() == []
        return benches


def twice(bench: Bench) -> list[str]:
    ids = bench.ids("orders", "plain", "committed")
    assert set(ids) == set(ALL)
    return sorted(id_ for id_ in set(ids) if ids.count(id_) > 1)


def test_a_batch_whose_acknowledgement_was_not_saved_is_sent_again(environment: Environment, tmp_path: Path) -> None:
    """Idempotence does not help: the successor has another producer id."""
    for client, bench in killed_and_succeeded(environment, tmp_path, {}, PRODUCE, "reply").items():
        again = twice(bench)
        assert again == ALL[BATCH : 2 * BATCH], client
        lines = [line for line in bench.lines("orders") if set(line.get("id", ())) & set(again)]
        assert len({line["producer"] for line in lines}) == 2, client


def test_a_committed_batch_whose_position_was_not_saved_is_sent_again(environment: Environment, tmp_path: Path) -> None:
    config = {"commit": "in_transaction", "resume": "state"}
    for client, bench in killed_and_succeeded(environment, tmp_path, config, COMMIT, "reply").items():
        assert twice(bench) == ALL[BATCH : 2 * BATCH], client


@pytest.mark.parametrize(
    ("match", "at"),
    [(PRODUCE, "reply"), (POSITION, "reply"), (COMMIT, "request"), (COMMIT, "reply")],
)
def test_a_position_inside_the_transaction_is_exact(
    environment: Environment, tmp_path: Path, match: list[Any], at: At
) -> None:
    for client, bench in killed_and_succeeded(environment, tmp_path, TRANSACTION, match, at).items():
        assert twice(bench) == [], client
        sent = [step["id"] for line in bench.ledger("producer", 2) for step in line.get("do", ()) if "send" in step]
        committed = match == COMMIT and at == "reply"
        assert sent[0] == ALL[2 * BATCH if committed else BATCH :][:BATCH], client


def test_two_instances_have_a_position_each(environment: Environment, tmp_path: Path) -> None:
    with side_by_side(environment, tmp_path) as benches:
        running = {
            client: [bench.start("producer", client, instance=n, instances=2, **TRANSACTION) for n in (1, 2)]
            for client, bench in benches.items()
        }
        for client, bench in benches.items():
            for process in running[client]:
                bench.finish(process)
            bench.finish(bench.start("producer", client, instance=2, instances=2, **TRANSACTION))
            assert bench.collect() == []
            assert bench.ids("orders", "committed") == ALL, client
