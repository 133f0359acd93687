"""Whether the brokers of a cluster can be worked with, asked past every hop.

Every answer is compared with the cluster's id: a broker that somebody left at our addresses once gave plausible false
results.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import psycopg
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic  # type: ignore[attr-defined]
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from harness.environment.postgres import dsn
from harness.errors import EnvironmentFailedError
from harness.topology import DIRECT, Topology

USABLE_TOPIC = "eos.usable"
_POLL_S = 0.02
# Consecutive last letters have consecutive hashes: one group on each of the three partitions of __consumer_offsets.
_GROUPS = ("eos.usable-a", "eos.usable-b", "eos.usable-c")


class NotYetError(Exception):
    """Asked too early; says what is still missing."""


class Brokers:
    """The brokers of one cluster, as an administrator sees them.

    Args:
        cluster_id: What every answer must carry.
        check: Called while waiting; raises when waiting has become pointless.
    """

    def __init__(self, topology: Topology, cluster_id: str, check: Callable[[], None]) -> None:
        self._topology = topology
        self._cluster_id = cluster_id
        self._check = check
        self._admin = self._admin_of(topology.bootstrap_direct)

    def wait_usable(self, deadline_s: float) -> None:
        """Until a record on three replicas is acknowledged and groups and transactions have their coordinators.

        Raises:
            EnvironmentFailedError: Not within `deadline_s`, a foreign cluster answered, or `check` raised.
        """
        deadline = time.monotonic() + deadline_s
        self._wait(deadline, self._all_registered)
        self._ask_groups()  # makes the brokers create the topic of groups' offsets meanwhile
        self._wait(deadline, self._topic_made)
        self._wait(deadline, self._transaction_done)
        self._wait(deadline, self._groups_answered)
        self._wait(deadline, self._isr_is_full)

    def wait_registered(self, node: int, deadline_s: float, check: Callable[[], None]) -> None:
        """Until broker `node` itself says that it is part of the cluster.

        Args:
            check: Called while waiting, instead of the one for the whole cluster.

        Raises:
            EnvironmentFailedError: As `wait_usable`.
        """
        admin = self._admin_of(str(self._topology.broker(node, DIRECT)))

        def registered() -> None:
            if node not in self._metadata(admin).brokers:
                raise NotYetError(f"broker {node} is not registered")

        self._wait(time.monotonic() + deadline_s, registered, check)

    def isr_full(self) -> bool:
        """Whether every replica of every partition is in sync, by the brokers' present answer."""
        try:
            self._isr_is_full()
        except NotYetError:
            return False
        return True

    def _all_registered(self) -> None:
        found = len(self._metadata(self._admin).brokers)
        if found < self._topology.nodes:
            raise NotYetError(f"{found} of {self._topology.nodes} brokers are registered")

    def _topic_made(self) -> None:
        topic = NewTopic(USABLE_TOPIC, 1, min(3, self._topology.nodes))
        future = self._admin.create_topics([topic], request_timeout=5)[USABLE_TOPIC]
        try:
            future.result()
        except KafkaException as error:
            # After a change of the quorum's leader the answer to a creation that happened may be lost.
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise NotYetError(f"topic {USABLE_TOPIC} cannot be created: {error.args[0].str()}") from error

    def _transaction_done(self) -> None:
        """One record, acknowledged by all replicas, in one transaction."""
        producer = Producer(
            {
                **self._client(self._topology.bootstrap_direct),
                "transactional.id": "eos.usable",
                "transaction.timeout.ms": 10_000,
                "topic.metadata.refresh.fast.interval.ms": 20,
                "retry.backoff.ms": 20,
                "linger.ms": 0,
            }
        )
        try:
            producer.init_transactions(5)
            producer.begin_transaction()
            producer.produce(USABLE_TOPIC, b"usable")
            producer.commit_transaction(5)
        except KafkaException as error:
            raise NotYetError(f"no transaction possible: {error.args[0].str()}") from error

    def _groups_answered(self) -> None:
        for future in self._ask_groups():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].name() != "GROUP_ID_NOT_FOUND":  # its coordinator says so, and that is enough
                    raise NotYetError(f"no group coordinator: {error.args[0].str()}") from error

    def _ask_groups(self) -> list[Future[Any]]:
        # Not list_consumer_group_offsets: librdkafka 2.16.1 crashes the process (rd_kafka_cgrp_op, no group handle)
        # when a coordinator that is still loading answers it with an error.
        return list(self._admin.describe_consumer_groups(list(_GROUPS), request_timeout=5).values())

    def _isr_is_full(self) -> None:
        metadata = self._metadata(self._admin)
        for topic in metadata.topics.values():
            for partition in topic.partitions.values():
                if partition.leader < 0 or len(partition.isrs) < len(partition.replicas):
                    raise NotYetError(f"{topic.topic}/{partition.id} has {len(partition.isrs)} replicas in sync")

    def _metadata(self, admin: AdminClient) -> ClusterMetadata:
        try:
            metadata = admin.list_topics(timeout=1)
        except KafkaException as error:
            raise NotYetError(f"no broker answers: {error.args[0].str()}") from error
        if metadata.cluster_id not in (None, self._cluster_id):
            raise EnvironmentFailedError(
                f"the brokers at {self._topology.bootstrap_direct} belong to another cluster ({metadata.cluster_id}, "
                f"not {self._cluster_id}): somebody else's processes listen at our addresses"
            )
        return metadata

    def _wait(self, deadline: float, attempt: Callable[[], None], check: Callable[[], None] | None = None) -> None:
        check = check or self._check
        tries = Retrying(
            stop=stop_after_delay(max(0.0, deadline - time.monotonic())),
            wait=wait_fixed(_POLL_S),
            retry=retry_if_exception_type(NotYetError),
            before=lambda _: check(),
            reraise=True,
        )
        try:
            tries(attempt)
        except NotYetError as error:
            raise EnvironmentFailedError(f"the cluster did not become usable in time: {error}") from error

    def _admin_of(self, bootstrap: str) -> AdminClient:
        return AdminClient(self._client(bootstrap))

    def _client(self, bootstrap: str) -> dict[str, Any]:
        return {
            "bootstrap.servers": bootstrap,
            "client.id": "eos-chaos",
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
            "log_level": 0,
        }


def wait_for_postgres(topology: Topology, deadline_s: float, check: Callable[[], None]) -> str:
    """Until PostgreSQL answers; returns its version.

    Raises:
        EnvironmentFailedError: Not within `deadline_s`, or `check` raised.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        check()
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(dsn(topology.postgres), connect_timeout=2) as connection,
        ):
            row = connection.execute("show server_version").fetchone()
            assert row is not None, "show always answers"
            return str(row[0])
        if time.monotonic() > deadline:
            raise EnvironmentFailedError(f"PostgreSQL at {topology.postgres} did not answer within {deadline_s:.0f} s")
        time.sleep(_POLL_S)
