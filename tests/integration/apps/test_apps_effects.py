"""What the apps do outside Kafka: calls, e-mails, rows, and how often when something goes wrong in between."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from faults.process import ProcessHandle
from harness.environment import Environment
from tests.integration.apps.bench import (
    ALL,
    BILLING,
    COMMIT,
    INVOICES,
    OUTBOX,
    TABLE,
    Bench,
    Step,
    batches,
    found,
    side_by_side,
    wait_until,
)

BATCH = 5  # the bench's


def accepted(bench: Bench, place: str = BILLING) -> list[str]:
    """Ids of the effects at a service, sorted; what was answered from a kept reply is none."""
    return sorted(row["id"] for row in bench.rows(place) if row["accepted"])


def test_calls_and_mails_are_made_once(environment: Environment, tmp_path: Path) -> None:
    with side_by_side(environment, tmp_path, billing=True, outbox=True) as benches:
        running = {
            client: [
                bench.start("processor", client, commit="in_transaction", idempotency_key=True),
                bench.start("sink", client),
            ]
            for client, bench in benches.items()
        }
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
        for client, bench in benches.items():
            bench.settle()
            bench.stop(*running[client])
            assert bench.collect() == []
            assert accepted(bench) == accepted(bench, OUTBOX) == ALL
            check_what_they_carry(bench)


def check_what_they_carry(bench: Bench) -> None:
    of_orders = {spot[1:]: id_ for spot, id_ in positions(bench, "orders").items()}
    for row in bench.rows(BILLING):
        assert row["writer"] == "processor#1/1"
        assert row["idempotency_key"] == row["id"]
        place, *spot = row["src"]
        assert (place, of_orders[tuple(spot)]) == ("orders", row["id"])
    known = {line["txn"] for line in bench.ledger("processor") if line.get("txn")}
    assert {row["txn"] for row in bench.rows(BILLING)} == known
    of_invoices = positions(bench, INVOICES)
    for row in bench.rows(OUTBOX):
        assert (row["writer"], row["txn"], row["idempotency_key"]) == ("sink#1/1", None, None)
        assert of_invoices[tuple(row["src"])] == row["id"]
    for app, place in (("processor", BILLING), ("sink", OUTBOX)):
        announced, acked = steps(bench, app, "send", place), steps(bench, app, "ack", place)
        assert [id_ for step in announced for id_ in step["id"]] == [id_ for step in acked for id_ in step["id"]]
        assert [pos for step in acked for pos in step["pos"]] == [row["row"] for row in bench.rows(place)]


def positions(bench: Bench, topic: str) -> dict[tuple[Any, ...], str]:
    """(place, partition, offset) → id"""
    lines = [line for line in bench.lines(topic) if "id" in line]
    return {(topic, line["part"], pos): id_ for line in lines for pos, id_ in zip(line["pos"], line["id"], strict=True)}


def steps(bench: Bench, app: str, word: str, place: str) -> list[dict[str, Any]]:
    return [step for line in bench.ledger(app) for step in line.get("do", ()) if step.get(word) == place]


@pytest.mark.parametrize("key", [False, True])
def test_a_processor_is_killed_between_its_calls_and_its_commit(
    environment: Environment, tmp_path: Path, key: bool
) -> None:
    """The transaction is aborted, its calls are not: they are made again, and only their key tells the service so."""
    config = {"commit": "in_transaction", "idempotency_key": key}
    with side_by_side(environment, tmp_path, partitions=1, billing=True) as benches, ExitStack() as stack:
        steps, killed, successors = {}, {}, {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
            steps[client] = stack.enter_context(Step(bench, ["processor-1"], COMMIT, nth=2))
            killed[client] = bench.start("processor", client, **config)
        for client, bench in benches.items():
            hold = steps[client].wait()
            killed[client].kill()
            killed[client].wait(10)
            steps[client].drop(hold)
            successors[client] = bench.start("processor", client, **config)
        for client, bench in benches.items():
            bench.settle()
            bench.stop(successors[client])
            assert bench.collect() == []
            assert bench.exact(INVOICES, ALL) == (0, 0), client
            again = ALL[BATCH : 2 * BATCH]
            assert accepted(bench) == (ALL if key else sorted(ALL + again)), client
            assert sorted(row["id"] for row in bench.rows(BILLING)) == sorted(ALL + again), client
            orphans = {row["txn"] for row in bench.rows(BILLING) if row["writer"] == "processor#1/1"}
            assert len(orphans) == 2, "one of a transaction that was committed, one of the one that was aborted"


@pytest.mark.parametrize("key", [False, True])
def test_an_abort_undoes_no_call(environment: Environment, tmp_path: Path, key: bool) -> None:
    """The transaction is aborted by its own process, and its batch done again: the ledger does not say that the calls
    had failed."""
    with Bench(environment, tmp_path, partitions=1, billing=True) as bench:
        bench.finish(bench.start("producer", "confluent-kafka"))
        match = [{"api": "TxnOffsetCommit"}]
        with Step(bench, ["processor-1"], match, nth=2, error="22") as step:  # ILLEGAL_GENERATION
            process = bench.start("processor", "confluent-kafka", commit="in_transaction", idempotency_key=key)
            step.wait()
            bench.settle()
            bench.stop(process)
        assert bench.collect() == []
        assert bench.exact(INVOICES, ALL) == (0, 0)
        assert "failed" in {end and end["outcome"] for _, end in batches(bench.ledger("processor"))}
        again = ALL[BATCH : 2 * BATCH]
        assert accepted(bench) == (ALL if key else sorted(ALL + again))
        audited = bench.audit()
        at_billing = {type_: count for (place, type_), count in found(audited).items() if place == BILLING}
        wanted = {} if key else {"repeated-effect": BATCH, "orphan-effect": BATCH}
        assert (at_billing, audited.problems) == (wanted, ())


def test_a_sink_is_killed_between_its_mails_and_its_offsets(environment: Environment, tmp_path: Path) -> None:
    with side_by_side(environment, tmp_path, partitions=1, outbox=True) as benches, ExitStack() as stack:
        steps, killed, successors = {}, {}, {}
        for client, bench in benches.items():
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
            assert bench.collect() == []
            assert accepted(bench, OUTBOX) == sorted(ALL + ALL[BATCH : 2 * BATCH]), client


@pytest.mark.parametrize("write", ["insert", "upsert", "upsert_by_key"])
def test_what_a_table_remembers_of_rows_that_are_written_again(
    environment: Environment, tmp_path: Path, write: Any
) -> None:
    """An upsert by the record's id changes nothing; by the record's key it goes back to older values for a while."""
    with Bench(environment, tmp_path, partitions=1, table=write) as bench:
        bench.finish(
            bench.start("producer", "confluent-kafka", keys=2, to={"place": INVOICES, "topic": bench.invoices})
        )
        with Step(bench, ["sink-1"], COMMIT) as step:
            killed = bench.start("sink", "confluent-kafka", batch=20, batch_wait_s=2)
            hold = step.wait()
            killed.kill()
            killed.wait(10)
            step.drop(hold)
        successor = bench.start("sink", "confluent-kafka", batch=20, batch_wait_s=2)
        bench.settle()
        bench.stop(successor)
        assert bench.collect() == []
        history = bench.rows(TABLE, "history")
        assert [line["id"] for line in history] == ALL + ALL
        assert [line["writer"] for line in history] == ["sink#1/1"] * 20 + ["sink#1/2"] * 20
        assert [line["history"] for line in history] == sorted({line["history"] for line in history})
        rows = bench.rows(TABLE)
        regressed = [line for line in history if line["over_seq"] is not None and line["seq"] < line["over_seq"]]
        if write == "insert":
            assert len(rows) == 40
            assert {line["over_id"] for line in history} == {None}
        elif write == "upsert":
            assert [row["id"] for row in rows] == ALL
            assert [line["over_id"] for line in history] == [None] * 20 + ALL
            assert regressed == []
        else:
            assert len(rows) == 2
            assert {row["key"]: row["seq"] for row in rows} == {line["key"]: line["seq"] for line in history}, (
                "the newest in the end"
            )
            assert {line["key"] for line in regressed} == {row["key"] for row in rows}
            assert len(regressed) == 2, "the first of each key, over the newest of it"


def test_a_rolled_back_write_is_no_history(environment: Environment, tmp_path: Path) -> None:
    with Bench(environment, tmp_path, table="insert") as bench:
        statement = (
            "INSERT INTO {schema}.invoices_seen (id, src_topic, src_part, src_pos, writer) VALUES ('a', 't', 0, 0, 'w')"
        )
        bench.execute(statement)
        bench.execute(f"DO $$ BEGIN {statement}; RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN END $$")
        assert bench.collect() == []
        assert [row["id"] for row in bench.rows(TABLE)] == ["a"]
        assert len(bench.rows(TABLE, "history")) == 1


@pytest.mark.parametrize("service", ["rest", "smtp"])
def test_a_service_is_killed_and_comes_back(environment: Environment, tmp_path: Path, service: str) -> None:
    """Its clients notice, and go on where it knows that they were: nothing is missing, and with a key nothing twice."""
    place, app = {"rest": (BILLING, "processor"), "smtp": (OUTBOX, "sink")}[service]
    options: dict[str, Any] = {"billing": True} if service == "rest" else {"outbox": True}
    with side_by_side(environment, tmp_path, partitions=1, **options) as benches:
        running = {}
        for client, bench in benches.items():
            if app == "processor":
                bench.finish(bench.start("producer", client, records=200))
            else:
                bench.fill_invoices(client, records=200)
            running[client] = bench.start(app, client, commit="after_write", idempotency_key=True)
        for bench in benches.values():
            wait_until(lambda bench=bench: not (bench.ledger_path(app).exists() and steps(bench, app, "ack", place)))
        killed = kill(environment, service)
        environment.start(service)
        environment.mark_up(service)
        assert environment.process(service)[0] != killed
        for client, bench in benches.items():
            bench.settle()
            bench.stop(running[client])
            assert bench.collect() == []
            wanted = [f"producer-{n:06d}" for n in range(200)]
            made = accepted(bench, place)
            assert set(made) == set(wanted), client
            if service == "rest":
                assert made == wanted, client
            assert [line for line in bench.ledger(app) if line.get("note") == "retry"], "it was noticed"
        environment.check()


def kill(environment: Environment, component: str) -> int:
    """Its process id."""
    pid, created = environment.process(component)
    environment.mark_down(component)
    ProcessHandle(pid, created).crash(10)
    return pid


def test_a_service_that_stays_away_ends_in_a_successor_and_is_no_clean_place(
    environment: Environment, tmp_path: Path
) -> None:
    with side_by_side(environment, tmp_path, partitions=1, billing=True) as benches:
        running = {}
        for client, bench in benches.items():
            bench.finish(bench.start("producer", client))
        kill(environment, "rest")
        try:
            for client, bench in benches.items():
                running[client] = bench.start("processor", client, commit="in_transaction")
            for client, bench in benches.items():
                bench.finish(running[client], 75)
                (reason,) = bench.collect()
                assert "billing could not be read whole" in reason
                assert bench.lines(BILLING)[0]["whole"] is False
                assert bench.committed(0) == 0
                assert {end and end["outcome"] for _, end in batches(bench.ledger("processor"))} == {"failed"}
        finally:
            environment.start("rest")
            environment.mark_up("rest")
