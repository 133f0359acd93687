"""Bandwidth, slicing and resets through the Toxiproxy inside eosproxy: measured, and felt by the client."""

import time
from collections.abc import Iterator

import pytest

from faults import Bandwidth, EventStream, FaultError, HopClient, LaneDetour, Latency, Reset, Slicing, Toxics
from faults.links import Way
from tests.integration.faults.conftest import EosProxy
from tests.integration.faults.peers import HEARTBEAT, Lane, LostConnectionError, metadata, produce, request, until
from tests.integration.faults.test_latency import detour_of

KB_PER_S = 40
BODY = 20_000
"""Bytes of a frame that needs half a second at that rate."""

ASKED = request(HEARTBEAT, 0, 1)
"""Not Metadata: a hop reads the whole of its reply before it passes any of it on."""


@pytest.fixture
def toxics(eosproxy: EosProxy) -> Toxics:
    return Toxics(eosproxy.url)


@pytest.fixture
def detour(lane: Lane, toxics: Toxics) -> Iterator[LaneDetour]:
    detour = detour_of(lane, toxics)
    detour.prepare()
    yield detour
    detour.remove()


def ask_ms(lane: Lane, frame: bytes = ASKED) -> float:
    with lane.connect() as client:
        began = time.monotonic()
        assert client.ask(frame) == 1
        return (time.monotonic() - began) * 1000


@pytest.mark.parametrize(("way", "stream"), [("backward", "downstream"), ("forward", "upstream")])
def test_a_narrow_link_is_felt_by_the_client_and_measured(
    detour: LaneDetour, lane: Lane, way: Way, stream: str
) -> None:
    if way == "backward":
        lane.broker.answer_bytes = BODY
    frame = ASKED if way == "backward" else produce(1, records=b"r" * BODY)
    assert ask_ms(lane, frame) < 200
    narrow = Bandwidth(detour, KB_PER_S, way)
    narrow.inject()
    assert ask_ms(lane, frame) > 350
    assert narrow.evidence().bit
    narrow.heal()
    narrow.heal()
    assert ask_ms(lane, frame) < 200
    evidence = narrow.evidence()
    assert (evidence.fired, evidence.bit, evidence.why) == (1, True, "")
    facts = evidence.facts
    assert (facts["stream"], facts["hop"], facts["kb_per_s"]) == (stream, lane.hop, KB_PER_S)
    assert facts["waited_ms"] >= 60
    assert facts["passed_meanwhile_bytes"] > 0


def test_a_reply_in_slices_is_felt_by_the_client_and_measured(detour: LaneDetour, lane: Lane) -> None:
    lane.broker.answer_bytes = 1000
    sliced = Slicing(detour, 50, delay_ms=10)
    assert ask_ms(lane) < 100
    sliced.inject()
    assert ask_ms(lane) > 150
    sliced.heal()
    assert ask_ms(lane) < 100
    evidence = sliced.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    assert evidence.facts["passed_meanwhile_bytes"] < 1000


def test_what_is_too_small_to_be_slowed_down_is_no_bite(detour: LaneDetour, lane: Lane) -> None:
    faults = [Bandwidth(detour, 10_000), Slicing(detour, 500)]
    for fault in faults:
        assert "was never injected" in fault.evidence().why
        fault.inject()
    ask_ms(lane)
    for fault in faults:
        fault.heal()
        evidence = fault.evidence()
        assert (evidence.fired, evidence.bit) == (1, False)
        assert "no byte was seen to wait" in evidence.why


def test_waiting_for_another_reason_is_not_taken_for_a_narrow_link(detour: LaneDetour, lane: Lane) -> None:
    lane.broker.answer_bytes = BODY
    narrow, slow = Bandwidth(detour, 10_000), Latency(detour, 300)
    slow.inject()
    narrow.inject()
    ask_ms(lane)
    narrow.heal()
    slow.heal()
    evidence = narrow.evidence()
    assert not evidence.bit
    assert "longer than the bandwidth lets them wait" in evidence.why


def test_a_connection_that_ended_in_the_middle_leaves_nothing_waiting(detour: LaneDetour, lane: Lane) -> None:
    lane.broker.answer_bytes = BODY
    narrow = Bandwidth(detour, KB_PER_S)
    narrow.inject()
    with lane.connect() as client:
        client.send(ASKED)
        assert lane.broker.wait_received(1)
    assert until(lambda: lane.state().open_connections == 0)
    time.sleep(0.1)
    waited = narrow.evidence().facts.get("waited_ms", 0)
    time.sleep(0.3)
    assert narrow.evidence().facts.get("waited_ms", 0) == waited
    narrow.heal()


def test_new_connections_are_reset_when_their_reply_comes(
    detour: LaneDetour, lane: Lane, hops: HopClient, events: EventStream
) -> None:
    reset = Reset(detour, events)
    with lane.connect() as older:
        older.ask(metadata(1))
        reset.inject()
        with pytest.raises(LostConnectionError, match="closed"):
            older.ask(metadata(2))
    assert reset.evidence().why == (
        f"no connection of {lane.name} was reset (1 older ones were closed): nobody was answered on a new one meanwhile"
    )
    with lane.connect() as client, pytest.raises(LostConnectionError, match="reset"):
        client.ask(metadata(3))
    assert lane.broker.saw(3)
    reset.heal()
    ask_ms(lane)
    evidence = reset.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    assert (evidence.facts["connections_reset"], evidence.facts["connections_closed"]) == (1, 1)


def test_a_reset_that_nobody_met_is_no_bite(detour: LaneDetour, lane: Lane, events: EventStream) -> None:
    reset = Reset(detour, events)
    reset.inject()
    reset.heal()
    evidence = reset.evidence()
    assert (evidence.fired, evidence.bit) == (1, False)
    assert f"no connection of {lane.name} was reset" in evidence.why


def test_shapes_that_could_not_be_proved_are_refused(detour: LaneDetour, events: EventStream) -> None:
    with pytest.raises(FaultError, match="use a partition"):
        Bandwidth(detour, 0)
    with pytest.raises(FaultError, match="cannot be proved"):
        Slicing(detour, 10, variation=10)
    with pytest.raises(FaultError, match="cannot be proved"):
        Slicing(detour, 10, delay_ms=0)
    with pytest.raises(FaultError, match="cannot come -1 ms"):
        Reset(detour, events, after_ms=-1)
