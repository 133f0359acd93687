"""A real HTTP server and client through eosproxy: what becomes of a call at a step of its protocol."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from faults import HopClient
from faults.hops import At, Ending
from tests.integration.faults.peers import until
from tests.integration.faults.text_lanes import ANSWER_S, TextLane, text_lane

SILENCE_S = 0.3


class Service(ThreadingHTTPServer):
    """Keeps the bodies that were posted, with their paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.effects: list[tuple[str, bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self.chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.effects.append((self.path, body))
        self.answer(201, b"done")

    def do_GET(self) -> None:
        self.answer(200, b"here")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what is wrong."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        yield service
        service.shutdown()


@pytest.fixture
def lane(hops: HopClient, service: Service) -> Iterator[TextLane]:
    with text_lane(hops, "http", ("127.0.0.1", service.server_port)) as lane:
        yield lane


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def post(session: requests.Session, lane: TextLane, body: Any, path: str = "/charges") -> requests.Response:
    host, port = lane.address
    return session.post(f"http://{host}:{port}{path}", data=body, timeout=ANSWER_S)


CLIENT = "import sys, requests; requests.post(sys.argv[1], data=(part for part in [b'one', b'two']))"


@pytest.mark.parametrize(("action", "there"), [("deliver", [("/charges", b"onetwo")]), ("drop", [])])
def test_a_held_call_takes_effect_after_its_client_was_killed_if_it_is_delivered(
    lane: TextLane, service: Service, action: Any, there: list[object]
) -> None:
    host, port = lane.address
    with lane.rule("POST", "request", "hold") as rule:
        with subprocess.Popen([sys.executable, "-c", CLIENT, f"http://{host}:{port}/charges"]) as client:
            hold = rule.held()
            client.kill()
        assert not until(lambda: service.effects != [], SILENCE_S)
        lane.hops.release(hold, action)
        assert until(lambda: service.effects == there, ANSWER_S)


@pytest.mark.parametrize("connection", ["close", "reset"])
@pytest.mark.parametrize(("at", "effects"), [("request", 0), ("reply", 1)])
def test_a_lost_call(
    lane: TextLane, service: Service, session: requests.Session, at: At, connection: Ending, effects: int
) -> None:
    with lane.rule("POST", at, "lose", connection=connection) as rule:
        with pytest.raises(requests.ConnectionError):
            post(session, lane, b"one")
        assert rule.wait("lost")[0].text == "POST /charges"
        assert len(service.effects) == effects
    assert post(session, lane, b"two").status_code == 201


@pytest.mark.parametrize(("at", "action", "effects"), [("request", "refuse", 3), ("reply", "replace", 4)])
def test_an_error_in_place_of_the_answer_leaves_the_connection_as_it_was(
    lane: TextLane, service: Service, session: requests.Session, at: At, action: str, effects: int
) -> None:
    with lane.rule("POST", at, action, error="503", nth=2, path="/charges") as rule:
        post(session, lane, b"zero", path="/refunds")
        said = [post(session, lane, iter([b"a", b"b"])).status_code for _ in range(3)]
        assert said == [201, 503, 201]
        event = rule.wait({"refuse": "refused", "replace": "replaced"}[action])[0]
        assert (event.protocol, event.text, event.error, event.n) == ("http", "POST /charges", "503", 2)
        assert len(service.effects) == effects
    assert len([each for each in lane.events() if each.kind == "opened"]) == 1


def test_only_the_method_that_is_asked_for(lane: TextLane, session: requests.Session) -> None:
    host, port = lane.address
    with lane.rule("POST", "request", "refuse", error="500", times=-1) as rule:
        assert session.get(f"http://{host}:{port}/", timeout=ANSWER_S).text == "here"
        assert [post(session, lane, b"").status_code for _ in range(2)] == [500, 500]
        assert rule.state().seen == 2
