"""Which broker has which role now: for faults that name it by what it does."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from kafka import errors as kafka_errors
from kafka.protocol.admin import DescribeQuorumRequest, DescribeQuorumResponse
from kafka.protocol.metadata import FindCoordinatorRequest, FindCoordinatorResponse

from harness.collect.log import Deadline
from harness.collect.wire import BrokerAwayError, Brokers
from harness.errors import EnvironmentFailedError

ANSWER_S = 10.0
_GROUP, _TRANSACTION = 0, 1  # key types of FindCoordinator
_FIND_COORDINATOR, _DESCRIBE_QUORUM = 4, 0
_QUORUM_TOPIC = "__cluster_metadata"


class Roles:
    """
    Args:
        bootstrap: `host:port,…` past every hop.
        cluster_id: What every broker must answer for.

    Raises:
        EnvironmentFailedError: From every method: nobody has the role for ten seconds, or another cluster answers.
    """

    def __init__(self, bootstrap: str, cluster_id: str) -> None:
        self._brokers = Brokers(bootstrap, cluster_id, timeout_s=5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._brokers.close()

    def leader(self, topic: str, part: int) -> int:
        """Node id of the broker that leads a partition."""

        def ask() -> int:
            (found,) = self._brokers.metadata([topic]).topics
            _require(found.error_code, topic)
            leaders = {each.partition_index: each.leader_id for each in found.partitions}
            if leaders.get(part, -1) < 0:
                raise BrokerAwayError(f"{topic}/{part} has no leader")
            return int(leaders[part])

        return self._found(f"the leader of {topic}/{part}", ask)

    def group_coordinator(self, group: str) -> int:
        """Node id of the coordinator of a consumer group."""
        return self._found(f"the coordinator of group {group}", lambda: self._coordinator(_GROUP, group))

    def transaction_coordinator(self, transactional_id: str) -> int:
        """Node id of the coordinator of a transactional id, whether it was ever used or not."""
        what = f"the coordinator of transactional id {transactional_id}"
        return self._found(what, lambda: self._coordinator(_TRANSACTION, transactional_id))

    def quorum_leader(self) -> int:
        """Node id of the active controller."""

        def ask() -> int:
            topic = DescribeQuorumRequest.TopicData
            partition = topic.PartitionData(partition_index=0)
            request = DescribeQuorumRequest(topics=[topic(topic_name=_QUORUM_TOPIC, partitions=[partition])])
            answer = self._brokers.call_any(request, DescribeQuorumResponse, _DESCRIBE_QUORUM)
            _require(answer.error_code, "the quorum")
            found = answer.topics[0].partitions[0]
            _require(found.error_code, "the quorum")
            if found.leader_id < 0:
                raise BrokerAwayError("the quorum has no leader")
            return int(found.leader_id)

        return self._found("the leader of the quorum", ask)

    def _coordinator(self, key_type: int, key: str) -> int:
        request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
        (found,) = self._brokers.call_any(request, FindCoordinatorResponse, _FIND_COORDINATOR).coordinators
        _require(found.error_code, key)
        return int(found.node_id)

    def _found(self, what: str, ask: Callable[[], int]) -> int:
        try:
            return Deadline(ANSWER_S).insist(ask)
        except BrokerAwayError as error:
            raise EnvironmentFailedError(f"{what} was not found within {ANSWER_S:.0f} s: {error}") from error


def _require(code: Any, what: str) -> None:
    if code:
        raise BrokerAwayError(f"{what}: {kafka_errors.for_code(code).message}")
