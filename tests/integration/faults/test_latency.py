"""Latency through the Toxiproxy inside eosproxy: measured on the lane, compared with what was asked for."""

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from faults import (
    Detour,
    FaultError,
    HealError,
    HopClient,
    LaneDetour,
    Latency,
    ProcessHandle,
    ProxyRefusedError,
    ToxicError,
    Toxics,
)
from tests.integration.faults.conftest import EosProxy, StartProxy
from tests.integration.faults.peers import Broker, Lane, make_lane, metadata, stalled_client

DELAY_MS = 60

_names = itertools.count(1)


@pytest.fixture
def toxics(eosproxy: EosProxy) -> Toxics:
    return Toxics(eosproxy.url)


def free_address() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def detour_of(lane: Lane, toxics: Toxics) -> LaneDetour:
    way = Detour(hop=lane.hop, listen=free_address(), upstream=lane.broker.address)
    return LaneDetour(lane.hops, toxics, lane.name, [way])


@pytest.fixture
def detour(lane: Lane, toxics: Toxics) -> Iterator[LaneDetour]:
    """Prepared before anybody connects."""
    detour = detour_of(lane, toxics)
    detour.prepare()
    yield detour
    detour.remove()


def round_trip_ms(lane: Lane) -> float:
    with lane.connect() as client:
        client.ask(metadata(1))
        began = time.monotonic()
        assert client.ask(metadata(2)) == 2
        return (time.monotonic() - began) * 1000


def test_the_delay_is_felt_by_the_client_and_measured_on_the_lane(detour: LaneDetour, lane: Lane) -> None:
    latency = Latency(detour, DELAY_MS)
    assert round_trip_ms(lane) < DELAY_MS / 2
    latency.inject()
    assert round_trip_ms(lane) >= DELAY_MS
    assert latency.evidence().bit
    latency.heal()
    assert round_trip_ms(lane) < DELAY_MS / 2
    evidence = latency.evidence()
    assert (evidence.fired, evidence.bit, evidence.why) == (1, True, "")
    assert evidence.facts["round_trips"] == 2
    assert DELAY_MS <= evidence.facts["rtt_min_ms"] <= evidence.facts["rtt_mean_ms"] <= evidence.facts["rtt_max_ms"]
    assert evidence.facts["proxies_made_anew"] == 0
    assert evidence.facts["injected_ns"] < evidence.facts["healed_ns"]


def test_a_connection_that_was_there_before_the_delay_is_slow_too(detour: LaneDetour, lane: Lane) -> None:
    latency = Latency(detour, DELAY_MS, jitter_ms=DELAY_MS // 3)
    with lane.connect() as client:
        client.ask(metadata(1))
        latency.inject()
        began = time.monotonic()
        client.ask(metadata(2))
        assert time.monotonic() - began >= DELAY_MS / 1000 * 2 / 3
        latency.heal()
    assert latency.evidence().bit


def test_a_delayed_reply_goes_on_at_the_heal(detour: LaneDetour, lane: Lane) -> None:
    latency = Latency(detour, 30_000)
    with lane.connect() as client:
        client.ask(metadata(1))
        latency.inject()
        client.send(metadata(2))
        assert lane.broker.wait_received(2)
        latency.heal()
        assert client.answer() == 2
    assert latency.evidence().why == f"not one request was answered on {lane.name} while it was slow"


def test_who_connected_before_the_detour_escapes_it_and_is_found_out(lane: Lane, toxics: Toxics) -> None:
    detour = detour_of(lane, toxics)
    with lane.connect() as early:
        early.ask(metadata(1))
        detour.prepare()
        latency = Latency(detour, DELAY_MS)
        latency.inject()
        early.ask(metadata(2))
        latency.heal()
        detour.remove()
        assert early.ask(metadata(3)) == 3
    evidence = latency.evidence()
    assert not evidence.bit
    assert "not all of it went through Toxiproxy" in evidence.why


def test_a_delay_that_nobody_felt_is_no_bite(detour: LaneDetour) -> None:
    latency = Latency(detour, DELAY_MS)
    assert latency.evidence().why == "the latency was never injected"
    latency.heal()
    latency.inject()
    latency.heal()
    latency.heal()
    evidence = latency.evidence()
    assert (evidence.fired, evidence.bit) == (1, False)
    assert "not one request was answered" in evidence.why


@pytest.mark.parametrize(
    ("meddle", "complaint"),
    [
        (lambda url, toxic: requests.delete(f"{url}{toxic}", timeout=5), "is not there: somebody removed it"),
        (
            lambda url, toxic: requests.post(f"{url}{toxic}", json={"attributes": {"latency": 1}}, timeout=5),
            "is not what was asked for",
        ),
    ],
)
def test_a_toxic_that_somebody_changed_meanwhile_is_no_bite(
    detour: LaneDetour, lane: Lane, eosproxy: EosProxy, meddle: Callable[[str, str], object], complaint: str
) -> None:
    latency = Latency(detour, DELAY_MS)
    latency.inject()
    round_trip_ms(lane)
    assert latency.evidence().bit
    meddle(eosproxy.url, f"/proxies/{detour.detours[0].proxy}/toxics/latency")
    latency.heal()
    assert complaint in latency.evidence().why


def test_a_lane_has_one_detour_and_a_second_leaves_it_alone(detour: LaneDetour, lane: Lane, toxics: Toxics) -> None:
    latency = Latency(detour, DELAY_MS)
    second = detour_of(lane, toxics)
    with pytest.raises(ProxyRefusedError, match="already exists") as refusal:
        second.prepare()
    assert refusal.value.status == 409
    second.remove()
    latency.inject()
    assert round_trip_ms(lane) >= DELAY_MS
    with pytest.raises(ProxyRefusedError, match="already exists"):
        Latency(detour, 5).inject()
    other = Latency(detour, DELAY_MS, name="more")
    other.inject()
    assert round_trip_ms(lane) >= 2 * DELAY_MS
    other.heal()
    latency.heal()
    assert other.evidence().bit


def test_a_detour_that_cannot_be_made_leaves_nothing(lane: Lane, toxics: Toxics) -> None:
    ways = [
        Detour(hop=lane.hop, listen=free_address(), upstream=lane.broker.address),
        Detour(hop=f"{lane.name}/broker-2", listen=lane.address, upstream=lane.broker.address),
    ]
    with pytest.raises(FaultError, match="in use"):
        LaneDetour(lane.hops, toxics, lane.name, ways).prepare()
    assert lane.state().upstream == lane.broker.address
    assert round_trip_ms(lane) < DELAY_MS / 2
    toxics.create_proxy(ways[0].proxy, ways[0].listen, ways[0].upstream)  # the name and the address are free again
    toxics.remove_proxy(ways[0].proxy)
    toxics.remove_proxy(ways[0].proxy)


def test_a_delay_without_a_detour_is_refused(lane: Lane, toxics: Toxics) -> None:
    latency = Latency(detour_of(lane, toxics), DELAY_MS)
    with pytest.raises(ProxyRefusedError, match="proxy not found"):
        latency.inject()
    latency.heal()
    assert latency.evidence().fired == 0


# -- Toxiproxy's own ways ----------------------------------------------------------------------------------------


@pytest.fixture
def meddler(eosproxy: EosProxy) -> Iterator[str]:
    """Between us and Toxiproxy: misspells an attribute, which Toxiproxy accepts and ignores."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._relay("POST", body.replace(b'"latency":', b'"latncy":'))

        def do_GET(self) -> None:
            self._relay("GET", b"")

        def do_DELETE(self) -> None:
            self._relay("DELETE", b"")

        def _relay(self, method: str, body: bytes) -> None:
            answer = requests.request(method, eosproxy.url + self.path, data=body, timeout=5)
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_toxic_that_toxiproxy_accepts_but_does_not_apply_is_an_error(
    meddler: str, toxics: Toxics, broker: Broker
) -> None:
    deceived, name = Toxics(meddler), f"deceived-{next(_names)}"
    deceived.create_proxy(name, free_address(), broker.address)
    with pytest.raises(ToxicError, match="is not what was asked for") as error:
        deceived.add(name, "slow", "latency", {"latency": DELAY_MS, "jitter": 0})
    assert json.dumps(DELAY_MS) in str(error.value)
    assert toxics.toxics(name) == []
    toxics.remove_proxy(name)


def test_a_toxic_is_listed_until_it_is_removed(toxics: Toxics, broker: Broker) -> None:
    name = f"listed-{next(_names)}"
    toxics.create_proxy(name, free_address(), broker.address)
    toxics.add(name, "slow", "latency", {"latency": DELAY_MS, "jitter": 5}, "upstream")
    assert toxics.toxics(name) == ["slow"]
    toxics.check(name)
    toxics.remove_toxic(name, "slow")
    toxics.remove_toxic(name, "slow")
    assert toxics.toxics(name) == []
    toxics.remove_proxy(name)


def test_a_proxy_wedged_by_a_client_that_does_not_read_is_made_anew(start_proxy: StartProxy, broker: Broker) -> None:
    proxy = start_proxy()
    hops, toxics = HopClient(proxy.url), Toxics(proxy.url, timeout_s=0.5)
    lane = make_lane(hops, "lane-1", broker)
    detour = detour_of(lane, toxics)
    detour.prepare()
    latency = Latency(detour, DELAY_MS)
    with stalled_client(lane):
        began = time.monotonic()
        latency.inject()
        assert time.monotonic() - began < 8
        broker.answer_bytes = 2
        assert round_trip_ms(lane) >= DELAY_MS
        latency.heal()
    evidence = latency.evidence()
    assert (evidence.bit, evidence.facts["proxies_made_anew"]) == (True, 1)


def test_a_proxy_that_hangs_is_an_error_in_time(start_proxy: StartProxy, broker: Broker) -> None:
    proxy = start_proxy()
    hops, toxics = HopClient(proxy.url, timeout_s=0.3), Toxics(proxy.url, timeout_s=0.3)
    lane = make_lane(hops, "lane-1", broker)
    detour = detour_of(lane, toxics)
    detour.prepare()
    latency = Latency(detour, DELAY_MS)
    assert ProcessHandle.of(proxy.process.pid).pause().bit
    began = time.monotonic()
    with pytest.raises(ToxicError, match=r"is wedged .* cannot be made anew .*start eosproxy again"):
        latency.inject()
    with pytest.raises(HealError, match=r"the latency of lane-1 is not healed: lane-1/broker-1: .*did not answer"):
        latency.heal()
    assert time.monotonic() - began < 8
    assert latency.evidence().fired == 0
