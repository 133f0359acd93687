"""The REST service from outside: what it accepts, what it refuses, what it remembers."""

from __future__ import annotations

import resource as resource_limits
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.services import ServiceGoneError
from tests.integration.services.servers import Server, ids, post, serving

BODY = {"id": "a", "key": "k", "seq": 3, "amount_cents": 100}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("rest", tmp_path_factory.mktemp("rest")) as server:
        server.resources.create("billing", idempotency=True)
        server.resources.create("plain")
        yield server


@pytest.fixture
def resource(server: Server, request: pytest.FixtureRequest) -> str:
    """A resource of the test's own, with idempotency keys."""
    name = f"r.{abs(hash(request.node.nodeid))}"
    server.resources.create(name, idempotency=True)
    return name


def test_a_call_is_written_down_with_all_that_it_says(server: Server, resource: str) -> None:
    headers = {"X-Eos-Src": "orders/0/17", "X-Eos-Txn": "processor-1/1.3", "X-Eos-Writer": "processor#1/1"}
    answer = post(server, resource, BODY, "a", headers)
    assert (answer.status_code, answer.json()) == (201, {"row": 1, "id": "a"})
    assert server.rows(resource) == [
        {
            "row": 1,
            "id": "a",
            "key": "k",
            "seq": 3,
            "src": "orders/0/17",
            "writer": "processor#1/1",
            "txn": "processor-1/1.3",
            "idempotency_key": "a",
            "accepted": 1,
        }
    ]


def test_the_same_key_has_one_effect_and_gets_the_first_reply_again(server: Server, resource: str) -> None:
    first = post(server, resource, BODY, '"a"')
    post(server, resource, {**BODY, "id": "b"}, "b")
    again = post(server, resource, dict(reversed(BODY.items())), "a")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [(row["row"], row["id"], row["accepted"]) for row in server.rows(resource)] == [
        (1, "a", 1),
        (2, "b", 1),
        (3, "a", 0),
    ]


def test_the_same_key_with_another_body_is_refused(server: Server, resource: str) -> None:
    post(server, resource, BODY, "a")
    other = post(server, resource, {**BODY, "amount_cents": 101}, "a")
    assert other.status_code == 422
    assert other.json()["error"] == "the idempotency key a was used for another call"
    assert len(server.rows(resource)) == 1


def test_a_key_is_one_resource_s_alone_and_has_no_meaning_where_none_was_asked_for(
    server: Server, resource: str
) -> None:
    assert [post(server, name, BODY, "k1").status_code for name in (resource, "plain", "plain")] == [201] * 3
    rows = server.rows("plain")
    assert [(row["idempotency_key"], row["accepted"]) for row in rows] == [("k1", 1), ("k1", 1)]


def test_a_second_call_while_the_first_is_in_progress(server: Server, resource: str) -> None:
    """Neither can be written down while somebody else holds the database: one waits, all others are refused at once."""
    with closing(sqlite3.connect(server.log.with_name("rest.sqlite"), isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(3) as threads:
            calls = [threads.submit(post, server, resource, BODY, "a") for _ in range(3)]
            done = as_completed(calls, 20)
            next(done), next(done)
            database.execute("ROLLBACK")
        answers = sorted((call.result() for call in calls), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [201, 409, 409]
    assert answers[1].json()["error"] == "a call with the idempotency key a is in progress"
    assert [row["accepted"] for row in server.rows(resource)] == [1]


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{", {}, 400, "the body is not JSON"),
        (b"[" * 100_000, {}, 400, "the body is not JSON"),
        (b"\xff\xfe{", {}, 400, "the body is not JSON"),
        (b"[]", {}, 400, "the body is not a JSON object"),
        (b"x" * (1 << 20) + b"x", {}, 413, "larger than 1048576 bytes"),
        ({"key": "k"}, {}, 400, "the body must have 'id'"),
        ({"id": 7}, {}, 400, "'id' must be text, not 7"),
        ({"id": "a", "seq": "3"}, {}, 400, "'seq' must be a whole number of 64 bits, not '3'"),
        ({"id": "a", "seq": True}, {}, 400, "'seq' must be a whole number of 64 bits, not True"),
        ({"id": "a", "seq": 2**63}, {}, 400, "'seq' must be a whole number of 64 bits"),
        ({"id": "a", "key": []}, {}, 400, "'key' must be text, not []"),
        (BODY, {"Content-Type": "text/plain"}, 415, "application/json, not text/plain"),
        (BODY, {"Idempotency-Key": '""'}, 400, "1 to 255 characters, not 0"),
        (BODY, {"Idempotency-Key": "k" * 256}, 400, "1 to 255 characters, not 256"),
    ],
)
def test_bad_calls_are_refused_with_a_reason(
    server: Server, resource: str, body: Any, headers: dict[str, str], status: int, reason: str
) -> None:
    answer = post(server, resource, body, headers=headers)
    assert (answer.status_code, reason in answer.json()["error"]) == (status, True), answer.text
    assert server.rows(resource) == []


def test_what_is_not_there(server: Server) -> None:
    assert post(server, "nowhere", BODY).json() == {"error": "there is no resource nowhere"}
    assert post(server, "nowhere", BODY).status_code == 404
    assert requests.patch(f"{server.api}/billing", timeout=5).status_code == 405
    with pytest.raises(ServiceGoneError, match=r"refused \(404\).*no resource nowhere"):
        list(server.resources.read("nowhere"))
    server.resources.delete("nowhere")


def test_resources_are_made_once_and_alike(server: Server) -> None:
    server.resources.create("billing", idempotency=True)
    with pytest.raises(ServiceGoneError, match="made with other settings"):
        server.resources.create("billing", idempotency=False)
    with pytest.raises(ServiceGoneError, match="no name of a resource"):
        server.resources.create("a b")
    server.resources.create("short-lived")
    post(server, "short-lived", BODY)
    server.resources.delete("short-lived")
    server.resources.create("short-lived", idempotency=True)
    assert server.rows("short-lived") == []


def test_killed_again_and_again_it_has_lost_nothing_that_it_answered(tmp_path: Path) -> None:
    """And answers for an idempotency key as before, whoever is killed in between."""
    with serving("rest", tmp_path) as server:
        server.resources.create("billing", idempotency=True)
        answered: list[str] = []
        sent = 0
        for _ in range(3):
            caller = threading.Thread(target=server.kill)
            while server.process and server.process.poll() is None:
                sent += 1
                if sent % 40 == 0:
                    caller.start()
                try:
                    if post(server, "billing", {"id": f"r{sent}"}, f"r{sent}").status_code == 201:
                        answered.append(f"r{sent}")
                except requests.ConnectionError:
                    break
            caller.join(20)
            server.start()
        rows = server.rows("billing")
        assert set(answered) <= set(ids(rows))
        assert len(rows) <= len(answered) + 3, "but for those whose answer was lost, nothing else is there"
        assert [row["row"] for row in rows] == list(range(1, len(rows) + 1))
        assert len(answered) >= 100
        replies = [post(server, "billing", {"id": f"r{n + 1}"}, f"r{n + 1}") for n in range(sent)]
        assert {answer.status_code for answer in replies} == {201}
        assert sorted(row["id"] for row in server.rows("billing") if row["accepted"]) == sorted(
            f"r{n + 1}" for n in range(sent)
        )


def test_a_full_disk_is_told_and_nothing_half_done_stays(tmp_path: Path) -> None:
    """By the kernel's limit of a file's size, which SQLite meets as it meets a full disk."""
    with serving("rest", tmp_path) as server:
        server.resources.create("billing", idempotency=True)
        post(server, "billing", BODY, "a")
        assert server.process is not None
        full = (tmp_path / "rest.sqlite-wal").stat().st_size
        limit = resource_limits.prlimit(server.process.pid, resource_limits.RLIMIT_FSIZE, (full, -1))
        answer = post(server, "billing", {"id": "b"}, "b")
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("nothing can be written down: ")
        resource_limits.prlimit(server.process.pid, resource_limits.RLIMIT_FSIZE, limit)
        assert post(server, "billing", {"id": "b"}, "b").json() == {"row": 2, "id": "b"}
        assert ids(server.rows("billing")) == ["a", "b"]
