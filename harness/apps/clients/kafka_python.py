"""kafka-python, used as its documentation and its known defects (3.0.12) ask for.

- A batch that expires inside a transaction does not fail its commit: every future is checked before.
- `group_metadata()` is read with the poll; after a lost membership it names no generation, which fences
  nobody.
- `commit_transaction()` may wait for ever, `abort_transaction()` may raise: watchdog, and exit for a
  successor.
- A partition that stays with this member over a rebalance keeps its position (Java starts at the committed
  offset).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import (
    KafkaConfigurationError,
    KafkaError,
)
from kafka.structs import OffsetAndMetadata

from harness.apps.clients import properties as props
from harness.apps.clients.base import Delivery, Incoming, Outgoing, Polled, Rebalance, Settings
from harness.apps.errors import (
    AbortNeededError,
    CommitFailedError,
    ConfigRefusedError,
    RestartNeededError,
)

_ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}
_TOPIC_S = 10.0
_CALL_MS = 10_000  # for a call to the group coordinator that has no property of its own


class KafkaPython:
    def version(self) -> str:
        return f"kafka-python {kafka.__version__}"

    def producer_settings(
        self, bootstrap: str, transactional_id: str | None, properties: Mapping[str, Any]
    ) -> Settings:
        defaults = props.producer_defaults(transactional_id, properties)
        request = props.request_timeout_ms(defaults, properties)
        return _settings(
            "producer",
            bootstrap,
            {**defaults, "request.timeout.ms": request, "max.block.ms": 30_000},
            properties,
            KafkaProducer.DEFAULT_CONFIG,
        )

    def consumer_settings(self, bootstrap: str, group: str, properties: Mapping[str, Any]) -> Settings:
        defaults = {
            **props.consumer_defaults(),
            "group.id": group,
            "request.timeout.ms": props.REQUEST_TIMEOUT_MS,
        }
        return _settings("consumer", bootstrap, defaults, properties, KafkaConsumer.DEFAULT_CONFIG)

    def producer(self, settings: Settings) -> KafkaPythonProducer:
        return KafkaPythonProducer(settings.native)

    def consumer(self, settings: Settings) -> KafkaPythonConsumer:
        return KafkaPythonConsumer(settings.native)


class KafkaPythonProducer:
    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.transaction_timeout_s = settings.get("transaction_timeout_ms", 0) / 1000
        # No report can be later than this; one that is has been forgotten by the client.
        self._report_s = (settings["delivery_timeout_ms"] + settings["request_timeout_ms"]) / 1000
        self._producer = _connect(KafkaProducer, settings)

    def init_transactions(self) -> None:
        _or_restart("init_transactions", self._producer.init_transactions)

    def begin(self) -> None:
        _or_abort("begin_transaction", self._producer.begin_transaction)

    def send(self, topic: str, records: Sequence[Outgoing]) -> list[Delivery]:
        futures: list[Any] = []
        refused = ""
        for record in records:
            try:
                futures.append(self._producer.send(topic, record.value, key=record.key, headers=record.headers))
            except KafkaError as error:
                refused = str(error)
                break  # the next one would only wait for the same reason
        deliveries = [self._delivery(future) for future in futures]
        return deliveries + [Delivery(-1, -1, refused)] * (len(records) - len(futures))

    def _delivery(self, future: Any) -> Delivery:
        try:
            metadata = future.get(self._report_s)
        except KafkaError as error:
            return Delivery(-1, -1, str(error) or type(error).__name__)
        return Delivery(metadata.partition, metadata.offset)

    def send_offsets(self, topic: str, offsets: Mapping[int, int], membership: object) -> None:
        _or_abort(
            "send_offsets_to_transaction",
            lambda: self._producer.send_offsets_to_transaction(_offsets(topic, offsets), membership),
        )

    def commit(self) -> None:
        _or_abort("commit_transaction", self._producer.commit_transaction)

    def abort(self) -> None:
        _or_restart("abort_transaction", self._producer.abort_transaction)

    def close(self) -> None:
        self._producer.close(timeout=5)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Queues what happened: the callbacks run on the client's own thread and must return at once."""

    def __init__(self, queue: deque[Rebalance]) -> None:
        self._queue = queue

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._queue.append(Rebalance("assigned", _parts(assigned)))

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        if parts := _parts(revoked):
            self._queue.append(Rebalance("revoked", parts))

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        self._queue.append(Rebalance("lost", _parts(lost)))


class KafkaPythonConsumer:
    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._rebalances: deque[Rebalance] = deque()
        self._left: set[int] = set()  # partitions that were taken away and have not come back
        self._from_latest = settings["auto_offset_reset"] == "latest"
        self._consumer = _connect(KafkaConsumer, settings)

    def subscribe(self, topic: str) -> None:
        """Raises RestartNeededError: no broker knows the topic.

        A member that joins its group before it knows the topic's partitions assigns none, and may never do it again.
        """
        self._consumer.subscribe([topic], listener=_Listener(self._rebalances))
        deadline = time.monotonic() + _TOPIC_S
        while not self._consumer.partitions_for_topic(topic):
            if time.monotonic() > deadline:
                raise RestartNeededError(f"no broker knows topic {topic}")
            time.sleep(0.1)

    def poll(self, limit: int, timeout_s: float) -> Polled:
        try:
            fetched = self._consumer.poll(timeout_ms=timeout_s * 1000, max_records=limit)
        except KafkaError as error:
            raise RestartNeededError(f"poll: {error}") from error
        records = [_incoming(each) for records in fetched.values() for each in records]
        rebalances = tuple(self._rebalances.popleft() for _ in range(len(self._rebalances)))
        returned: set[int] = set()
        for kind, parts in rebalances:
            if kind == "assigned":
                returned |= self._left.intersection(parts)
                self._left.difference_update(parts)
            else:
                self._left.update(parts)
        # A partition that came back goes on behind what the caller held of it and dropped.
        self._to_committed(returned)
        return Polled(rebalances, tuple(each for each in records if each.part not in self._left | returned))

    def group_metadata(self) -> object:
        return self._consumer.group_metadata()

    def committed(self, topic: str, part: int) -> int | None:
        try:
            found = self._consumer.committed(TopicPartition(topic, part), timeout_ms=_CALL_MS)
        except KafkaError as error:
            raise RestartNeededError(f"committed: {error}") from error
        return None if found is None else int(found)

    def membership(self) -> object:
        metadata = self._consumer.group_metadata()
        if metadata.generation_id < 0 or not metadata.member_id:
            raise CommitFailedError("no member of the group any more")
        return metadata

    def commit(self, topic: str, offsets: Mapping[int, int]) -> None:
        try:
            self._consumer.commit(_offsets(topic, offsets), timeout_ms=_CALL_MS)
        except KafkaError as error:
            raise CommitFailedError(str(error)) from error

    def rewind(self) -> None:
        self._to_committed({partition.partition for partition in self._consumer.assignment()})

    def _to_committed(self, parts: Collection[int]) -> None:
        try:
            for partition in self._consumer.assignment():
                if partition.partition not in parts:
                    continue
                committed = self._consumer.committed(partition, timeout_ms=_CALL_MS)
                if committed is not None:
                    self._consumer.seek(partition, committed)
                elif self._from_latest:
                    self._consumer.seek_to_end(partition)
                else:
                    self._consumer.seek_to_beginning(partition)
        except (KafkaError, AssertionError) as error:  # seek asserts that the partition is still assigned
            raise RestartNeededError(f"rewind: {error}") from error

    def close(self) -> None:
        self._consumer.close(timeout_ms=5_000)


def _connect(client: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    logging.getLogger("kafka").setLevel(logging.WARNING)
    try:
        return client(**settings)
    except (KafkaConfigurationError, ValueError, TypeError, AssertionError) as error:
        raise ConfigRefusedError(f"kafka-python refuses the configuration: {error}") from error
    except KafkaError as error:
        raise RestartNeededError(f"no broker could be reached: {error}") from error


def _or_restart(what: str, call: Callable[[], object]) -> None:
    try:
        call()
    except KafkaError as error:
        raise RestartNeededError(f"{what}: {error}") from error


def _or_abort(what: str, call: Callable[[], object]) -> None:
    """Any error asks for an abort; after a fatal one (fenced) the abort raises too: a successor."""
    try:
        call()
    except KafkaError as error:
        raise AbortNeededError(f"{what}: {error}") from error


def _settings(
    kind: str,
    bootstrap: str,
    defaults: Mapping[str, Any],
    properties: Mapping[str, Any],
    known: Mapping[str, Any],
) -> Settings:
    props.refuse_owned(properties)
    names = [name.replace("_", ".") for name, value in known.items() if not callable(value)]
    for name in properties:
        if name not in names:
            raise props.unknown_property("kafka-python", kind, name, names)
    recorded = {**defaults, **properties}
    native = {_underscored(name): _value(name, value, known) for name, value in recorded.items()}
    return Settings({**native, "bootstrap_servers": bootstrap.split(",")}, recorded)


def _underscored(name: str) -> str:
    return name.replace(".", "_")


def _value(name: str, value: Any, known: Mapping[str, Any]) -> Any:
    """A property's value as kafka-python takes it; `"true"` and `"3000"` are fine, as in Kafka's files."""
    if name == "partition.assignment.strategy":
        return _assignors(value)
    if name == "compression.type" and value == "none":
        return None
    default = known[_underscored(name)]
    if isinstance(value, str) and isinstance(default, bool) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, str) and isinstance(default, (int, float)) and value.lstrip("-").isdecimal():
        return int(value)
    if isinstance(default, bool) != isinstance(value, bool) and default is not None:
        expected = "true or false" if isinstance(default, bool) else "a number or text"
        raise ConfigRefusedError(f"property '{name}' must be {expected}, not {value!r}")
    return value


def _assignors(value: Any) -> tuple[Any, ...]:
    names = value.split(",") if isinstance(value, str) else list(value)
    unknown = [name for name in names if name not in _ASSIGNORS]
    if unknown:
        raise ConfigRefusedError(f"kafka-python has no assignor '{unknown[0]}'; there are {', '.join(_ASSIGNORS)}")
    return tuple(_ASSIGNORS[name] for name in names)


def _offsets(topic: str, offsets: Mapping[int, int]) -> dict[Any, Any]:
    return {TopicPartition(topic, part): OffsetAndMetadata(pos, "", -1) for part, pos in offsets.items()}


def _parts(partitions: Iterable[Any]) -> tuple[int, ...]:
    return tuple(sorted(each.partition for each in partitions))


def _incoming(record: Any) -> Incoming:
    return Incoming(record.topic, record.partition, record.offset, record.key, record.value, dict(record.headers))
