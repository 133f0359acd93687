"""Slow links between real brokers: seen by the client that waits for the followers, and healed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from faults import Detour, FaultError, HopClient, LinkDetour, LinkLatency, LinkReset, Toxics
from harness.collect.roles import Roles
from harness.conductor.injections.detours import Detours
from tests.integration.faults.kafka_clients import ACK_S, in_sync, metadata_of, producer, sent
from tests.integration.faults.peers import until

if TYPE_CHECKING:
    from harness.environment import Environment, Lane

DELAY_MS = 300

LinkOf = Callable[[list[str]], LinkDetour]


@pytest.fixture
def hops(environment: Environment) -> HopClient:
    return HopClient(environment.proxy_url)


@pytest.fixture
def led(environment: Environment, hops: HopClient) -> Iterator[LinkOf]:
    """Leads links through Toxiproxy until the test is over."""
    detours = Detours(environment.topology, hops, Toxics(environment.proxy_url))

    def lead(names: list[str]) -> LinkDetour:
        detours.prepare_links(names)
        return detours.view_links(names)

    with ExitStack() as at_the_end:
        at_the_end.callback(detours.remove)
        yield lead


def ack_ms(client: Producer, topic: str) -> float:
    began = time.monotonic()
    assert sent(client, topic, "x")(ACK_S) == "acked"
    return (time.monotonic() - began) * 1000


def fastest_ack_ms(client: Producer, topic: str, sends: int = 5) -> float:
    return min(ack_ms(client, topic) for _ in range(sends))


def test_a_slow_link_to_a_follower_delays_every_acknowledgement(
    environment: Environment, led: LinkOf, hops: HopClient, app: Lane, admin: AdminClient, topic: str
) -> None:
    client = producer(app, acks="all")
    assert fastest_ack_ms(client, topic) < DELAY_MS / 2
    leader = metadata_of(admin, topic).leader
    follower = next(node for node in (1, 2, 3) if node != leader)
    detour = led(list(environment.topology.link_hop_names(follower, leader)))
    assert until(lambda: in_sync(admin, topic) == [1, 2, 3], ACK_S)
    assert fastest_ack_ms(client, topic) < DELAY_MS / 2
    latency = LinkLatency(detour, DELAY_MS)
    latency.inject()
    try:
        assert fastest_ack_ms(client, topic) >= DELAY_MS
        assert latency.evidence().bit
    finally:
        latency.heal()
    assert fastest_ack_ms(client, topic) < DELAY_MS / 2
    evidence = latency.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    assert DELAY_MS / 2 <= evidence.facts["waited_ms"] <= 2 * DELAY_MS
    assert evidence.facts["links"] == [f"{follower}-{leader}"]
    assert in_sync(admin, topic) == [1, 2, 3]


def test_where_nothing_flows_nothing_bites(environment: Environment, led: LinkOf) -> None:
    """Controllers that do not lead have nothing to say to each other."""
    with Roles(environment.bootstrap_direct, environment.cluster_id) as roles:
        one, other = (node for node in (1, 2, 3) if node != roles.quorum_leader())
    detour = led([f"link/{one}-{other}/CONTROLLER"])
    for fault, why in (
        (LinkLatency(detour, DELAY_MS), f"no reply was seen to wait 150 ms on link {one}-{other}, but 0 ms at most"),
        (LinkReset(detour), f"no new connection of link {one}-{other} ended: nobody was answered on one meanwhile"),
    ):
        fault.inject()
        time.sleep(2 * DELAY_MS / 1000)
        fault.heal()
        evidence = fault.evidence()
        assert (evidence.fired, evidence.bit, evidence.why) == (1, False, why)


def test_brokers_go_straight_again_once_the_detour_is_removed(environment: Environment, hops: HopClient) -> None:
    topology, toxics = environment.topology, Toxics(environment.proxy_url)
    hop = topology.link_hop(1, 2, "INTERNAL")
    ways = [Detour(hop=hop.name, listen=str(topology.link_toxic_address(hop)), upstream=str(hop.upstream))]

    def upstream() -> str:
        return next(state.upstream for state in hops.hops() if state.name == hop.name)

    detour = LinkDetour(hops, toxics, ways)
    detour.prepare()
    try:
        with pytest.raises(FaultError, match="exists"):
            LinkDetour(hops, toxics, ways).prepare()
        assert upstream() == str(topology.link_toxic_address(hop)), "the second one changed nothing"
    finally:
        detour.remove()
    detour.remove()
    assert upstream() == str(hop.upstream)


def test_a_delay_that_samples_could_miss_is_refused(hops: HopClient, environment: Environment) -> None:
    detour = LinkDetour(hops, Toxics(environment.proxy_url), [])
    with pytest.raises(FaultError, match="at least 100 ms"):
        LinkLatency(detour, 150, 60)
