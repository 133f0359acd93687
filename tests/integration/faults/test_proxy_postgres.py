"""A real PostgreSQL and psycopg through eosproxy: what becomes of a transaction at a step of its protocol."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from faults import HopClient
from faults.hops import At, Ending
from faults.messages import HopEvent
from harness.environment.children import unprivileged_user
from harness.environment.postgres import copy_data, dsn, ensure_postgres, postgres_argv
from harness.environment.store import writing
from harness.topology import Address
from tests.integration.faults.peers import until
from tests.integration.faults.text_lanes import ANSWER_S, TextLane, TextRule, text_lane

SILENCE_S = 0.3
IDLE = psycopg.pq.TransactionStatus.IDLE
FAILED = psycopg.pq.TransactionStatus.INERROR


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    """PostgreSQL alone, without the rest of a cluster."""
    with writing(print):
        found = ensure_postgres(print)
    assert found.data
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # of the user who runs PostgreSQL
    copy_data(found.data, folder / "data")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = Address("127.0.0.1", free.getsockname()[1])
    process = subprocess.Popen(
        postgres_argv(found.bin, folder / "data", address), user=unprivileged_user(), cwd="/", stderr=subprocess.DEVNULL
    )
    assert until(lambda: can_connect(dsn(address)), ANSWER_S)
    yield address
    process.send_signal(signal.SIGQUIT)
    process.wait(ANSWER_S)
    shutil.rmtree(folder)


def can_connect(where: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(where).close()
        return True
    return False


@pytest.fixture
def lane(hops: HopClient, server: Address) -> Iterator[TextLane]:
    with text_lane(hops, "postgres", (server.host, server.port)) as lane:
        yield lane


@pytest.fixture
def direct(server: Address) -> Iterator[psycopg.Connection[Any]]:
    """Past the hop."""
    with psycopg.connect(dsn(server), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS effects")
        connection.execute("CREATE TABLE effects (id int PRIMARY KEY)")
        yield connection


Rows = Callable[[], list[int]]


@pytest.fixture
def rows(direct: psycopg.Connection[Any]) -> Rows:
    return lambda: [row[0] for row in direct.execute("SELECT id FROM effects ORDER BY id")]


def connect(lane: TextLane, **more: Any) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn(Address(*lane.address)), **more)


def insert(connection: psycopg.Connection[Any], *numbers: int) -> None:
    for number in numbers:
        connection.execute("INSERT INTO effects VALUES (%s)", (number,))


CLIENT = """
import sys, psycopg
connection = psycopg.connect(sys.argv[1])
connection.execute("INSERT INTO effects VALUES (1)")
connection.commit()
"""


def killed(lane: TextLane, rule: TextRule) -> int:
    """The hold of a COMMIT whose client was killed while it waited for the reply."""
    with subprocess.Popen([sys.executable, "-c", CLIENT, dsn(Address(*lane.address))]) as client:
        hold = rule.held()
        client.kill()
    return hold


# -- who commits, and how it is counted ----------------------------------------------------------------------------


def test_every_executed_commit_is_counted_once(lane: TextLane, direct: psycopg.Connection[Any], rows: Rows) -> None:
    with lane.rule("COMMIT", "request", "note", times=-1) as rule, connect(lane) as connection:
        insert(connection, 1)
        connection.commit()
        with connection.pipeline():
            insert(connection, 2, 3)
            connection.commit()
        for number in (4, 5, 6):
            connection.execute("BEGIN", prepare=True)
            connection.execute("INSERT INTO effects VALUES (%s)", (number,), prepare=True)
            connection.execute("COMMIT", prepare=True)
        connection.execute("BEGIN; INSERT INTO effects VALUES (7); COMMIT; BEGIN; -- COMMIT;\n END")
        with connection.cursor().copy("COPY effects FROM STDIN") as copy:
            copy.write_row((8,))
        connection.commit()
        connection.execute("SELECT 'COMMIT;'")
        connection.rollback()
        assert rule.state().seen == rule.state().fired == 8
    assert rows() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_driver_that_asks_for_tls_goes_on_without(lane: TextLane, direct: psycopg.Connection[Any]) -> None:
    where = dsn(Address(*lane.address)).replace(
        "sslmode=disable gssencmode=disable", "sslmode=prefer gssencmode=prefer"
    )
    with lane.rule("SELECT", "reply", "note") as rule, psycopg.connect(where) as connection:
        connection.execute("SELECT 1")
        assert rule.wait("noted")[0].text == "SELECT 1"


def test_a_query_is_cancelled_through_the_hop(lane: TextLane, direct: psycopg.Connection[Any]) -> None:
    with connect(lane) as connection:
        timer = threading.Timer(SILENCE_S, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        timer.join()


# -- hold ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "there"), [("deliver", [1]), ("drop", [])])
def test_a_commit_of_a_killed_client_takes_effect_only_when_it_is_delivered(
    lane: TextLane, rows: Rows, action: Any, there: list[int]
) -> None:
    with lane.rule("COMMIT", "request", "hold") as rule:
        hold = killed(lane, rule)
        assert not until(lambda: rows() != [], SILENCE_S)
        lane.hops.release(hold, action)
        assert until(lambda: rows() == there, ANSWER_S)


def test_while_the_reply_is_held_the_commit_has_taken_effect(lane: TextLane, rows: Rows) -> None:
    with lane.rule("COMMIT", "reply", "hold") as rule:
        killed(lane, rule)
        assert rows() == [1]


def test_a_held_reply_is_answered_late(lane: TextLane, rows: Rows) -> None:
    with lane.rule("COMMIT", "reply", "hold") as rule, connect(lane) as connection:
        insert(connection, 1)
        committing = threading.Thread(target=connection.commit)
        committing.start()
        hold = rule.held()
        committing.join(SILENCE_S)
        assert committing.is_alive()
        lane.hops.release(hold)
        committing.join(ANSWER_S)
        assert connection.info.transaction_status == IDLE


# -- lose ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connection", ["close", "reset"])
@pytest.mark.parametrize(("at", "there"), [("request", []), ("reply", [1])])
def test_a_lost_commit(lane: TextLane, rows: Rows, at: At, connection: Ending, there: list[int]) -> None:
    with lane.rule("COMMIT", at, "lose", connection=connection) as rule:
        client = connect(lane)
        insert(client, 1)
        with pytest.raises(psycopg.OperationalError):
            client.commit()
        assert rule.wait("lost")[0].at == at
        assert rows() == there
        client.close()


def test_a_lost_reply_on_a_connection_that_is_left_open(lane: TextLane, rows: Rows) -> None:
    with lane.rule("COMMIT", "reply", "lose", connection="open") as rule:
        client = connect(lane)
        insert(client, 1)
        outcome: list[Exception] = []
        committing = threading.Thread(target=outcome_of, args=(client.commit, outcome))
        committing.start()
        rule.wait("lost")
        committing.join(SILENCE_S)
        assert committing.is_alive()
        assert rows() == [1]
        lane.hops.patch_hop(f"{lane.name}/postgres", enabled=False)
        committing.join(ANSWER_S)
        assert isinstance(outcome[0], psycopg.OperationalError)


def outcome_of(call: Callable[[], object], outcome: list[Exception]) -> None:
    try:
        call()
    except psycopg.Error as error:
        outcome.append(error)


# -- refuse and replace ---------------------------------------------------------------------------------------------


def commit_simply(connection: psycopg.Connection[Any]) -> None:
    connection.commit()


def commit_prepared(connection: psycopg.Connection[Any]) -> None:
    connection.execute("COMMIT", prepare=True)


def commit_in_pipeline(connection: psycopg.Connection[Any]) -> None:
    with connection.pipeline():
        insert(connection, 2)
        connection.commit()


WAYS = pytest.mark.parametrize("commit", [commit_simply, commit_prepared, commit_in_pipeline])


def made(rule: TextRule, kind: str) -> HopEvent:
    event = rule.wait(kind)[0]
    assert (event.protocol, event.api, event.error) == ("postgres", "COMMIT", "40001")
    return event


@WAYS
def test_a_refused_commit_is_rolled_back(
    lane: TextLane, rows: Rows, commit: Callable[[psycopg.Connection[Any]], None]
) -> None:
    with lane.rule("COMMIT", "request", "refuse", error="40001") as rule, connect(lane) as connection:
        insert(connection, 1)
        with pytest.raises(psycopg.errors.SerializationFailure):
            commit(connection)
        assert connection.info.transaction_status == IDLE  # as after a commit that fails by itself
        made(rule, "refused")
        assert rows() == []
        insert(connection, 7)  # a new transaction: nothing of the old one is left
        connection.commit()
        assert rows() == [7]


@WAYS
def test_a_commit_whose_reply_is_replaced_has_taken_effect(
    lane: TextLane, rows: Rows, commit: Callable[[psycopg.Connection[Any]], None]
) -> None:
    with lane.rule("COMMIT", "reply", "replace", error="40001") as rule, connect(lane) as connection:
        insert(connection, 1)
        with pytest.raises(psycopg.errors.SerializationFailure):
            commit(connection)
        assert connection.info.transaction_status == IDLE
        made(rule, "replaced")
        assert rows() == ([1, 2] if commit is commit_in_pipeline else [1])
        insert(connection, 7)
        connection.commit()
        assert 7 in rows()


@pytest.mark.parametrize(("at", "action"), [("request", "refuse"), ("reply", "replace")])
@pytest.mark.parametrize("pipeline", [False, True])
def test_an_error_within_a_transaction_fails_it(
    lane: TextLane, rows: Rows, at: At, action: str, pipeline: bool
) -> None:
    with lane.rule("INSERT", at, action, error="57014", nth=2), connect(lane) as connection:
        with pytest.raises(psycopg.errors.QueryCanceled):
            if pipeline:
                with connection.pipeline():
                    insert(connection, 1, 2, 3)
            else:
                insert(connection, 1, 2, 3)
        assert connection.info.transaction_status == FAILED
        connection.rollback()
        insert(connection, 7)
        connection.commit()
        assert rows() == [7]


def test_a_refused_query_of_several_statements_does_nothing(lane: TextLane, rows: Rows) -> None:
    with lane.rule("COMMIT", "request", "refuse", error="40001"), connect(lane, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute("BEGIN; INSERT INTO effects VALUES (1); COMMIT")
        assert connection.info.transaction_status == IDLE
        assert rows() == []


def test_what_comes_behind_a_replaced_statement_is_not_for_the_client(lane: TextLane, rows: Rows) -> None:
    with lane.rule("INSERT", "reply", "replace", error="40001"), connect(lane, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute("INSERT INTO effects VALUES (1); SELECT 1; SELECT 2")
        assert connection.execute("SELECT 3").fetchall() == [(3,)]
        assert rows() == [1]
