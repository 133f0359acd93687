"""No two things of any two clusters share an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.topology import FIRST_BLOCK, LAST_BLOCK, MOST_LANES, MOST_NODES, SERVICES, Topology

BLOCKS = st.integers(FIRST_BLOCK, LAST_BLOCK)
TOPOLOGIES = st.builds(Topology, BLOCKS, st.integers(1, MOST_NODES), st.integers(0, MOST_LANES))


@given(TOPOLOGIES)
def test_addresses_are_used_once_and_only_from_the_own_block(topology: Topology) -> None:
    toxic = [topology.toxic_address(lane, node) for lane in topology.lane_indexes for node in topology.node_ids]
    toxic += [topology.service_toxic_address(lane, service) for lane in topology.lane_indexes for service in SERVICES]
    toxic += [topology.link_toxic_address(hop) for hop in topology.link_hops()]
    addresses = [*topology.listening(), topology.lock, *toxic]
    assert len(set(addresses)) == len(addresses)
    for address in addresses:
        octets = [int(octet) for octet in address.host.split(".")]
        assert octets[:2] == [127, topology.block]
        assert all(0 <= octet <= 255 for octet in octets)


@given(TOPOLOGIES)
def test_a_lane_leads_to_itself_only(topology: Topology) -> None:
    """What a client bootstraps at is what the brokers advertise to it."""
    for lane in topology.lane_indexes:
        bootstrap = topology.bootstrap_lane(lane).split(",")
        assert bootstrap == [topology.advertised(node, f"LANE{lane}") for node in topology.node_ids]
        for node in topology.node_ids:
            assert topology.lane_hop(lane, node).upstream == topology.broker(node, f"LANE{lane}")


@given(TOPOLOGIES)
def test_every_lane_has_a_hop_of_its_own_to_every_service(topology: Topology) -> None:
    hops = {hop.name: hop for hop in topology.hops()}
    for lane in topology.lane_indexes:
        for service in SERVICES:
            hop = hops[f"lane-{lane}/{service}"]
            assert hop == topology.service_hop(lane, service)
            assert (hop.lane, hop.upstream) == (f"lane-{lane}", topology.service(service))
            assert hop.listen.port == hop.upstream.port
        assert f"lane-{lane}/postgres" not in topology.lane_hop_names(lane)


@given(TOPOLOGIES)
def test_every_directed_pair_has_its_own_hops_and_nobody_reaches_another_past_them(topology: Topology) -> None:
    hops = {hop.name: hop for hop in topology.hops()}
    assert len(hops) == len(topology.hops())
    for node in topology.node_ids:
        hosts = dict(reversed(line.split()[:2]) for line in topology.hosts_file(node, "m").splitlines())
        for other in topology.node_ids:
            own = topology.broker(other, "INTERNAL").host
            if other == node:
                assert hosts[f"b{other}.eos"] == own
                continue
            for listener in ("INTERNAL", "CONTROLLER"):
                hop = hops[f"link/{node}-{other}/{listener}"]
                assert hop.listen.host == hosts[f"b{other}.eos"] != own
                assert hop.upstream == topology.broker(other, listener)
                assert (hop.lane, hop.link, hop.protocol) == ("", f"{node}-{other}", "kafka")


@pytest.mark.parametrize("arguments", [(15,), (240,), (16, 0), (16, 10), (16, 3, -1), (16, 3, 17)])
def test_what_is_no_cluster(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Topology(*arguments)
