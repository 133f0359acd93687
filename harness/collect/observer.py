"""Looking at a running repeat: its topics made and removed, and whether everything has arrived."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from kafka import errors as kafka_errors
from kafka.protocol.admin import (
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)

from harness.collect.batches import UnreadableBatchError
from harness.collect.cluster import Cluster, Ends, LogChangedError, Partition
from harness.collect.log import Deadline, read_log
from harness.collect.records import columns
from harness.collect.wire import BrokerAwayError
from harness.errors import EnvironmentFailedError
from harness.scenario.model import Topic

CREATE_S = 30.0
REST_S = 0.5
"""Ends that did not move for so long, with all groups behind them, will not move: an app may write after it commits."""
_LOOK_RECORDS = 200  # counted one by one; more are told as "more than"
_LOOK_BYTES = 256 << 10
_CREATE, _DELETE = 5, 5


class Observer:
    """One cluster, from outside. Not for several threads.

    Args:
        bootstrap: `host:port,…` past every hop.
        cluster_id: What every broker must answer for.

    Raises:
        EnvironmentFailedError: From every method: another cluster answers on our addresses.
    """

    def __init__(self, bootstrap: str, cluster_id: str) -> None:
        self._cluster = Cluster(bootstrap, cluster_id)
        self._resting: Mapping[Partition, Ends] = {}
        self._resting_since = 0.0

    def close(self) -> None:
        self._cluster.close()

    def create_topics(self, topics: Mapping[str, Topic]) -> None:
        """Makes topics, by their physical names; returns when every broker knows a leader for every partition.

        Raises:
            EnvironmentFailedError: They could not be made within 30 s, or a broker refuses them.
        """
        deadline = Deadline(CREATE_S)
        try:
            deadline.insist(lambda: self._create(topics))
            for node in deadline.insist(self._cluster.brokers.nodes):
                deadline.insist(partial(self._known_by, node, topics))
        except BrokerAwayError as error:
            raise EnvironmentFailedError(f"the topics could not be made: {error}") from error

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Removes topics; those that are not there, or whose brokers are gone, are as good as removed."""
        request = DeleteTopicsRequest(topic_names=list(topics), timeout_ms=5_000)
        try:
            self._cluster.brokers.call_any(request, DeleteTopicsResponse, _DELETE)
        except BrokerAwayError:
            return

    def settled(self, groups: Mapping[str, str], topics: Sequence[str]) -> str | None:
        """Whether everything has arrived and nothing is open.

        Args:
            groups: Consumer group → the topic that it reads; all by their physical names.
            topics: All topics of the repeat.

        Returns:
            None when every replica is in sync, no transaction is open, every group has committed all that it can read,
            and none of this changed for half a second; else the first thing that is missing, in words.
        """
        try:
            ends, missing = self._look(groups, topics)
        except (BrokerAwayError, LogChangedError, UnreadableBatchError) as error:
            return str(error)
        if missing or ends != self._resting:
            self._resting, self._resting_since = ({} if missing else ends), time.monotonic()
        if missing:
            return missing
        return None if time.monotonic() - self._resting_since >= REST_S else "everything has just arrived"

    def _look(self, groups: Mapping[str, str], topics: Sequence[str]) -> tuple[Mapping[Partition, Ends], str | None]:
        behind = self._cluster.out_of_sync(topics)
        ends = self._cluster.ends(self._cluster.partitions(topics))
        looks: Iterable[Callable[[], str | None]] = (
            lambda: behind,
            lambda: self._unread(groups, ends),
            lambda: _open(ends),
            lambda: self._unfinished(set(topics)),
        )
        return ends, next((missing for look in looks if (missing := look())), None)

    def _unread(self, groups: Mapping[str, str], ends: Mapping[Partition, Ends]) -> str | None:
        for group, topic in groups.items():
            own = [each for each in ends if each[0] == topic]
            for partition, committed in self._cluster.committed(group, own).items():
                borders = ends[partition]
                start = borders.low if committed is None else max(committed, borders.low)
                if start < borders.stable and (lag := self._lag(partition, borders, start)):
                    return f"{group} is {lag} behind on {partition[0]}/{partition[1]}"
        return None

    def _lag(self, partition: Partition, ends: Ends, start: int) -> str:
        """How many records a read_committed consumer still gets from `start` on; empty for none.

        Behind the last record there may be control markers and aborted records, which no group commits.
        """
        log = read_log(self._cluster, partition, ends, Deadline(0), start, _LOOK_BYTES)
        visible = (
            pos
            for status, batch in log
            if status in ("plain", "committed")
            for pos in columns(batch).pos
            if start <= pos < ends.stable
        )
        count = sum(1 for _ in islice(visible, _LOOK_RECORDS + 1))
        if count > _LOOK_RECORDS:
            return f"more than {_LOOK_RECORDS} records"
        return f"{count} record{'s' if count > 1 else ''}" if count else ""

    def _unfinished(self, topics: set[str]) -> str | None:
        for each in self._cluster.transactions():
            if any(topic in topics for topic, _ in each.partitions):
                return f"transaction {each.transactional_id} is {each.state}"
        return None

    def _create(self, topics: Mapping[str, Topic]) -> None:
        topic_class = CreateTopicsRequest.CreatableTopic
        wanted = [
            topic_class(
                name=name,
                num_partitions=topic.partitions,
                replication_factor=topic.replication,
                assignments=[],
                configs=[
                    topic_class.CreatableTopicConfig(name=key, value=_text(value))
                    for key, value in topic.config.items()
                ],
            )
            for name, topic in topics.items()
        ]
        request = CreateTopicsRequest(topics=wanted, timeout_ms=5_000, validate_only=False)
        for answer in self._cluster.brokers.call_any(request, CreateTopicsResponse, _CREATE).topics:
            # After a change of the quorum's leader the answer to a creation that happened may be lost.
            if answer.error_code in (0, kafka_errors.TopicAlreadyExistsError.errno):
                continue
            error = kafka_errors.for_code(answer.error_code)
            reason = answer.error_message or error.message
            if issubclass(error, kafka_errors.RetriableError) or error is kafka_errors.NotControllerError:
                raise BrokerAwayError(f"{answer.name}: {reason}")
            raise EnvironmentFailedError(f"topic {answer.name} is refused: {reason}")

    def _known_by(self, node: int, topics: Mapping[str, Topic]) -> None:
        for found in self._cluster.brokers.metadata_of(node, list(topics)).topics:
            led = sum(1 for each in found.partitions if each.leader_id >= 0)
            if found.error_code or led < topics[found.name].partitions:
                raise BrokerAwayError(f"broker {node} does not know all leaders of {found.name} yet")


def _open(ends: Mapping[Partition, Ends]) -> str | None:
    for (topic, part), borders in ends.items():
        if borders.stable < borders.high:
            return f"a transaction is open on {topic}/{part} from offset {borders.stable} on"
    return None


def _text(value: Any) -> str:
    """A property's value as Kafka spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
