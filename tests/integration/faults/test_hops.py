"""Hops, gates and what becomes of the client when the proxy is not what it should be."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from faults import (
    HopClient,
    HopSpec,
    ProxyFailedError,
    ProxyGoneError,
    ProxyRefusedError,
    Rule,
    StepProtocol,
    known_steps,
    step_alternatives,
)
from tests.integration.faults.conftest import EosProxy
from tests.integration.faults.peers import SILENCE_S, Broker, Lane, LostConnectionError, Peer, end_txn, metadata


def test_a_hop_relays_both_ways_and_counts(hops: HopClient, lane: Lane) -> None:
    with lane.connect() as client:
        assert client.ask(metadata(1)) == 1
        state = lane.state()
        assert (state.name, state.lane, state.enabled) == (lane.hop, lane.name, True)
        assert (state.requests, state.replies, state.open_connections, state.accepted) == ("pass", "pass", 1, 1)
        assert (state.bytes_up, state.bytes_down) == (len(metadata(1)), 10)
        assert state.rtt.count == 1
        assert 0 < state.rtt.min_us <= state.rtt.max_us == state.rtt.sum_us
        hops.reset_rtt(lane.name)
        assert lane.state().rtt.count == 0


def test_a_disabled_hop_refuses_and_an_enabled_one_accepts_again(hops: HopClient, lane: Lane) -> None:
    with lane.connect() as client:
        client.ask(metadata(1))
        hops.patch_hop(lane.hop, enabled=False)
        with pytest.raises(LostConnectionError, match="closed"):
            client.answer()
    with pytest.raises(ConnectionRefusedError):
        lane.connect()
    hops.patch_hop(lane.hop, enabled=True)
    with lane.connect() as client:
        assert client.ask(metadata(2)) == 2


def test_a_new_upstream_is_for_new_connections(hops: HopClient, lane: Lane) -> None:
    with closing(Broker()) as other, lane.connect() as old:
        old.ask(metadata(1))
        hops.patch_hop(lane.hop, upstream=other.address)
        with lane.connect() as new:
            assert (new.ask(metadata(2)), old.ask(metadata(3))) == (2, 3)
        assert other.saw(2)
        assert not other.saw(3)


def test_withheld_bytes_are_kept_and_come_in_order(hops: HopClient, lane: Lane) -> None:
    with lane.connect() as client:
        client.ask(metadata(1))
        hops.patch_hop(lane.hop, requests="withhold")
        client.send(metadata(2) + metadata(3))
        assert lane.broker.wait_received(2, SILENCE_S) is None
        assert lane.state().withheld_up == 2 * len(metadata(2))
        hops.patch_hop(lane.hop, requests="pass")
        assert (client.answer(), client.answer()) == (2, 3)


def test_hops_are_made_all_or_none(hops: HopClient, lane: Lane) -> None:
    fine = HopSpec(name="fine", lane="fine", listen="127.0.0.1:0", upstream=lane.broker.address)
    taken = HopSpec(name="taken", lane="fine", listen=lane.address, upstream=lane.broker.address)
    with pytest.raises(ProxyRefusedError, match=r"'taken'|\"taken\".*in use") as refusal:
        hops.create_hops([fine, taken])
    assert refusal.value.status == 409
    assert "fine" not in [state.name for state in hops.hops()]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"match": [{"api": "Fetchh"}]}, "no API"),
        ({"match": [{"api": "Fetch", "committed": True}]}, "has none"),
        ({"nth": 0}, "less than 1"),
        ({"lanes": []}, "at least one"),
    ],
)
def test_a_rule_that_could_never_fire_is_refused(hops: HopClient, rule: dict[str, object], complaint: str) -> None:
    asked = {"id": "never", "lanes": ["lane-0"], "match": [{"api": "Fetch"}], "at": "request", "action": "hold"} | rule
    with pytest.raises(ProxyRefusedError, match=complaint) as refusal:
        hops.add_rule(Rule(**asked))  # type: ignore[arg-type]
    assert refusal.value.status == 400
    assert "POST /eos/rules" in str(refusal.value)


@pytest.mark.parametrize("protocol", ["kafka", "postgres", "http", "smtp"])
def test_every_step_that_has_a_name_here_is_known_to_the_proxy(hops: HopClient, protocol: StepProtocol) -> None:
    match = [alternative for step in known_steps(protocol) for alternative in step_alternatives(step)]
    hops.add_rule(Rule(id="all", lanes=["lane-0"], match=match, at="reply", action="note"))
    hops.remove_rule("all")


def test_what_is_not_there_is_named(hops: HopClient) -> None:
    with pytest.raises(ProxyRefusedError, match="lane-99/broker-1") as refusal:
        hops.patch_hop("lane-99/broker-1", requests="withhold")
    assert refusal.value.status == 404
    with pytest.raises(ProxyRefusedError, match="hold 99"):
        hops.release(99_999)


def test_rules_tell_what_they_saw(hops: HopClient, lane: Lane) -> None:
    hops.add_rule(
        Rule(
            id="seen",
            lanes=[lane.name],
            match=[{"api": "EndTxn", "committed": True}],
            at="request",
            action="note",
            nth=2,
        )
    )
    with lane.connect() as client:
        for correlation_id, commit in ((1, True), (2, False), (3, True), (4, True)):
            client.ask(end_txn(correlation_id, commit=commit))
    rule = next(rule for rule in hops.rules() if rule.id == "seen")
    assert (rule.seen, rule.fired) == (3, 1)
    noted = [event for event in hops.events() if event.rule == "seen"]
    assert [(event.correlation_id, event.n, event.committed) for event in noted] == [(3, 2, True)]
    hops.remove_rule("seen")


def test_events_wait_for_the_first_one(hops: HopClient) -> None:
    began = time.monotonic()
    assert hops.events(since=hops.health().events, wait_ms=200) == []
    assert 0.2 <= time.monotonic() - began < 2


def test_nobody_there() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ProxyGoneError, match=f"{url} cannot be reached"):
        HopClient(url).hops()


def test_somebody_there_who_does_not_answer() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ProxyGoneError, match=f"{url} did not answer GET /eos/hops in time"):
            HopClient(url, timeout_s=0.2).hops()


@contextmanager
def web_server(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that the library looks for
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (200, b"<html>It works!</html>", "is it eosproxy"),
        (200, b'{"name": "x"}', "answered oddly"),
        (200, b'[{"lane": "x"}]', r"oddly at '0\.name'"),
        (503, b"busy", r"busy \(status 503\)"),
    ],
)
def test_somebody_else_there(status: int, body: bytes, complaint: str) -> None:
    with web_server(status, body) as url, pytest.raises(ProxyFailedError, match=complaint):
        HopClient(url).hops()


def test_a_proxy_for_the_web_is_not_asked(eosproxy: EosProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert HopClient(eosproxy.url).health().version


def test_a_peer_connects_to_a_dead_upstream_and_is_reset(hops: HopClient, lane: Lane) -> None:
    lane.broker.close()
    with pytest.raises((LostConnectionError, ConnectionResetError)):
        Peer(lane.address).ask(metadata(1))
    assert lane.state().refused_upstream == 1
