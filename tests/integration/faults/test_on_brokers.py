"""Every fault on real brokers with a real client: it bites, as seen from the other side, and is healed."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka import KafkaProducer

from faults import (
    Detour,
    EventStream,
    HopClient,
    LaneDetour,
    LaneLatency,
    LinkPartition,
    ProcessHandle,
    Rule,
    StepDelay,
    StepLose,
    StepRule,
    Toxics,
)
from tests.integration.faults.peers import until

if TYPE_CHECKING:
    from harness.environment import Environment, Lane

HELD_S = 15.0
ACK_S = 30.0
DELAY_MS = 150

_ids = itertools.count(1)


@pytest.fixture
def hops(environment: Environment) -> HopClient:
    """Of the cluster, in place of the test's own proxy; `events` follows it too."""
    return HopClient(environment.proxy_url)


@pytest.fixture
def app(environment: Environment) -> Iterator[Lane]:
    """A lane of the cluster."""
    lane = environment.lease_lane()
    yield lane
    environment.release_lane(lane)


@pytest.fixture
def admin(environment: Environment) -> AdminClient:
    return AdminClient({"bootstrap.servers": environment.bootstrap_direct})


@pytest.fixture
def topic(admin: AdminClient) -> Iterator[str]:
    """One partition, three replicas, all in sync."""
    name = f"faults-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, 1, 3, config={"min.insync.replicas": "1"})])[name].result(ACK_S)
    assert until(lambda: len(in_sync(admin, name)) == 3, ACK_S)
    yield name
    admin.delete_topics([name])[name].result(ACK_S)


@pytest.fixture
def helper() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as helper:
        yield helper


def rule_id() -> str:
    return f"test-{next(_ids)}-{uuid.uuid4().hex[:6]}"


def metadata_of(admin: AdminClient, topic: str) -> Any:
    return admin.list_topics(topic, timeout=10).topics[topic].partitions.get(0)


def in_sync(admin: AdminClient, topic: str) -> list[int]:
    partition = metadata_of(admin, topic)
    return sorted(partition.isrs) if partition else []


def producer(app: Lane, **more: Any) -> Producer:
    return Producer({"bootstrap.servers": app.bootstrap, "enable.idempotence": True, "linger.ms": 0} | more)


def transactional(app: Lane, **more: Any) -> Producer:
    made = producer(app, **{"transactional.id": f"t-{uuid.uuid4().hex[:8]}"} | more)
    made.init_transactions(ACK_S)
    return made


def sent(producer: Producer, topic: str, value: str) -> Callable[[float], str]:
    """Sends; what it returns waits for the acknowledgement and gives `acked`, or the error's name, or `nothing`."""
    outcome: list[str] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        outcome.append(error.name() if error else "acked")

    producer.produce(topic, value, on_delivery=delivered)

    def arrived() -> bool:
        producer.poll(0)
        return bool(outcome)

    def wait(timeout_s: float) -> str:
        return outcome[0] if until(arrived, timeout_s) else "nothing"

    return wait


def stored(environment: Environment, topic: str, isolation: str = "read_committed") -> list[str]:
    """All values, read to the end past every hop."""
    consumer = Consumer(
        {
            "bootstrap.servers": environment.bootstrap_direct,
            "group.id": "reader",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[str] = []
    try:
        while True:
            message = consumer.poll(ACK_S)
            assert message is not None, "the end of the topic was not reached"
            if error := message.error():
                assert error.code() == KafkaError._PARTITION_EOF
                return values
            values.append((message.value() or b"").decode())
    finally:
        consumer.close()


def node_of(hop: str) -> int:
    return int(hop.rpartition("-")[2])


# -- processes ---------------------------------------------------------------------------------------------------


def test_a_broker_crashes_inside_a_commit(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, admin: AdminClient, topic: str,
    helper: ThreadPoolExecutor,
) -> None:  # fmt: skip
    client = transactional(app)
    rule = StepRule(hops, events, id=rule_id(), lanes=[app.name], step="EndTxn(commit)")
    rule.arm()
    client.begin_transaction()
    assert sent(client, topic, "once")(ACK_S) == "acked"
    commit = helper.submit(client.commit_transaction, 2 * ACK_S)
    held = rule.wait_held(HELD_S)
    assert held
    component = f"broker {node_of(held.hop)}"
    environment.mark_down(component)
    death = ProcessHandle(*environment.process(component)).crash()
    assert death.bit
    assert rule.held_at(death.facts["exited_ns"])
    rule.drop()
    rule.disarm()
    assert not commit.done()
    environment.start_broker(node_of(held.hop))
    environment.mark_up(component)
    commit.result(2 * ACK_S)
    assert until(lambda: len(in_sync(admin, topic)) == 3, ACK_S)
    assert stored(environment, topic) == ["once"]
    assert rule.evidence().bit


def test_a_paused_broker_answers_nobody(environment: Environment, app: Lane, admin: AdminClient, topic: str) -> None:
    client = producer(app)
    assert sent(client, topic, "before")(ACK_S) == "acked"
    leader = ProcessHandle(*environment.process(f"broker {metadata_of(admin, topic).leader}"))
    assert leader.pause().bit
    try:
        acknowledged = sent(client, topic, "during")
        assert acknowledged(1.0) == "nothing"
    finally:
        resumed = leader.resume()
    assert acknowledged(ACK_S) == "acked"
    assert (resumed.bit, resumed.why) == (True, "")
    assert resumed.facts["stopped_ms"] >= 1000
    assert stored(environment, topic) == ["before", "during"]


# -- links -------------------------------------------------------------------------------------------------------


def test_a_follower_that_is_cut_from_its_leader_leaves_the_isr_and_comes_back(
    environment: Environment, hops: HopClient, app: Lane, admin: AdminClient, topic: str
) -> None:
    client = producer(app)
    assert sent(client, topic, "before")(ACK_S) == "acked"
    leader = metadata_of(admin, topic).leader
    follower = next(node for node in (1, 2, 3) if node != leader)
    partition = LinkPartition(hops, [f"link/{follower}-{leader}/INTERNAL"])
    partition.inject()
    try:
        acknowledged = sent(client, topic, "during")  # without a write nobody falls behind
        rest = sorted({1, 2, 3} - {follower})
        assert until(lambda: in_sync(admin, topic) == rest, ACK_S)
        assert acknowledged(ACK_S) == "acked"
    finally:
        partition.heal()
    assert until(lambda: in_sync(admin, topic) == [1, 2, 3], ACK_S)
    evidence = partition.evidence()
    assert (evidence.bit, evidence.why) == (True, "")


@pytest.mark.parametrize("how", ["withhold", "refuse"])
def test_an_app_that_is_cut_off_gives_up_and_goes_on_after_the_heal(
    environment: Environment, hops: HopClient, app: Lane, topic: str, how: str
) -> None:
    client = producer(app, **{"message.timeout.ms": 1200, "reconnect.backoff.max.ms": 200})
    assert sent(client, topic, "before")(ACK_S) == "acked"
    partition = LinkPartition(hops, app.hop_names, how="refuse" if how == "refuse" else "withhold")
    partition.inject()
    try:
        assert sent(client, topic, "during")(ACK_S) == "_MSG_TIMED_OUT"
    finally:
        partition.heal()
    again = producer(app)
    assert sent(again, topic, "after")(ACK_S) == "acked"
    evidence = partition.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    assert {"before", "after"} <= set(stored(environment, topic))


def test_latency_is_seen_by_the_client_and_by_nobody_else(
    environment: Environment, hops: HopClient, app: Lane, topic: str
) -> None:
    topology = environment.topology
    ways = [
        Detour(hop=hop.name, listen=str(topology.toxic_address(app.index, node)), upstream=str(hop.upstream))
        for node in topology.node_ids
        for hop in [topology.lane_hop(app.index, node)]
    ]
    detour = LaneDetour(hops, Toxics(environment.proxy_url), app.name, ways)
    detour.prepare()
    latency = LaneLatency(detour, DELAY_MS)
    neighbour = environment.lease_lane()
    slow, fast = producer(app), producer(neighbour)

    def acked_after_ms(client: Producer) -> float:
        began = time.monotonic()
        assert sent(client, topic, "x")(ACK_S) == "acked"
        return (time.monotonic() - began) * 1000

    try:
        for client in (slow, fast):
            acked_after_ms(client)
        latency.inject()
        assert acked_after_ms(slow) >= DELAY_MS
        assert min(acked_after_ms(fast) for _ in range(5)) < DELAY_MS
        latency.heal()
        assert min(acked_after_ms(slow) for _ in range(5)) < DELAY_MS
    finally:
        latency.heal()
        detour.remove()
        environment.release_lane(neighbour)
    evidence = latency.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    assert acked_after_ms(producer(app)) > 0  # the lane leads straight to the brokers again


# -- steps -------------------------------------------------------------------------------------------------------


@pytest.fixture
def commits_seen(hops: HopClient, app: Lane) -> Iterator[Callable[[], int]]:
    """How many EndTxn(commit) the app has sent, retries included."""
    rule = Rule(
        id=rule_id(),
        lanes=[app.name],
        match=[{"api": "EndTxn", "committed": True}],
        at="request",
        action="note",
        times=-1,
    )
    hops.add_rule(rule)
    yield lambda: next(state.seen for state in hops.rules() if state.id == rule.id)
    hops.remove_rule(rule.id)


class ConfluentTransaction:
    def __init__(self, app: Lane) -> None:
        self._producer = transactional(app)

    def commit_one(self, topic: str, value: str) -> None:
        self._producer.begin_transaction()
        sent(self._producer, topic, value)
        self._producer.commit_transaction(ACK_S)


class KafkaPythonTransaction:
    def __init__(self, app: Lane) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=app.bootstrap, transactional_id=f"t-{uuid.uuid4().hex[:8]}", acks="all"
        )
        self._producer.init_transactions()

    def commit_one(self, topic: str, value: str) -> None:
        self._producer.begin_transaction()
        self._producer.send(topic, value.encode()).get(ACK_S)
        self._producer.commit_transaction()


@pytest.mark.parametrize(("client", "connection"), [(ConfluentTransaction, "close"), (KafkaPythonTransaction, "reset")])
def test_a_lost_commit_reply_is_retried_and_commits_once(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str,
    commits_seen: Callable[[], int], client: Callable[[Lane], ConfluentTransaction | KafkaPythonTransaction],
    connection: str,
) -> None:  # fmt: skip
    rule = StepLose(
        hops, events, id=rule_id(), lanes=[app.name], step="EndTxn(commit)", when="after", n=2,
        connection="reset" if connection == "reset" else "close",
    )  # fmt: skip
    rule.arm()
    transaction = client(app)
    for value in ("1", "2", "3"):
        transaction.commit_one(topic, value)
    assert commits_seen() >= 4  # a retry may be answered by CONCURRENT_TRANSACTIONS, and is repeated then
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.bit, evidence.facts["n"], evidence.facts["committed"]) == (True, 2, True)
    assert stored(environment, topic) == ["1", "2", "3"]


@pytest.mark.parametrize(("idempotence", "in_the_log"), [(True, ["1", "2", "3"]), (False, ["1", "2", "2", "3"])])
def test_a_lost_produce_reply_makes_a_duplicate_unless_the_producer_is_idempotent(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str, idempotence: bool,
    in_the_log: list[str],
) -> None:  # fmt: skip
    rule = StepLose(hops, events, id=rule_id(), lanes=[app.name], step="Produce", when="after", n=2)
    rule.arm()
    client = producer(app, **{"enable.idempotence": idempotence, "acks": "all"})
    for value in ("1", "2", "3"):
        assert sent(client, topic, value)(ACK_S) == "acked"
    rule.disarm()
    assert rule.evidence().bit
    assert stored(environment, topic) == in_the_log


def test_a_commit_is_delayed_past_its_retry(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str, helper: ThreadPoolExecutor
) -> None:
    rule = StepDelay(hops, events, id=rule_id(), lanes=[app.name], step="EndTxn(commit)")
    rule.arm()
    client = transactional(app, **{"socket.timeout.ms": 1000, "transaction.timeout.ms": 20_000})
    client.begin_transaction()
    sent(client, topic, "once")
    commit = helper.submit(client.commit_transaction, ACK_S)
    assert rule.wait_held(HELD_S)
    assert rule.deliver_after_retry(HELD_S)
    commit.result(ACK_S)
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    assert evidence.facts["retry"]["connection"] != evidence.facts["connection"]
    assert stored(environment, topic) == ["once"]


def test_a_held_fetch_keeps_its_consumer_waiting(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str
) -> None:
    assert sent(producer(app), topic, "x")(ACK_S) == "acked"
    rule = StepRule(hops, events, id=rule_id(), lanes=[app.name], step="Fetch", when="after")
    rule.arm()
    consumer = Consumer({"bootstrap.servers": app.bootstrap, "group.id": "g", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        assert consumer.poll(0.5) is None
        assert rule.wait_held(HELD_S)
        assert consumer.poll(0.5) is None
        assert rule.deliver()
        message = consumer.poll(ACK_S)
        assert message is not None
        assert message.value() == b"x"
    finally:
        rule.disarm()
        consumer.close()
    assert rule.evidence().facts["held_ms"] >= 500
