"""Partitions through the real eosproxy, seen from both ends, and healed."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from faults import FaultError, HealError, HopClient, LinkPartition, ProxyGoneError
from faults.links import Way
from tests.integration.faults.conftest import StartProxy
from tests.integration.faults.peers import (
    SILENCE_S,
    Broker,
    Lane,
    LostConnectionError,
    make_lane,
    metadata,
    stalled_client,
)

Cut = Callable[..., LinkPartition]


@pytest.fixture
def cut(hops: HopClient, lane: Lane) -> Iterator[Cut]:
    made = []

    def make(**more: str) -> LinkPartition:
        made.append(LinkPartition(hops, [lane.hop], **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for partition in made:
        partition.heal()


@pytest.mark.parametrize(
    ("way", "request_passes", "withheld"),
    [
        ("both", False, "bytes_withheld_up"),
        ("forward", False, "bytes_withheld_up"),
        ("backward", True, "bytes_withheld_down"),
    ],
)
def test_withheld_bytes_prove_the_cut_and_arrive_after_the_heal(
    cut: Cut, lane: Lane, way: Way, request_passes: bool, withheld: str
) -> None:
    partition = cut(way=way)
    with lane.connect() as client:
        assert client.ask(metadata(1)) == 1
        partition.inject()
        client.send(metadata(2))
        assert client.answer(SILENCE_S) is None
        assert lane.broker.saw(2) is request_passes
        during = partition.evidence()
        assert (during.fired, during.bit, during.facts[withheld] > 0) == (1, True, True)
        partition.heal()
        assert client.answer() == 2
        assert client.ask(metadata(3)) == 3
    evidence = partition.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    assert evidence.facts[withheld] == during.facts[withheld]
    assert evidence.facts["injected_ns"] < evidence.facts["healed_ns"] <= time.monotonic_ns()


def test_a_new_connection_through_a_cut_link_gets_nowhere(cut: Cut, lane: Lane) -> None:
    partition = cut()
    partition.inject()
    with lane.connect() as client:
        client.send(metadata(1))
        assert client.answer(SILENCE_S) is None
        partition.heal()
        assert client.answer() == 1
    assert partition.evidence().bit


def test_a_link_refuses_and_accepts_again(cut: Cut, lane: Lane) -> None:
    partition = cut(how="refuse")
    with lane.connect() as client, lane.connect() as another:
        client.ask(metadata(1))
        another.ask(metadata(2))
        partition.inject()
        with pytest.raises(LostConnectionError, match="closed"):
            client.answer()
    with pytest.raises(ConnectionRefusedError):
        lane.connect()
    assert partition.evidence().facts["connections_closed"] == 2
    partition.heal()
    with lane.connect() as client:
        assert client.ask(metadata(3)) == 3
    assert partition.evidence().bit


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("withhold", "not a byte was sent on these links"),
        ("refuse", "no connection was open"),
        ("reset", "nobody tried to connect"),
    ],
)
def test_a_cut_that_nobody_felt_is_no_bite(cut: Cut, how: str, why: str) -> None:
    partition = cut(how=how)
    assert partition.evidence().why == "the partition was never injected"
    partition.inject()
    partition.heal()
    evidence = partition.evidence()
    assert (evidence.fired, evidence.bit) == (1, False)
    assert why in evidence.why


def test_bytes_in_the_other_direction_are_no_bite(cut: Cut, lane: Lane) -> None:
    partition = cut(way="backward")
    lane.broker.hang_up_at = 3
    with lane.connect() as client:
        partition.inject()
        client.send(metadata(1))
        assert lane.broker.wait_received(1)  # it went up, and nothing came down
        partition.heal()
    assert not partition.evidence().bit


def test_a_heal_may_come_twice_and_touches_nothing_then(cut: Cut, hops: HopClient, lane: Lane) -> None:
    partition = cut()
    partition.heal()
    partition.inject()
    partition.heal()
    hops.patch_hop(lane.hop, requests="withhold")
    partition.heal()
    assert lane.state().requests == "withhold"
    hops.patch_hop(lane.hop, requests="pass")


def test_a_partition_may_be_injected_again(cut: Cut, lane: Lane) -> None:
    partition = cut()
    with lane.connect() as client:
        for number in (1, 2):
            partition.inject()
            client.send(metadata(number))
            assert client.answer(SILENCE_S) is None
            partition.heal()
            assert client.answer() == number
            evidence = partition.evidence()
            assert (evidence.fired, evidence.facts["bytes_withheld_up"]) == (number, len(metadata(number)))
            assert evidence.facts["injected_ns"] < evidence.facts["healed_ns"]


def test_both_directions_may_be_cut_by_two_and_each_heals_its_own(cut: Cut, lane: Lane) -> None:
    forward, backward = cut(way="forward"), cut(way="backward")
    forward.inject()
    backward.inject()
    forward.heal()
    assert (lane.state().requests, lane.state().replies) == ("pass", "withhold")
    backward.heal()
    assert (lane.state().requests, lane.state().replies) == ("pass", "pass")


def test_what_is_cut_already_cannot_be_cut_again(cut: Cut, lane: Lane) -> None:
    first, second = cut(way="forward"), cut()
    first.inject()
    with pytest.raises(FaultError, match=f"{lane.hop} is cut in this way already: heal the other partition first"):
        second.inject()
    second.heal()
    assert lane.state().requests == "withhold"
    assert second.evidence().fired == 0


def test_an_unknown_hop_is_named_and_nothing_is_cut(hops: HopClient, lane: Lane) -> None:
    partition = LinkPartition(hops, [lane.hop, "link/8-9/INTERNAL"])
    with pytest.raises(FaultError, match="has no hop 'link/8-9/INTERNAL'"):
        partition.inject()
    assert lane.state().requests == "pass"
    partition.heal()


def test_a_heal_that_fails_says_what_is_still_cut_and_can_be_repeated(cut: Cut, lane: Lane) -> None:
    partition = cut(how="refuse")
    host, port = lane.address.split(":")
    partition.inject()
    with socket.create_server((host, int(port))), pytest.raises(HealError, match=f"{lane.hop}: .*in use") as failure:
        partition.heal()
    assert f"{lane.hop} is still cut" in str(failure.value)
    partition.heal()
    assert lane.state().enabled


def test_a_proxy_that_died_cannot_be_healed(start_proxy: StartProxy, broker: Broker) -> None:
    proxy = start_proxy()
    hops = HopClient(proxy.url)
    lane = make_lane(hops, "lane-1", broker)
    partition = LinkPartition(hops, [lane.hop])
    partition.inject()
    proxy.process.kill()
    proxy.process.wait(5)
    with pytest.raises(HealError, match="cannot be read back"):
        partition.heal()
    evidence = partition.evidence()
    assert (evidence.bit, evidence.why) == (False, "the withheld bytes could not be counted: eosproxy did not answer")
    with pytest.raises(ProxyGoneError):
        LinkPartition(hops, [lane.hop]).inject()


def test_a_stalled_client_does_not_hold_up_a_cut_or_its_heal(cut: Cut, lane: Lane) -> None:
    partition = cut()
    with stalled_client(lane):
        began = time.monotonic()
        partition.inject()
        partition.heal()
        assert time.monotonic() - began < 1


def test_a_link_resets_whoever_comes_and_counts_them(cut: Cut, lane: Lane) -> None:
    partition = cut(how="reset")
    upstream = lane.state().upstream
    with lane.connect() as client:
        client.ask(metadata(1))
        partition.inject()
        with pytest.raises(LostConnectionError, match="closed"):
            client.answer()
    with pytest.raises((LostConnectionError, ConnectionResetError)), lane.connect() as client:
        client.ask(metadata(2))
    evidence = partition.evidence()
    assert (evidence.bit, evidence.facts["connections_closed"], evidence.facts["connections_reset"]) == (True, 1, 1)
    partition.heal()
    assert lane.state().upstream == upstream
    with lane.connect() as client:
        assert client.ask(metadata(3)) == 3
    assert not lane.broker.saw(2)


def test_where_no_connection_is_open_a_reset_can_be_proved(cut: Cut, lane: Lane) -> None:
    partition = cut(how="reset")
    partition.inject()
    with pytest.raises((LostConnectionError, ConnectionResetError)), lane.connect() as client:
        client.ask(metadata(1))
    partition.heal()
    evidence = partition.evidence()
    assert (evidence.bit, evidence.facts["connections_closed"], evidence.facts["connections_reset"]) == (True, 0, 1)
