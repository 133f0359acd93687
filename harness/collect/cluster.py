"""What is asked of a cluster: leaders, end offsets, committed offsets, open transactions, batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kafka import errors as kafka_errors
from kafka.protocol.admin import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    ListGroupsRequest,
    ListGroupsResponse,
    ListTransactionsRequest,
    ListTransactionsResponse,
)
from kafka.protocol.consumer import (
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)
from kafka.protocol.metadata import FindCoordinatorRequest, FindCoordinatorResponse

from harness.collect.batches import Batch, read_batches
from harness.collect.security import PLAINTEXT, Security
from harness.collect.wire import BrokerAwayError, Brokers, RefusedError

# Versions that kafka-python's classes and every Kafka from 3.0 to 4.4 know.
_FETCH, _LIST_OFFSETS, _OFFSET_FETCH, _FIND_COORDINATOR, _LIST_GROUPS = 12, 6, 8, 4, 4
FETCH_BYTES = 8 << 20
_EARLIEST, _LATEST = -2, -1
_GROUP = 0  # a key type of FindCoordinator

_REFUSALS = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.GroupAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.TransactionalIdAuthorizationFailedError,
)

R = TypeVar("R")

Partition = tuple[str, int]
"""(topic, partition)"""


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a partition begins and ends: first offset, last stable offset, high watermark."""

    low: int
    stable: int
    high: int


@dataclass(frozen=True, slots=True)
class PartitionState:
    """
    Args:
        topic_id: Of the topic; another one of the same name has another.
    """

    leader: int
    replicas: int
    in_sync: int
    topic_id: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as its coordinator knows it.

    Args:
        started_ms: On the coordinator's wall clock.
        partitions: Those that were added to it; of consumer groups' offsets too.
    """

    transactional_id: str
    producer: int
    epoch: int
    state: str
    timeout_ms: int
    started_ms: int
    partitions: frozenset[Partition]


class LogChangedError(Exception):
    """The log is not what it was when its ends were asked for; the message says how, on one line."""


class Cluster:
    """Questions to one cluster. Not for several threads.

    Raises:
        BrokerAwayError: From every method: ask again later.
        RefusedError: From every method: we have no right to ask, and asking again does not help.
        EnvironmentFailedError: Another cluster answers on our addresses.
    """

    def __init__(
        self, bootstrap: str, cluster_id: str | None, timeout_s: float = 5.0, security: Security = PLAINTEXT
    ) -> None:
        self.brokers = Brokers(bootstrap, cluster_id, timeout_s, security)
        self._coordinators: dict[str, int] = {}

    @property
    def cluster_id(self) -> str | None:
        """None until a broker has answered."""
        return self.brokers.cluster_id

    def close(self) -> None:
        self.brokers.close()

    def topics(self) -> list[str]:
        """Every topic that we may see, without Kafka's own."""
        found = self.brokers.metadata(None).topics
        return sorted(topic.name for topic in found if not topic.error_code and not topic.is_internal)

    def groups(self) -> list[str]:
        """Every group that we may see."""
        found: set[str] = set()
        for node in self.brokers.nodes():
            answer = self.brokers.call(node, ListGroupsRequest(states_filter=[]), ListGroupsResponse, _LIST_GROUPS)
            _check(answer.error_code, f"the groups of broker {node}")
            found |= {group.group_id for group in answer.groups}
        return sorted(found)

    def partitions(self, topics: Sequence[str]) -> dict[Partition, PartitionState]:
        """Every partition of these topics."""
        found: dict[Partition, PartitionState] = {}
        for topic in self.brokers.metadata(list(topics)).topics:
            _check(topic.error_code, topic.name)
            for each in topic.partitions:
                if each.leader_id < 0:
                    raise BrokerAwayError(f"{topic.name}/{each.partition_index} has no leader")
                found[topic.name, each.partition_index] = PartitionState(
                    each.leader_id, len(each.replica_nodes), len(each.isr_nodes), str(topic.topic_id)
                )
        return found

    def out_of_sync(self, topics: Sequence[str]) -> str | None:
        """The first partition whose replicas are not all in sync, in words; None when all are."""
        for (topic, part), state in self.partitions(topics).items():
            if state.in_sync < state.replicas:
                return f"{topic}/{part} has {state.in_sync} of {state.replicas} replicas in sync"
        return None

    def ends(self, partitions: Mapping[Partition, PartitionState]) -> dict[Partition, Ends]:
        low = self._offsets(partitions, _EARLIEST, isolation=0)
        # The last stable offset first: read after the high watermark, it could be past it.
        stable = self._offsets(partitions, _LATEST, isolation=1)
        high = self._offsets(partitions, _LATEST, isolation=0)
        return {each: Ends(low[each], stable[each], high[each]) for each in partitions}

    def _offsets(
        self, partitions: Mapping[Partition, PartitionState], timestamp: int, isolation: int
    ) -> dict[Partition, int]:
        found: dict[Partition, int] = {}
        topic_class = ListOffsetsRequest.ListOffsetsTopic
        for leader, topics in _by_leader(partitions).items():
            wanted = [
                topic_class(
                    name=topic,
                    partitions=[
                        topic_class.ListOffsetsPartition(
                            partition_index=part, current_leader_epoch=-1, timestamp=timestamp
                        )
                        for part in parts
                    ],
                )
                for topic, parts in topics.items()
            ]
            request = ListOffsetsRequest(replica_id=-1, isolation_level=isolation, topics=wanted)
            answer = self.brokers.call(leader, request, ListOffsetsResponse, _LIST_OFFSETS)
            for topic in answer.topics:
                for each in topic.partitions:
                    _check(each.error_code, f"{topic.name}/{each.partition_index}")
                    found[topic.name, each.partition_index] = each.offset
        return found

    def committed(self, group: str, partitions: Iterable[Partition]) -> dict[Partition, int | None]:
        """A group's committed offsets; None where it never committed.

        Raises:
            BrokerAwayError: Also while the offsets are part of an open transaction.
        """
        group_class = OffsetFetchRequest.OffsetFetchRequestGroup
        topics = [
            group_class.OffsetFetchRequestTopics(name=topic, partition_indexes=parts)
            for topic, parts in _by_topic(partitions).items()
        ]

        def ask(node: int) -> dict[Partition, int | None]:
            request = OffsetFetchRequest(groups=[group_class(group_id=group, topics=topics)], require_stable=True)
            answer = self.brokers.call(node, request, OffsetFetchResponse, _OFFSET_FETCH).groups[0]
            _check(answer.error_code, f"group {group}")
            found: dict[Partition, int | None] = {}
            for topic in answer.topics:
                for each in topic.partitions:
                    _check(each.error_code, f"group {group}: {topic.name}/{each.partition_index}")
                    offset = each.committed_offset
                    found[topic.name, each.partition_index] = None if offset < 0 else offset
            return found

        return self._coordinated(group, ask)

    def transactions(self) -> list[Transaction]:
        """Every transaction that a coordinator knows and that is neither empty nor complete."""
        found: list[Transaction] = []
        for node in self.brokers.nodes():
            request = ListTransactionsRequest(
                state_filters=["Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"],
                producer_id_filters=[],
            )
            answer = self.brokers.call(node, request, ListTransactionsResponse, 0)
            _check(answer.error_code, f"broker {node}")
            ids = [each.transactional_id for each in answer.transaction_states]
            if ids:
                found += self._described(node, ids)
        return found

    def _described(self, node: int, ids: list[str]) -> Iterator[Transaction]:
        request = DescribeTransactionsRequest(transactional_ids=ids)
        answer = self.brokers.call(node, request, DescribeTransactionsResponse, 0)
        for each in answer.transaction_states:
            if each.error_code == kafka_errors.TransactionalIdNotFoundError.errno:
                continue  # it expired between the two requests
            _check(each.error_code, f"transaction {each.transactional_id}")
            yield Transaction(
                each.transactional_id,
                each.producer_id,
                each.producer_epoch,
                each.transaction_state,
                each.transaction_timeout_ms,
                each.transaction_start_time_ms,
                frozenset((topic.topic, part) for topic in each.topics for part in topic.partitions),
            )

    def open_producers(self, partition: Partition) -> list[tuple[int, int, int]]:
        """(producer id, epoch, first offset) of every transaction that is open in a partition."""
        leader = self.partitions([partition[0]])[partition].leader
        topic = DescribeProducersRequest.TopicRequest(name=partition[0], partition_indexes=[partition[1]])
        request = DescribeProducersRequest(topics=[topic])
        answer = self.brokers.call(leader, request, DescribeProducersResponse, 0).topics[0].partitions[0]
        _check(answer.error_code, f"{partition[0]}/{partition[1]}")
        return [
            (each.producer_id, each.producer_epoch, each.current_txn_start_offset)
            for each in answer.active_producers
            if each.current_txn_start_offset >= 0
        ]

    def fetch(
        self, leader: int, partition: Partition, offset: int, bytes_max: int = FETCH_BYTES, leader_epoch: int = -1
    ) -> Iterator[Batch]:
        """The batches from `offset` on, whatever became of them, as many as fit; the first may begin before it.

        Args:
            bytes_max: At most so many bytes, but at least one batch.
            leader_epoch: Of the batch that ends at `offset`, if we have it: the broker then says whether it has it too.

        Raises:
            LogChangedError: `offset` is outside of the log now, or the log was cut back and continued before it.
            UnreadableBatchError: While iterating.
        """
        topic_class = FetchRequest.FetchTopic
        wanted = topic_class.FetchPartition(
            partition=partition[1],
            current_leader_epoch=-1,
            fetch_offset=offset,
            last_fetched_epoch=leader_epoch,
            log_start_offset=-1,
            partition_max_bytes=bytes_max,
        )
        request = FetchRequest(
            replica_id=-1,
            max_wait_ms=100,
            min_bytes=1,
            max_bytes=bytes_max,
            isolation_level=0,
            session_id=0,
            session_epoch=-1,  # no session
            topics=[topic_class(topic=partition[0], partitions=[wanted])],
            forgotten_topics_data=[],
            rack_id="",
        )
        answer = self.brokers.call(leader, request, FetchResponse, _FETCH)
        _check(answer.error_code, f"broker {leader}")
        data = answer.responses[0].partitions[0]
        name = f"{partition[0]}/{partition[1]}"
        if data.error_code == kafka_errors.OffsetOutOfRangeError.errno:
            raise LogChangedError(f"offset {offset} is no longer in the log: records were deleted, or it was cut back")
        _check(data.error_code, name)
        cut = data.diverging_epoch
        if cut is not None and cut.end_offset >= 0:
            raise LogChangedError(f"a new leader has cut the log back to offset {cut.end_offset} while it was read")
        return read_batches(data.records)

    def _coordinated(self, group: str, ask: Callable[[int], R]) -> R:
        """Asks the coordinator of a group; looks it up again when it has moved."""
        node = self._coordinators.get(group)
        if node is not None:
            try:
                return ask(node)
            except BrokerAwayError:
                del self._coordinators[group]
        return ask(self._coordinator(group))

    def _coordinator(self, group: str) -> int:
        request = FindCoordinatorRequest(key_type=_GROUP, coordinator_keys=[group])
        answer = self.brokers.call_any(request, FindCoordinatorResponse, _FIND_COORDINATOR)
        found = answer.coordinators[0]
        _check(found.error_code, f"coordinator of {group}")
        node = int(found.node_id)
        self._coordinators[group] = node
        return node


def _check(code: int, what: str) -> None:
    if not code:
        return
    error = kafka_errors.for_code(code)
    if error in _REFUSALS:
        raise RefusedError(f"{what}: {error.message}")
    raise BrokerAwayError(f"{what}: {error.message}")


def _by_topic(partitions: Iterable[Partition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = defaultdict(list)
    for topic, part in partitions:
        topics[topic].append(part)
    return topics


def _by_leader(partitions: Mapping[Partition, PartitionState]) -> dict[int, dict[str, list[int]]]:
    leaders: dict[int, list[Partition]] = defaultdict(list)
    for partition, state in partitions.items():
        leaders[state.leader].append(partition)
    return {leader: _by_topic(own) for leader, own in leaders.items()}
