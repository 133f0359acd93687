"""Which broker has which role, compared with what another client says."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient

from faults.process import ProcessHandle
from harness.collect import Observer
from harness.collect.roles import Roles
from harness.environment import Environment
from harness.errors import EnvironmentFailedError
from harness.scenario.model import Topic


@pytest.fixture
def roles(environment: Environment) -> Iterator[Roles]:
    with Roles(environment.bootstrap_direct, environment.cluster_id) as roles:
        yield roles


@pytest.fixture
def topic(environment: Environment) -> Iterator[str]:
    name = f"roles.{secrets.token_hex(3)}"
    observer = Observer(environment.bootstrap_direct, environment.cluster_id)
    observer.create_topics({name: Topic(partitions=3)})
    yield name
    observer.delete_topics([name])
    observer.close()


def test_every_role_is_with_the_broker_that_others_name(environment: Environment, roles: Roles, topic: str) -> None:
    confluent = AdminClient({"bootstrap.servers": environment.bootstrap_direct})
    partitions = confluent.list_topics(topic, 10).topics[topic].partitions
    assert {part: roles.leader(topic, part) for part in partitions} == {
        part: found.leader for part, found in partitions.items()
    }
    admin = KafkaAdminClient(bootstrap_servers=environment.bootstrap_direct)
    try:
        assert roles.quorum_leader() == admin.describe_metadata_quorum()["topics"][0]["partitions"][0]["leader_id"]
    finally:
        admin.close()
    for name in (f"{topic}-{n}" for n in range(6)):
        group = confluent.describe_consumer_groups([name])[name].result(10)
        assert roles.group_coordinator(name) == group.coordinator.id
        assert roles.transaction_coordinator(name) in environment.topology.node_ids
    assert len({roles.transaction_coordinator(f"{topic}-{n}") for n in range(30)}) > 1, "they are spread"


def test_a_role_moves_when_its_broker_dies(environment: Environment, roles: Roles, topic: str) -> None:
    victim = roles.group_coordinator(topic)
    part = next(part for part in range(3) if roles.leader(topic, part) == victim)
    component = f"broker {victim}"
    environment.mark_down(component)
    ProcessHandle(*environment.process(component)).crash(10)
    try:
        wait_until_moved(lambda: roles.leader(topic, part), victim)
        wait_until_moved(lambda: roles.group_coordinator(topic), victim)
        wait_until_moved(roles.quorum_leader, victim)
    finally:
        environment.start(component)
        environment.mark_up(component)


def wait_until_moved(ask: Callable[[], int], former: int) -> None:
    deadline = time.monotonic() + 20
    while ask() == former:
        assert time.monotonic() < deadline, "it did not move"
        time.sleep(0.1)


def test_what_nobody_leads(roles: Roles) -> None:
    with pytest.raises(EnvironmentFailedError, match=r"the leader of nowhere/0 was not found within 10 s: nowhere"):
        roles.leader("nowhere", 0)
