"""Error replies that the proxy makes, as real clients take them: read without complaint, and followed by what the
client does about such an error from any broker."""

from __future__ import annotations

import itertools
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import RebalanceInProgressError
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as Partition

from faults import HopClient, HopEvent, Rule
from harness.environment.jars import find_jars
from harness.environment.tools import find_java
from tests.integration.faults.peers import until

if TYPE_CHECKING:
    from harness.environment import Environment, Lane

WAIT_S = 30.0
RECORDS = 10

_ids = itertools.count(1)

Arm = Callable[..., str]


@pytest.fixture
def hops(environment: Environment) -> HopClient:
    """Of the cluster, in place of the test's own proxy."""
    return HopClient(environment.proxy_url)


class Log:
    """The events of one test."""

    def __init__(self, hops: HopClient) -> None:
        self._hops = hops
        self._events: list[HopEvent] = []
        self._seen = hops.health().events

    def all(self) -> list[HopEvent]:
        while new := self._hops.events(since=self._seen):
            self._events += new
            self._seen = new[-1].seq
        return self._events

    def of(self, rule: str, kind: str, count: int = 1) -> list[HopEvent]:
        """What a rule did, at least so often."""

        def found() -> list[HopEvent]:
            return [event for event in self.all() if event.rule == rule and event.kind == kind]

        assert until(lambda: len(found()) >= count, WAIT_S), f"{len(found())} of {count} {kind} events of {rule}"
        return found()


@pytest.fixture
def log(hops: HopClient) -> Log:
    return Log(hops)


@pytest.fixture
def app(environment: Environment) -> Iterator[Lane]:
    """A lane of the cluster."""
    lane = environment.lease_lane()
    yield lane
    environment.release_lane(lane)


@pytest.fixture
def topics(environment: Environment) -> Iterator[tuple[str, str]]:
    """An input and an output of one partition."""
    admin = AdminClient({"bootstrap.servers": environment.bootstrap_direct})
    names = (f"in-{uuid.uuid4().hex[:8]}", f"out-{uuid.uuid4().hex[:8]}")
    for created in admin.create_topics([NewTopic(name, 1, 3) for name in names]).values():
        created.result(WAIT_S)
    yield names
    for deleted in admin.delete_topics(list(names)).values():
        deleted.result(WAIT_S)


@pytest.fixture
def arm(hops: HopClient, app: Lane) -> Iterator[Arm]:
    """Adds a rule on the lane and gives its id."""
    added = []

    def add(api: str, error: int | None, *, at: str = "reply", **more: object) -> str:
        name = f"error-{next(_ids)}-{uuid.uuid4().hex[:6]}"
        action = "note" if error is None else {"request": "refuse", "reply": "replace"}[at]
        match = {"api": api} | {key: more.pop(key) for key in ("topic", "partition", "committed") if key in more}
        asked = {"lanes": [app.name], "error": None if error is None else str(error)} | more
        hops.add_rule(Rule(id=name, match=[match], at=at, action=action, **asked))  # type: ignore[arg-type]
        added.append(name)
        return name

    yield add
    for name in added:
        hops.remove_rule(name)


def stored(environment: Environment, topic: str) -> list[str]:
    """All committed values, read to the end past every hop."""
    reader = KafkaConsumer(
        bootstrap_servers=environment.bootstrap_direct, isolation_level="read_committed", enable_auto_commit=False
    )
    try:
        at = Partition(topic, 0)
        reader.assign([at])
        reader.seek_to_beginning(at)
        end, values = reader.end_offsets([at])[at], []
        while reader.position(at) < end:
            values += [record.value.decode() for records in reader.poll(1000).values() for record in records]
        return values
    finally:
        reader.close()


def send_with_confluent(app: Lane, topic: str) -> int:
    """How many of the records were acknowledged."""
    acked: list[Message] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if not error:
            acked.append(message)

    producer = Producer({"bootstrap.servers": app.bootstrap, "enable.idempotence": True, "linger.ms": 0})
    for n in range(RECORDS):
        producer.produce(topic, str(n), on_delivery=delivered)
        producer.flush(WAIT_S)
    return len(acked)


def send_with_kafka_python(app: Lane, topic: str) -> int:
    producer = KafkaProducer(bootstrap_servers=app.bootstrap)
    try:
        return sum(1 for n in range(RECORDS) if producer.send(topic, str(n).encode()).get(WAIT_S))
    finally:
        producer.close(timeout=WAIT_S)


SENDERS = [send_with_confluent, send_with_kafka_python]
VALUES = [str(n) for n in range(RECORDS)]


@pytest.mark.parametrize("send", SENDERS)
def test_a_produce_that_is_refused_by_no_leader_is_sent_again(
    environment: Environment,
    log: Log,
    app: Lane,
    topics: tuple[str, str],
    arm: Arm,
    send: Callable[[Lane, str], int],
) -> None:
    rule = arm("Produce", 6, at="request", topic=topics[0], partition=0, nth=4, times=3)
    assert send(app, topics[0]) == RECORDS
    refused = log.of(rule, "refused", 3)
    assert [(event.protocol, event.api, event.error) for event in refused] == [("kafka", "Produce", "6")] * 3
    assert {topic.topic for event in refused for topic in event.topics} == {topics[0]}
    assert stored(environment, topics[0]) == VALUES


def test_confluent_sends_again_what_an_unknown_producer_id_was_answered_for(
    environment: Environment, log: Log, app: Lane, topics: tuple[str, str], arm: Arm
) -> None:
    """The duplicate that idempotence does not prevent: the batch is stored, the error says that it cannot be."""
    rule = arm("Produce", 59, topic=topics[0], nth=6)
    assert send_with_confluent(app, topics[0]) == RECORDS
    log.of(rule, "replaced")
    assert stored(environment, topics[0]) == [*VALUES[:6], *VALUES[5:]]


def copy_with_confluent(app: Lane, source: str, to: str) -> None:
    """Every record of the source in one transaction, with its offsets, and offsets committed without one before."""
    consumer = Consumer(
        {
            "bootstrap.servers": app.bootstrap,
            "group.id": f"copy-{to}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 200,
            # Else it looks again after five minutes when it is the subscription's Metadata that fails.
            "topic.metadata.refresh.interval.ms": 1000,
        }
    )
    producer = Producer(
        {"bootstrap.servers": app.bootstrap, "transactional.id": f"copy-{to}", "linger.ms": 0, "retry.backoff.ms": 50}
    )
    consumer.subscribe([source])
    try:
        values: list[bytes] = []
        while len(values) < RECORDS:
            message = consumer.poll(WAIT_S)
            assert message is not None, "no record came"
            if not message.error():
                values.append(message.value() or b"")
        consumer.commit(offsets=[TopicPartition(source, 0, 1)], asynchronous=False)
        producer.init_transactions(WAIT_S)
        producer.begin_transaction()
        for value in values:
            producer.produce(to, value)
        producer.send_offsets_to_transaction(
            [TopicPartition(source, 0, RECORDS)], consumer.consumer_group_metadata(), WAIT_S
        )
        producer.commit_transaction(WAIT_S)
        consumer.poll(0.5)  # time for a heartbeat
    finally:
        consumer.close()


def committed(consumer: KafkaConsumer, offsets: dict[Partition, OffsetAndMetadata]) -> bool:
    try:
        consumer.commit(offsets)
    except RebalanceInProgressError:
        return False
    return True


def copy_with_kafka_python(app: Lane, source: str, to: str) -> None:
    consumer = KafkaConsumer(
        source,
        bootstrap_servers=app.bootstrap,
        group_id=f"copy-{to}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        heartbeat_interval_ms=200,
    )
    producer = KafkaProducer(bootstrap_servers=app.bootstrap, transactional_id=f"copy-{to}")
    try:
        values: list[bytes] = []
        ends = time.monotonic() + WAIT_S
        while len(values) < RECORDS and time.monotonic() < ends:
            values += [record.value for records in consumer.poll(500).values() for record in records]
        while not committed(consumer, {Partition(source, 0): OffsetAndMetadata(1, "", -1)}):
            consumer.poll(200)  # completes the rebalance
            assert time.monotonic() < ends, "no offset could be committed"
        producer.init_transactions()
        producer.begin_transaction()
        for future in [producer.send(to, value) for value in values]:
            future.get(WAIT_S)
        offsets = {Partition(source, 0): OffsetAndMetadata(RECORDS, "", -1)}
        producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
        producer.commit_transaction()
        consumer.poll(500)
    finally:
        producer.close(timeout=WAIT_S)
        consumer.close()


def copy_with_java(protocol: str) -> Callable[[Lane, str, str], None]:
    """Kafka's own client, whose newest versions no other client speaks; `protocol` is that of its group."""

    def copy(app: Lane, source: str, to: str) -> None:
        java = find_java().tool
        assert java
        program = Path(__file__).with_name("Copy.java")
        jars = ":".join(jar for jar in find_jars() if "/kafka-clients-" in jar or "/slf4j-api-" in jar)
        argv = [str(java.path), "-cp", jars, str(program), app.bootstrap, source, to, protocol, str(RECORDS)]
        subprocess.run(argv, check=True, timeout=4 * WAIT_S)

    return copy


COPIERS = [copy_with_confluent, copy_with_kafka_python]

# An error after which a client tries again, whether or not the request was carried out.
RETRIED = {
    "Metadata": 5,  # LEADER_NOT_AVAILABLE
    "FindCoordinator": 15,  # COORDINATOR_NOT_AVAILABLE
    "JoinGroup": 15,
    "SyncGroup": 27,  # REBALANCE_IN_PROGRESS
    "Heartbeat": 15,
    "ConsumerGroupHeartbeat": 14,  # COORDINATOR_LOAD_IN_PROGRESS
    "OffsetFetch": 14,
    "ListOffsets": 6,  # NOT_LEADER_OR_FOLLOWER
    "Fetch": 6,
    "OffsetCommit": 14,
    "InitProducerId": 51,  # CONCURRENT_TRANSACTIONS
    "AddPartitionsToTxn": 51,
    "Produce": 6,
    "AddOffsetsToTxn": 51,
    "TxnOffsetCommit": 14,
    "EndTxn": 51,
}
CLASSIC = {"JoinGroup", "SyncGroup", "Heartbeat"}
NEW_GROUP = {"ConsumerGroupHeartbeat"}
OLD_TRANSACTION = {"AddPartitionsToTxn", "AddOffsetsToTxn"}  # of clients that do not know transaction.version 2


@pytest.mark.parametrize("at", ["request", "reply"])
@pytest.mark.parametrize(
    ("copy", "without"),
    [
        (copy_with_confluent, NEW_GROUP),
        (copy_with_kafka_python, NEW_GROUP),
        (copy_with_java("classic"), NEW_GROUP | OLD_TRANSACTION | {"Heartbeat"}),
        (copy_with_java("consumer"), CLASSIC | OLD_TRANSACTION),
    ],
    ids=["confluent", "kafka-python", "java", "java-consumer"],
)
def test_every_step_of_a_transaction_may_fail_once(
    environment: Environment,
    log: Log,
    app: Lane,
    topics: tuple[str, str],
    arm: Arm,
    copy: Callable[[Lane, str, str], None],
    without: set[str],
    at: str,
) -> None:
    source, to = topics
    assert send_with_confluent(app, source) == RECORDS
    if at == "reply":  # the broker would wait for the member of which nobody has learnt that it joined
        without = without | {"JoinGroup"}
    rules = {api: arm(api, error, at=at) for api, error in RETRIED.items() if api not in without}
    copy(app, source, to)
    for rule in rules.values():
        log.of(rule, {"request": "refused", "reply": "replaced"}[at])
    assert not [event.reason for event in log.all() if event.kind == "unreadable" and event.lane == app.name]
    assert stored(environment, to) == VALUES


@pytest.mark.parametrize("copy", COPIERS)
def test_a_commit_that_no_coordinator_takes_is_repeated_with_another_look_for_it(
    environment: Environment,
    log: Log,
    app: Lane,
    topics: tuple[str, str],
    arm: Arm,
    copy: Callable[[Lane, str, str], None],
) -> None:
    assert send_with_confluent(app, topics[0]) == RECORDS
    rule = arm("EndTxn", 16, committed=True)
    looked_up, ended = (arm(api, None, at="request", times=-1) for api in ("FindCoordinator", "EndTxn"))
    copy(app, *topics)
    replaced = log.of(rule, "replaced")[0]
    assert any(event.mono_ns > replaced.mono_ns for event in log.of(looked_up, "noted"))
    log.of(ended, "noted", 2)
    assert stored(environment, topics[1]) == VALUES
