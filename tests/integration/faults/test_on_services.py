"""Every kind of fault on a real database, a real REST service and a real mail server, seen from their own side."""

from __future__ import annotations

import signal
import smtplib
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
import requests

from faults import (
    EventStream,
    HopClient,
    LinkPartition,
    ProcessTree,
    StepDelay,
    StepLose,
    StepRefuse,
    StepReplace,
    StepRule,
)
from harness.services import Resources, address

if TYPE_CHECKING:
    from harness.environment import Environment, Lane

HELD_S = 15.0
BACK_S = 30.0


@pytest.fixture
def hops(environment: Environment) -> HopClient:
    """Of the cluster, in place of the test's own proxy; `events` follows it too."""
    return HopClient(environment.proxy_url)


# -- the database ------------------------------------------------------------------------------------------------


@pytest.fixture
def table(environment: Environment) -> Iterator[str]:
    name = f"faults_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(environment.postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {name} (id int)")
    yield name
    with psycopg.connect(environment.postgres_dsn, autocommit=True) as connection:
        connection.execute(f"DROP TABLE {name}")


def rows(environment: Environment, table: str) -> list[int]:
    """Past every hop."""
    with psycopg.connect(environment.postgres_dsn) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()]


def insert(app: Lane, table: str, number: int) -> str:
    """In a transaction; `done`, or the SQLSTATE, or `lost`."""
    try:
        with psycopg.connect(app.postgres_dsn, connect_timeout=10) as connection:
            connection.execute(f"INSERT INTO {table} VALUES (%s)", (number,))
    except psycopg.Error as error:
        return error.sqlstate or "lost"
    return "done"


def test_a_held_commit_is_not_seen_before_it_is_delivered(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, table: str, helper: ThreadPoolExecutor
) -> None:
    rule = StepRule(hops, events, lanes=[app.name], step="COMMIT")
    rule.arm()
    inserted = helper.submit(insert, app, table, 1)
    held = rule.wait_held(HELD_S)
    assert held
    assert (held.protocol, held.api) == ("postgres", "COMMIT")
    assert rows(environment, table) == []
    assert rule.deliver()
    assert inserted.result(HELD_S) == "done"
    rule.disarm()
    assert rows(environment, table) == [1]
    evidence = rule.evidence()
    assert (evidence.bit, evidence.facts["hop"]) == (True, f"{app.name}/postgres")


@pytest.mark.parametrize(("when", "stored"), [("before", []), ("after", [1])])
def test_a_lost_commit_leaves_its_client_in_doubt(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, table: str, when: str, stored: list[int]
) -> None:
    rule = StepLose(hops, events, lanes=[app.name], step="COMMIT", when="after" if when == "after" else "before")
    rule.arm()
    assert insert(app, table, 1) == "lost"
    rule.disarm()
    assert rows(environment, table) == stored
    assert insert(app, table, 2) == "done"
    assert rule.evidence().bit


def test_a_refused_and_a_replaced_commit_differ_in_the_database(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, table: str
) -> None:
    where = {"lanes": [app.name], "step": "COMMIT", "error": "serialization_failure"}
    refused = StepRefuse(hops, events, **where)  # type: ignore[arg-type]
    refused.arm()
    assert insert(app, table, 1) == "40001"
    refused.disarm()
    replaced = StepReplace(hops, events, **where)  # type: ignore[arg-type]
    replaced.arm()
    assert insert(app, table, 2) == "40001"
    replaced.disarm()
    assert insert(app, table, 3) == "done"
    assert rows(environment, table) == [2, 3]
    for rule in (refused, replaced):
        evidence = rule.evidence()
        assert (evidence.bit, evidence.why) == (True, "")
        assert evidence.facts["error_name"] == "serialization_failure"


@contextmanager
def hit(environment: Environment) -> Iterator[ProcessTree]:
    """The database's processes, about to be hit; afterwards it runs again."""
    environment.mark_down("postgres")
    yield ProcessTree(*environment.process("postgres"))
    environment.start("postgres")
    environment.mark_up("postgres")


def test_a_database_that_crashes_takes_all_of_its_sessions_with_it(
    environment: Environment, app: Lane, table: str
) -> None:
    assert insert(app, table, 1) == "done"
    with psycopg.connect(app.postgres_dsn) as session:
        session.execute(f"INSERT INTO {table} VALUES (2)")
        backend = session.info.backend_pid
        with hit(environment) as database:
            evidence = database.crash()
        assert (evidence.bit, evidence.why) == (True, "")
        assert backend in evidence.facts["descendants"]
        with pytest.raises(psycopg.OperationalError):
            session.commit()
    assert rows(environment, table) == [1]
    assert insert(app, table, 3) == "done"


def test_a_database_that_is_stopped_by_sigint_does_not_wait_for_its_sessions(
    environment: Environment, app: Lane, table: str
) -> None:
    with psycopg.connect(app.postgres_dsn) as session:
        session.execute("SELECT 1")
        with hit(environment) as database:
            evidence = database.stop(by=signal.SIGINT)
        assert (evidence.bit, evidence.why) == (True, "")
        with pytest.raises(psycopg.OperationalError, match=r"administrator command|closed"):
            session.commit()
    assert insert(app, table, 1) == "done"


def test_a_paused_database_answers_nobody(
    environment: Environment, app: Lane, table: str, helper: ThreadPoolExecutor
) -> None:
    database = ProcessTree(*environment.process("postgres"))
    with psycopg.connect(app.postgres_dsn, autocommit=True) as session:
        session.execute("SELECT 1")
        assert database.pause().bit
        try:
            asked = helper.submit(session.execute, f"INSERT INTO {table} VALUES (1)")
            with pytest.raises(TimeoutError):
                asked.result(0.5)
        finally:
            resumed = database.resume()
        asked.result(HELD_S)
    assert (resumed.bit, resumed.why) == (True, "")
    assert rows(environment, table) == [1]


def test_a_database_that_is_cut_off_keeps_its_client_waiting(
    environment: Environment, hops: HopClient, app: Lane, table: str, helper: ThreadPoolExecutor
) -> None:
    with psycopg.connect(app.postgres_dsn, autocommit=True) as session:
        session.execute("SELECT 1")
        partition = LinkPartition(hops, [app.service_hops["postgres"]], way="forward")
        partition.inject()
        try:
            asked = helper.submit(session.execute, f"INSERT INTO {table} VALUES (1)")
            with pytest.raises(TimeoutError):
                asked.result(0.3)
            assert rows(environment, table) == []
        finally:
            partition.heal()
        asked.result(HELD_S)
    assert partition.evidence().bit


# -- the REST service --------------------------------------------------------------------------------------------


@pytest.fixture
def service(environment: Environment) -> Iterator[str]:
    """A resource of the REST service."""
    environment.start("rest")
    name = f"faults-{uuid.uuid4().hex[:8]}"
    Resources(environment.rest_url).create(name)
    yield name
    Resources(environment.rest_url).delete(name)


def accepted(url: str, resource: str) -> list[str]:
    """Past every hop."""
    return [str(each) for page in Resources(url).read(resource) for each in page["id"]]


def call(app: Lane, resource: str, record: str) -> int | None:
    """The status; None when the connection was lost."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(f"{app.rest_url}/{resource}", json={"id": record}, timeout=20).status_code
    except requests.ConnectionError:
        return None


def test_calls_are_held_lost_refused_and_replaced(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, service: str, helper: ThreadPoolExecutor
) -> None:
    where = {"lanes": [app.name], "step": f"POST(/{service})"}
    held = StepRule(hops, events, **where)  # type: ignore[arg-type]
    held.arm()
    answer = helper.submit(call, app, service, "held")
    assert held.wait_held(HELD_S)
    assert accepted(environment.rest_url, service) == []
    held.deliver()
    assert answer.result(HELD_S) == 201
    held.disarm()

    rules = {
        "lost request": StepLose(hops, events, **where),  # type: ignore[arg-type]
        "lost reply": StepLose(hops, events, **where, when="after"),  # type: ignore[arg-type]
        "refused": StepRefuse(hops, events, **where, error="SERVICE_UNAVAILABLE"),  # type: ignore[arg-type]
        "replaced": StepReplace(hops, events, **where, error=500),  # type: ignore[arg-type]
    }
    statuses = {}
    for record, rule in rules.items():
        rule.arm()
        statuses[record] = call(app, service, record)
        rule.disarm()
        evidence = rule.evidence()
        assert (evidence.bit, evidence.why, evidence.facts["text"]) == (True, "", f"POST /{service}")
    assert statuses == {"lost request": None, "lost reply": None, "refused": 503, "replaced": 500}
    assert call(app, service, "after") == 201
    assert accepted(environment.rest_url, service) == ["held", "lost reply", "replaced", "after"]


def test_a_call_is_delayed_past_its_retry_and_has_two_effects(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, service: str, helper: ThreadPoolExecutor
) -> None:
    rule = StepDelay(hops, events, lanes=[app.name], step="POST")
    rule.arm()
    first = helper.submit(call, app, service, "twice")
    assert rule.wait_held(HELD_S)
    assert call(app, service, "twice") == 201
    assert rule.deliver_after_retry(HELD_S)
    assert first.result(HELD_S) == 201
    rule.disarm()
    assert rule.evidence().bit
    assert accepted(environment.rest_url, service) == ["twice", "twice"]


# -- the mail server ---------------------------------------------------------------------------------------------


@pytest.fixture
def outbox(environment: Environment) -> Iterator[str]:
    """A mailbox."""
    environment.start("smtp")
    name = f"faults-{uuid.uuid4().hex[:8]}"
    Resources(environment.mail_url).create(name)
    yield name
    Resources(environment.mail_url).delete(name)


def mail(app: Lane, mailbox: str, record: str) -> int | None:
    """The code by which the message was answered; None when the connection was lost."""
    message = f"From: app@eos.test\r\nTo: {address(mailbox)}\r\nX-Eos-Id: {record}\r\n\r\nhello\r\n"
    host, _, port = app.smtp.rpartition(":")
    try:
        with smtplib.SMTP(host, int(port), timeout=20) as client:
            client.ehlo("app")
            client.mail("app@eos.test")
            client.rcpt(address(mailbox))
            return client.data(message)[0]
    except smtplib.SMTPServerDisconnected:
        return None


def test_mails_are_lost_refused_and_replaced(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, outbox: str
) -> None:
    where = {"lanes": [app.name], "step": "DATA"}
    rules = {
        "lost request": StepLose(hops, events, **where),  # type: ignore[arg-type]
        "lost reply": StepLose(hops, events, **where, when="after"),  # type: ignore[arg-type]
        "refused": StepRefuse(hops, events, **where, error=451),  # type: ignore[arg-type]
        "replaced": StepReplace(hops, events, **where, error=554),  # type: ignore[arg-type]
    }
    codes = {}
    for record, rule in rules.items():
        rule.arm()
        codes[record] = mail(app, outbox, record)
        rule.disarm()
        evidence = rule.evidence()
        assert (evidence.bit, evidence.why) == (True, "")
    assert codes == {"lost request": None, "lost reply": None, "refused": 451, "replaced": 554}
    assert mail(app, outbox, "after") == 250
    assert accepted(environment.mail_url, outbox) == ["lost reply", "replaced", "after"]
