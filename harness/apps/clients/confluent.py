"""confluent-kafka (librdkafka), with its errors handled as its documentation asks.

`fatal()` or fenced → a successor · `txn_requires_abort()` → abort and do the batch again · `retriable()` →
call again. Inside a transaction a failed delivery report carries none of these flags: the caller treats it as
abort. After a while without any broker, send_offsets_to_transaction() may hang past its own timeout (librdkafka
issues 5456 and 5511): watchdog, and exit for a successor.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as Partition

from harness.apps.clients import properties as props
from harness.apps.clients.base import Delivery, Incoming, Outgoing, Polled, Rebalance, Settings
from harness.apps.errors import (
    AbortNeededError,
    CommitFailedError,
    ConfigRefusedError,
    RestartNeededError,
)

_FINAL = frozenset(
    {
        KafkaError._FENCED,
        KafkaError._FATAL,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_TXN_STATE,
    }
)
_FROM_JAVA = {"fetch.max.wait.ms": "fetch.wait.max.ms"}
_CALL_S = 10.0
_INIT_S = 30.0
_SEEK_S = 2.0
_SLICE_S = 0.2
_RETRY_S = 0.05


class Confluent:
    def version(self) -> str:
        return f"confluent-kafka {confluent_kafka.__version__}"

    def producer_settings(
        self, bootstrap: str, transactional_id: str | None, properties: Mapping[str, Any]
    ) -> Settings:
        defaults = props.producer_defaults(transactional_id, properties)
        # librdkafka refuses one that outlasts the transaction.
        defaults["socket.timeout.ms"] = props.request_timeout_ms(defaults, properties)
        return _settings(bootstrap, defaults, properties)

    def consumer_settings(self, bootstrap: str, group: str, properties: Mapping[str, Any]) -> Settings:
        defaults = {
            **props.consumer_defaults(),
            "group.id": group,
            "socket.timeout.ms": props.REQUEST_TIMEOUT_MS,
        }
        if properties.get("group.protocol") == "consumer":  # there the brokers decide, and librdkafka refuses these
            del defaults["session.timeout.ms"], defaults["heartbeat.interval.ms"]
        return _settings(bootstrap, defaults, properties)

    def producer(self, settings: Settings) -> ConfluentProducer:
        return ConfluentProducer(settings.native)

    def consumer(self, settings: Settings) -> ConfluentConsumer:
        return ConfluentConsumer(settings.native)


class ConfluentProducer:
    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.transaction_timeout_s = int(settings.get("transaction.timeout.ms", 0)) / 1000
        self._producer = _create(Producer, settings)

    def init_transactions(self) -> None:
        # Before the first transaction there is nothing to abort: whatever does not pass needs a successor.
        self._settle("init_transactions", self._producer.init_transactions, _INIT_S)

    def begin(self) -> None:
        self._transactional("begin_transaction", lambda _: self._producer.begin_transaction())

    def send(self, topic: str, records: Sequence[Outgoing]) -> list[Delivery]:
        reports: dict[int, Delivery] = {}
        refused = ""
        sent = 0
        for record in records:
            try:
                self._produce(topic, record, partial(_report, reports, sent))
            except KafkaException as error:
                refused = str(error.args[0])
                break
            sent += 1
        while len(reports) < sent:  # each report comes, at the latest after delivery.timeout.ms
            self._producer.flush(_SLICE_S)
        return [reports[n] for n in range(sent)] + [Delivery(-1, -1, refused)] * (len(records) - sent)

    def _produce(self, topic: str, record: Outgoing, report: Callable[[Any, Any], None]) -> None:
        while True:
            try:
                self._producer.produce(
                    topic, record.value, record.key, headers=list(record.headers), on_delivery=report
                )
                return
            except BufferError:  # the queue is full: reports make room
                self._producer.poll(_SLICE_S)

    def send_offsets(self, topic: str, offsets: Mapping[int, int], membership: object) -> None:
        self._transactional(
            "send_offsets_to_transaction",
            lambda left_s: self._producer.send_offsets_to_transaction(_offsets(topic, offsets), membership, left_s),
        )

    def commit(self) -> None:
        self._transactional("commit_transaction", self._producer.commit_transaction)

    def abort(self) -> None:
        self._settle("abort_transaction", self._producer.abort_transaction, self.transaction_timeout_s)

    def _settle(self, what: str, call: Callable[[float], object], limit_s: float) -> None:
        try:
            _retried(what, call, limit_s)
        except AbortNeededError as error:
            raise RestartNeededError(str(error)) from error

    def _transactional(self, what: str, call: Callable[[float], object]) -> None:
        _retried(what, call, self.transaction_timeout_s)

    def close(self) -> None:
        self._producer.flush(5)


class ConfluentConsumer:
    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._rebalances: deque[Rebalance] = deque()
        self._no_commit = OFFSET_END if settings["auto.offset.reset"] == "latest" else OFFSET_BEGINNING
        self._consumer = _create(Consumer, settings)

    def subscribe(self, topic: str) -> None:
        def on(kind: Any) -> Callable[[Any, Any], None]:
            return lambda _, partitions: self._rebalances.append(Rebalance(kind, _parts(partitions)))

        self._consumer.subscribe([topic], on_assign=on("assigned"), on_revoke=on("revoked"), on_lost=on("lost"))

    def poll(self, limit: int, timeout_s: float) -> Polled:
        """One message a call: unlike consume(), poll() cannot mix messages from both sides of a rebalance."""
        records: list[Incoming] = []
        while len(records) < limit and not self._rebalances:
            message = self._consumer.poll(0 if records else timeout_s)
            # What was read before a rebalance that this call made known.
            gone = {part for each in self._rebalances if each.kind != "assigned" for part in each.parts}
            records = [each for each in records if each.part not in gone]
            if message is None:
                break
            if error := message.error():
                _note_consumer_error(error)
                break
            records.append(_incoming(message))
        rebalances = tuple(self._rebalances.popleft() for _ in range(len(self._rebalances)))
        return Polled(rebalances, tuple(records))

    def membership(self) -> object:
        if not self._consumer.memberid():
            raise CommitFailedError("no member of the group any more")
        return self.group_metadata()

    def group_metadata(self) -> object:
        return self._consumer.consumer_group_metadata()

    def committed(self, topic: str, part: int) -> int | None:
        try:
            (found,) = self._consumer.committed([Partition(topic, part)], timeout=_CALL_S)
        except KafkaException as error:
            raise RestartNeededError(f"committed: {error.args[0]}") from error
        if found.error:
            raise RestartNeededError(f"committed: {found.error}")
        return None if found.offset < 0 else int(found.offset)

    def commit(self, topic: str, offsets: Mapping[int, int]) -> None:
        try:
            answers = self._consumer.commit(offsets=_offsets(topic, offsets), asynchronous=False)
        except KafkaException as error:
            raise CommitFailedError(str(error.args[0])) from error
        for answer in answers or ():
            if answer.error:
                raise CommitFailedError(f"{topic}/{answer.partition}: {answer.error}")

    def rewind(self) -> None:
        try:
            assigned = self._consumer.assignment()
            for partition in self._consumer.committed(assigned, timeout=_CALL_S) if assigned else ():
                if partition.error:
                    raise KafkaException(partition.error)
                if partition.offset < 0:
                    partition.offset = self._no_commit
                # A partition that was assigned a moment ago may not be read yet, and cannot be sought until it is.
                _retried("seek", partial(self._seek, partition), _SEEK_S, also=KafkaError._STATE)
        except KafkaException as error:
            raise RestartNeededError(f"rewind: {error.args[0]}") from error

    def _seek(self, partition: Partition, _left_s: float) -> None:
        self._consumer.seek(partition)

    def close(self) -> None:
        self._consumer.close()


def _create(client: Callable[[dict[str, Any]], Any], settings: Mapping[str, Any]) -> Any:
    try:
        return client(dict(settings))
    except (KafkaException, TypeError, ValueError) as error:
        cause = error.args[0]
        text = cause.str() if isinstance(cause, KafkaError) else str(cause)
        raise ConfigRefusedError(f"confluent-kafka refuses the configuration: {text}") from error


def _retried(what: str, call: Callable[[float], object], limit_s: float, also: int | None = None) -> None:
    """Calls again while the error says so, at most `limit_s` seconds.

    Args:
        call: Takes the seconds that are left.
        also: A code that is called again too.
    """
    deadline = time.monotonic() + limit_s
    while True:
        try:
            call(max(deadline - time.monotonic(), _RETRY_S))
            return
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.fatal() or error.code() in _FINAL:
                raise RestartNeededError(f"{what}: {error}") from exception
            if error.txn_requires_abort():
                raise AbortNeededError(f"{what}: {error}") from exception
            if not (error.retriable() or error.code() == also) or time.monotonic() > deadline:
                raise RestartNeededError(f"{what}: {error}") from exception
            time.sleep(_RETRY_S)


def _report(reports: dict[int, Delivery], n: int, error: Any, message: Any) -> None:
    reports[n] = Delivery(-1, -1, str(error)) if error else Delivery(message.partition(), message.offset())


def _note_consumer_error(error: KafkaError) -> None:
    """Most are news (a broker is away, the group was left by a slow poll) that the client mends by itself."""
    if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise RestartNeededError(f"poll: {error}")
    print(f"poll: {error}", file=sys.stderr, flush=True)


def _settings(bootstrap: str, defaults: Mapping[str, Any], properties: Mapping[str, Any]) -> Settings:
    props.refuse_owned(properties)
    own = {_FROM_JAVA.get(name, name): value for name, value in properties.items()}
    native = {**defaults, **own, "bootstrap.servers": bootstrap}
    return Settings(native, {**defaults, **properties})


def _offsets(topic: str, offsets: Mapping[int, int]) -> list[Partition]:
    return [Partition(topic, part, pos) for part, pos in offsets.items()]


def _parts(partitions: Sequence[Any]) -> tuple[int, ...]:
    return tuple(sorted(each.partition for each in partitions))


def _incoming(message: Any) -> Incoming:
    return Incoming(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        dict(message.headers() or ()),
    )
