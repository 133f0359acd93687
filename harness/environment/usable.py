"""Whether the brokers of a cluster can be worked with, asked past every hop.

Every connection is used only after its broker has named our cluster: a broker that somebody left at our addresses once
gave plausible false results. Nothing here outlives its question: a client library that stays in this process while
brokers are killed has aborted it once (librdkafka, in a timed-out admin request).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import psycopg
from kafka import errors as kafka_errors
from kafka.protocol.admin import (
    CreateTopicsRequest,
    CreateTopicsResponse,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from kafka.protocol.metadata import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    MetadataRequest,
    MetadataResponse,
)
from kafka.protocol.producer import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    ProduceRequest,
    ProduceResponse,
)
from kafka.record import MemoryRecordsBuilder
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from harness.collect.wire import METADATA_VERSION, BrokerAwayError, Brokers
from harness.environment.postgres import dsn
from harness.errors import EnvironmentFailedError
from harness.services import Resources, ServiceGoneError
from harness.topology import DIRECT, Topology

USABLE_TOPIC = "eos.usable"
# Consecutive last letters have consecutive hashes: one name on each of the three partitions of a coordinator's topic.
_NAMES = ("eos.usable-a", "eos.usable-b", "eos.usable-c")
_GROUP, _TRANSACTION = 0, 1  # key types of FindCoordinator

# Versions that kafka-python's classes and every Kafka from 3.0 to 4.4 know.
_CREATE_TOPICS, _DESCRIBE_GROUPS, _FIND_COORDINATOR, _INIT_PRODUCER_ID, _PRODUCE = 5, 5, 4, 4, 9

_POLL_S = 0.02
_ANSWER_S = 5.0


class Usability:
    """
    Args:
        cluster_id: What every broker must answer for.
        check: Called while waiting; raises when waiting has become pointless.
    """

    def __init__(self, topology: Topology, cluster_id: str, check: Callable[[], None]) -> None:
        self._topology = topology
        self._cluster_id = cluster_id
        self._check = check

    def wait_usable(self, deadline_s: float) -> None:
        """Until a record on three replicas is acknowledged and groups and transactions have their coordinators.

        Raises:
            EnvironmentFailedError: Not within `deadline_s`, a foreign cluster answered, or `check` raised.
        """
        deadline = time.monotonic() + deadline_s
        with closing(Brokers(self._topology.bootstrap_direct, self._cluster_id, _ANSWER_S)) as brokers:
            nodes = self._topology.nodes
            for step in (
                partial(_all_registered, brokers, nodes),
                partial(_topic_made, brokers, min(3, nodes)),
                partial(_coordinators_found, brokers),
                partial(_transactions_possible, brokers),
                partial(_groups_answered, brokers),
                partial(_record_acknowledged, brokers),
                partial(_isr_is_full, brokers),
            ):
                _wait(deadline, step, self._check)

    def wait_registered(self, node: int, deadline_s: float, check: Callable[[], None]) -> None:
        """Until broker `node` itself says that it is part of the cluster.

        Args:
            check: Called while waiting, instead of the one for the whole cluster.

        Raises:
            EnvironmentFailedError: As `wait_usable`.
        """
        deadline = time.monotonic() + deadline_s
        address = str(self._topology.broker(node, DIRECT))
        with closing(Brokers(address, self._cluster_id, _ANSWER_S)) as brokers:

            def registered() -> None:
                if node not in brokers.nodes():
                    raise BrokerAwayError(f"broker {node} is not registered")

            _wait(deadline, registered, check)


def _all_registered(brokers: Brokers, nodes: int) -> None:
    if len(found := brokers.nodes()) < nodes:
        raise BrokerAwayError(f"{len(found)} of {nodes} brokers are registered")


def _topic_made(brokers: Brokers, replicas: int) -> None:
    topic = CreateTopicsRequest.CreatableTopic(
        name=USABLE_TOPIC, num_partitions=1, replication_factor=replicas, assignments=[], configs=[]
    )
    request = CreateTopicsRequest(topics=[topic], timeout_ms=5_000, validate_only=False)
    answer = brokers.call_any(request, CreateTopicsResponse, _CREATE_TOPICS)
    code = answer.topics[0].error_code
    # After a change of the quorum's leader the answer to a creation that happened may be lost.
    if code != kafka_errors.TopicAlreadyExistsError.errno:
        _require(code, f"topic {USABLE_TOPIC} cannot be created")


def _coordinators_found(brokers: Brokers) -> None:
    """Asking makes the brokers create the topics that the coordinators keep their state in: ask for both at once."""
    missing = []
    for key_type in (_GROUP, _TRANSACTION):
        try:
            _coordinators(brokers, key_type)
        except BrokerAwayError as error:
            missing.append(str(error))
    if missing:
        raise BrokerAwayError("; ".join(missing))


def _transactions_possible(brokers: Brokers) -> None:
    """What is acknowledged was written to the replicas of the coordinator's topic."""
    for name, node in _coordinators(brokers, _TRANSACTION).items():
        request = InitProducerIdRequest(
            transactional_id=name, transaction_timeout_ms=10_000, producer_id=-1, producer_epoch=-1
        )
        answer = brokers.call(node, request, InitProducerIdResponse, _INIT_PRODUCER_ID)
        _require(answer.error_code, f"no transaction possible for {name}")


def _groups_answered(brokers: Brokers) -> None:
    for name, node in _coordinators(brokers, _GROUP).items():
        request = DescribeGroupsRequest(groups=[name], include_authorized_operations=False)
        answer = brokers.call(node, request, DescribeGroupsResponse, _DESCRIBE_GROUPS)
        _require(answer.groups[0].error_code, f"the coordinator of {name} is not ready")


def _record_acknowledged(brokers: Brokers) -> None:
    batch = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=1024)
    batch.append(int(time.time() * 1000), None, b"usable")
    batch.close()
    data = ProduceRequest.TopicProduceData
    partition = data.PartitionProduceData(index=0, records=batch.buffer())
    request = ProduceRequest(
        transactional_id=None,
        acks=-1,
        timeout_ms=5_000,
        topic_data=[data(name=USABLE_TOPIC, partition_data=[partition])],
    )
    leader = brokers.metadata([USABLE_TOPIC]).topics[0].partitions[0].leader_id
    answer = brokers.call(leader, request, ProduceResponse, _PRODUCE)
    _require(answer.responses[0].partition_responses[0].error_code, f"{USABLE_TOPIC} takes no record")


def _isr_is_full(brokers: Brokers) -> None:
    every_topic = MetadataRequest(topics=None, allow_auto_topic_creation=False)
    for topic in brokers.call_any(every_topic, MetadataResponse, METADATA_VERSION).topics:
        for partition in topic.partitions:
            in_sync, replicas = len(partition.isr_nodes), len(partition.replica_nodes)
            if partition.leader_id < 0 or in_sync < replicas:
                name = f"{topic.name}/{partition.partition_index}"
                raise BrokerAwayError(f"{name} has {in_sync} of {replicas} replicas in sync")


def _coordinators(brokers: Brokers, key_type: int) -> dict[str, int]:
    """Each of `_NAMES` → the node that coordinates it."""
    request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=list(_NAMES))
    answer = brokers.call_any(request, FindCoordinatorResponse, _FIND_COORDINATOR)
    for found in answer.coordinators:
        _require(found.error_code, f"{found.key} has no coordinator")
    return {found.key: found.node_id for found in answer.coordinators}


def _require(code: int, what: str) -> None:
    if code:
        raise BrokerAwayError(f"{what}: {kafka_errors.for_code(code).message}")


def _wait(deadline: float, attempt: Callable[[], Any], check: Callable[[], None]) -> None:
    tries = Retrying(
        stop=stop_after_delay(max(0.0, deadline - time.monotonic())),
        wait=wait_fixed(_POLL_S),
        retry=retry_if_exception_type(BrokerAwayError),
        before=lambda _: check(),
        reraise=True,
    )
    try:
        tries(attempt)
    except BrokerAwayError as error:
        raise EnvironmentFailedError(f"the cluster did not become usable in time: {error}") from error


def wait_for_postgres(topology: Topology, deadline_s: float, check: Callable[[], None]) -> None:
    """Until PostgreSQL answers.

    Raises:
        EnvironmentFailedError: Not within `deadline_s`, or `check` raised.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        check()
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(dsn(topology.postgres), connect_timeout=2),
        ):
            return
        if time.monotonic() > deadline:
            raise EnvironmentFailedError(f"PostgreSQL at {topology.postgres} did not answer within {deadline_s:.0f} s")
        time.sleep(_POLL_S)


def wait_for_service(url: str, cluster_id: str, deadline_s: float, check: Callable[[], None]) -> None:
    """Until a REST service or mail server answers for our cluster.

    Raises:
        EnvironmentFailedError: Not within `deadline_s`, another cluster's answers, or `check` raised.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        check()
        try:
            found = Resources(url).cluster()
        except ServiceGoneError as error:
            if time.monotonic() > deadline:
                raise EnvironmentFailedError(f"within {deadline_s:.0f} s, {error}") from error
            time.sleep(_POLL_S)
            continue
        if found != cluster_id:
            raise EnvironmentFailedError(f"{url} answers for cluster {found}, not for ours ({cluster_id})")
        return
