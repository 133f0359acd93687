"""Steps between brokers, at the links of a real cluster: they are counted, held and refused as those of any client."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from faults import HopClient, HopEvent, Rule
from tests.integration.faults.peers import until

if TYPE_CHECKING:
    from harness.environment import Environment

WAIT_S = 30.0
PARTITIONS = 3  # of which two are on other brokers than any coordinator

_ids = itertools.count(1)

Arm = Callable[..., str]


@pytest.fixture
def hops(environment: Environment) -> HopClient:
    return HopClient(environment.proxy_url)


@pytest.fixture
def links(hops: HopClient) -> list[str]:
    """All of the cluster."""
    return sorted({hop.link for hop in hops.hops() if hop.link})


@pytest.fixture
def admin(environment: Environment) -> AdminClient:
    return AdminClient({"bootstrap.servers": environment.bootstrap_direct})


@pytest.fixture
def topic(admin: AdminClient) -> Iterator[str]:
    """A leader on every broker."""
    name = f"links-{uuid.uuid4().hex[:8]}"
    assignment = [[1, 2, 3], [2, 3, 1], [3, 1, 2]]
    admin.create_topics([NewTopic(name, PARTITIONS, replica_assignment=assignment)])[name].result(WAIT_S)
    yield name
    admin.delete_topics([name])[name].result(WAIT_S)


@pytest.fixture
def arm(hops: HopClient, links: list[str]) -> Iterator[Arm]:
    """Adds a rule on all links and gives its id."""
    added = []

    def add(api: str, action: str, **more: object) -> str:
        name = f"link-{next(_ids)}-{uuid.uuid4().hex[:6]}"
        asked = {"match": [{"api": api}], "at": "request", "links": links} | more
        hops.add_rule(Rule(id=name, action=action, **asked))  # type: ignore[arg-type]
        added.append(name)
        return name

    yield add
    for name in added:
        hops.remove_rule(name)


def of(hops: HopClient, rule: str) -> list[HopEvent]:
    found, seen = [], 0
    while new := hops.events(since=seen):
        seen = new[-1].seq
        found += [event for event in new if event.rule == rule]
    return found


def stable(admin: AdminClient, topic: str, isolation: IsolationLevel) -> list[int]:
    """The end of every partition, as readers of that isolation see it."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = {TopicPartition(topic, partition): latest for partition in range(PARTITIONS)}
    answers = admin.list_offsets(asked, isolation_level=isolation)
    return [answers[partition].result(WAIT_S).offset for partition in sorted(answers, key=lambda p: p.partition)]


def commit(environment: Environment, topic: str) -> None:
    """A record in every partition, in one transaction, past every hop of a lane."""
    producer = Producer({"bootstrap.servers": environment.bootstrap_direct, "transactional.id": topic})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for partition in range(PARTITIONS):
        producer.produce(topic, "value", partition=partition)
    producer.commit_transaction(WAIT_S)


def test_a_transaction_is_open_until_its_markers_are_delivered(
    environment: Environment, hops: HopClient, admin: AdminClient, topic: str, arm: Arm
) -> None:
    """A commit is acknowledged before it can be read: between the two the coordinator writes to every leader."""
    rule = arm("WriteTxnMarkers", "hold", times=-1)
    commit(environment, topic)
    assert until(lambda: len(of(hops, rule)) >= PARTITIONS - 1, WAIT_S)
    held = of(hops, rule)
    assert {event.protocol for event in held} == {"kafka"}
    assert all(event.link and not event.lane and event.committed for event in held)
    named = {(t.topic, p) for event in held for t in event.topics for p in t.partitions if t.topic == topic}
    assert len(named) == PARTITIONS - 1
    waiting = sorted(partition for _, partition in named)
    committed = stable(admin, topic, IsolationLevel.READ_COMMITTED)
    assert [committed[partition] for partition in waiting] == [0] * len(waiting)
    for event in held:
        hops.release(event.hold)
    assert until(lambda: stable(admin, topic, IsolationLevel.READ_COMMITTED) == [2] * PARTITIONS, WAIT_S)


def test_markers_that_are_refused_are_written_again(
    environment: Environment, hops: HopClient, admin: AdminClient, topic: str, arm: Arm
) -> None:
    rule = arm("WriteTxnMarkers", "refuse", error="6", times=2)
    commit(environment, topic)
    assert until(lambda: len(of(hops, rule)) >= 2, WAIT_S)
    assert {event.kind for event in of(hops, rule)} == {"refused"}
    assert until(lambda: stable(admin, topic, IsolationLevel.READ_COMMITTED) == [2] * PARTITIONS, WAIT_S)


def test_followers_fetch_by_partition(
    environment: Environment, hops: HopClient, admin: AdminClient, topic: str, arm: Arm, links: list[str]
) -> None:
    """A rule for one partition counts the fetches of its followers, though most of them name no partition, and none
    its topic's name: that is known from what clients ask for."""
    lane = environment.lease_lane()
    told = AdminClient({"bootstrap.servers": lane.bootstrap}).list_topics(topic, timeout=WAIT_S)
    environment.release_lane(lane)
    leader = told.topics[topic].partitions[0].leader
    followed = {link for link in links if link.endswith(f"-{leader}")}
    match = [{"api": "Fetch", "topic": topic, "partition": 0}]
    fetched = arm("Fetch", "note", match=match, links=sorted(followed), times=-1)
    assert until(lambda: {event.link for event in of(hops, fetched)} == followed, WAIT_S)
    failed = arm("Fetch", "refuse", match=match, links=sorted(followed), error="6", times=2)
    commit(environment, topic)
    assert until(lambda: len(of(hops, failed)) == 2, WAIT_S)
    assert until(lambda: stable(admin, topic, IsolationLevel.READ_COMMITTED) == [2] * PARTITIONS, WAIT_S)


def test_all_that_brokers_say_is_understood(
    environment: Environment, hops: HopClient, admin: AdminClient, topic: str, arm: Arm
) -> None:
    heard = {api: arm(api, "note", times=5) for api in ("Fetch", "BrokerHeartbeat", "WriteTxnMarkers")}
    commit(environment, topic)
    assert until(lambda: all(of(hops, rule) for rule in heard.values()), WAIT_S)
    seen, odd = 0, []
    while new := hops.events(since=seen):
        seen = new[-1].seq
        odd += [f"{event.hop}: {event.reason}" for event in new if event.kind == "unreadable" and event.link]
    assert not odd
