"""A step outside Kafka goes wrong on the wire: SQL COMMIT, HTTP POST, the final dot of a mail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.apps.config import Write
from harness.environment import Environment
from tests.integration.apps.bench import ALL, BILLING, INVOICES, OUTBOX, TABLE, Bench, Step

BATCH = 5  # the bench's
CLIENT = "confluent-kafka"  # what is tried here knows no Kafka

COMMIT = [{"api": "COMMIT", "protocol": "postgres"}]
POST = [{"api": "POST", "protocol": "http"}]
DATA = [{"api": "DATA", "protocol": "smtp"}]

LOST: Mapping[str, Any] = {"at": "reply", "lose": "close"}


def twice(bench: Bench, place: str) -> int:
    """How many more effects there are than records, once all were read; every record has at least one."""
    assert bench.collect() == []
    copies = Counter(row["id"] for row in bench.rows(place) if row.get("accepted", True))
    assert sorted(copies) == ALL
    return sum(copies.values()) - len(copies)


def drained(bench: Bench, app: str, match: list[Any], fault: Mapping[str, Any], **config: Any) -> None:
    """The app met the fault at its second such step, and did its work."""
    with Step(bench, [f"{app}-1"], match, nth=2, **fault) as step:
        process = bench.start(app, CLIENT, **config)
        step.wait()
        bench.settle()
        bench.stop(process)


@pytest.mark.parametrize(
    ("write", "fault", "expected"),
    [
        ("insert", LOST, BATCH),
        ("upsert", LOST, 0),
        ("insert", {"at": "request", "lose": "reset"}, 0),
        ("insert", {"at": "request", "error": "40001"}, 0),
        ("insert", {"at": "reply", "error": "40001"}, BATCH),
    ],
)
def test_what_becomes_of_rows_whose_commit_was_not_confirmed(
    environment: Environment, tmp_path: Path, write: Write, fault: Mapping[str, Any], expected: int
) -> None:
    """Every error looks the same to the app: it writes again, whether the rows are there or not."""
    with Bench(environment, tmp_path, partitions=1, table=write) as bench:
        bench.fill_invoices(CLIENT)
        drained(bench, "sink", COMMIT, fault)
        assert twice(bench, TABLE) == expected


def test_an_answer_that_never_comes_ends_in_a_successor(environment: Environment, tmp_path: Path) -> None:
    """libpq would wait for ever on a connection that is left open."""
    with Bench(environment, tmp_path, partitions=1, table="insert") as bench:
        bench.fill_invoices(CLIENT)
        with Step(bench, ["sink-1"], COMMIT, nth=2, at="reply", lose="open") as step:
            hanging = bench.start("sink", CLIENT)
            step.wait()
            bench.finish(hanging, 75)
        successor = bench.start("sink", CLIENT)
        bench.settle()
        bench.stop(successor)
        assert twice(bench, TABLE) == BATCH


@pytest.mark.parametrize(
    ("key", "fault", "expected"),
    [
        (False, LOST, 1),
        (True, LOST, 0),
        (False, {"at": "reply", "lose": "open"}, 1),
        (False, {"at": "request", "error": "503"}, 0),
        (False, {"at": "reply", "error": "503"}, 1),
        (True, {"at": "reply", "error": "503"}, 0),
    ],
)
def test_what_becomes_of_a_call_that_was_not_confirmed(
    environment: Environment, tmp_path: Path, key: bool, fault: Mapping[str, Any], expected: int
) -> None:
    with Bench(environment, tmp_path, partitions=1, billing=True) as bench:
        bench.finish(bench.start("producer", CLIENT))
        drained(bench, "processor", POST, fault, commit="in_transaction", idempotency_key=key)
        assert twice(bench, BILLING) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(LOST, 1), ({"at": "request", "error": "451"}, 0), ({"at": "reply", "error": "451"}, 1)],
)
def test_what_becomes_of_a_mail_that_was_not_confirmed(
    environment: Environment, tmp_path: Path, fault: Mapping[str, Any], expected: int
) -> None:
    with Bench(environment, tmp_path, partitions=1, outbox=True) as bench:
        bench.fill_invoices(CLIENT)
        drained(bench, "sink", DATA, fault)
        assert twice(bench, OUTBOX) == expected


@pytest.mark.parametrize(("app", "match", "error"), [("processor", POST, "400"), ("sink", DATA, "550")])
def test_what_is_refused_for_good_is_a_successor_s(
    environment: Environment, tmp_path: Path, app: str, match: list[Any], error: str
) -> None:
    with Bench(environment, tmp_path, partitions=1, billing=True, outbox=True) as bench:
        read = {"processor": "orders", "sink": INVOICES}[app]
        topic = {"place": read, "topic": bench.orders if app == "processor" else bench.invoices}
        bench.finish(bench.start("producer", CLIENT, to=topic))
        with Step(bench, [f"{app}-1"], match, at="request", error=error) as step:
            process = bench.start(app, CLIENT, commit="after_write")
            step.wait()
            bench.finish(process, 75)
        assert error in bench.ledger(app)[-1]["reason"]
