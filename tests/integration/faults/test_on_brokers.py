"""Every fault on real brokers with a real client: it bites, as seen from the other side, and is healed."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer

from faults import (
    ALL,
    Bandwidth,
    EventStream,
    HopClient,
    How,
    LaneDetour,
    Latency,
    LinkPartition,
    ProcessHandle,
    Reset,
    Rule,
    Slicing,
    StepDelay,
    StepLose,
    StepRefuse,
    StepReplace,
    StepRule,
)
from tests.integration.faults.kafka_clients import (
    ACK_S,
    in_sync,
    metadata_of,
    node_of,
    producer,
    sent,
    stored,
    transactional,
)
from tests.integration.faults.peers import until

if TYPE_CHECKING:
    from harness.environment import Environment, Lane

HELD_S = 15.0
DELAY_MS = 150

_ids = itertools.count(1)


@pytest.fixture
def hops(environment: Environment) -> HopClient:
    """Of the cluster, in place of the test's own proxy; `events` follows it too."""
    return HopClient(environment.proxy_url)


def rule_id() -> str:
    return f"test-{next(_ids)}-{uuid.uuid4().hex[:6]}"


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
    assert stored(environment.bootstrap_direct, topic) == ["once"]
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
    assert stored(environment.bootstrap_direct, topic) == ["before", "during"]


def test_a_stopped_broker_hands_over_what_it_leads(
    environment: Environment, app: Lane, admin: AdminClient, topic: str
) -> None:
    client = producer(app)
    assert sent(client, topic, "before")(ACK_S) == "acked"
    leader = metadata_of(admin, topic).leader
    component = f"broker {leader}"
    environment.mark_down(component)
    try:
        evidence = ProcessHandle(*environment.process(component)).stop()
        assert (evidence.bit, evidence.facts["signal"]) == (True, "SIGTERM")
        assert until(lambda: metadata_of(admin, topic).leader != leader, ACK_S)
        assert sent(client, topic, "without it")(ACK_S) == "acked"
    finally:
        environment.start_broker(leader)
        environment.mark_up(component)
    assert until(lambda: in_sync(admin, topic) == [1, 2, 3], ACK_S)
    assert stored(environment.bootstrap_direct, topic) == ["before", "without it"]


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


@pytest.mark.parametrize("how", ["withhold", "refuse", "reset"])
def test_an_app_that_is_cut_off_gives_up_and_goes_on_after_the_heal(
    environment: Environment, hops: HopClient, app: Lane, topic: str, how: How
) -> None:
    client = producer(app, **{"message.timeout.ms": 1200, "reconnect.backoff.max.ms": 200})
    assert sent(client, topic, "before")(ACK_S) == "acked"
    partition = LinkPartition(hops, app.hop_names, how=how)
    partition.inject()
    try:
        assert sent(client, topic, "during")(ACK_S) == "_MSG_TIMED_OUT"
    finally:
        partition.heal()
    again = producer(app)
    assert sent(again, topic, "after")(ACK_S) == "acked"
    evidence = partition.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    assert {"before", "after"} <= set(stored(environment.bootstrap_direct, topic))


def acked_after_ms(client: Producer, topic: str, value: str = "x") -> float:
    began = time.monotonic()
    assert sent(client, topic, value)(ACK_S) == "acked"
    return (time.monotonic() - began) * 1000


@pytest.fixture
def neighbour(environment: Environment) -> Iterator[Lane]:
    lane = environment.lease_lane()
    yield lane
    environment.release_lane(lane)


def test_latency_is_seen_by_the_client_and_by_nobody_else(
    detour: LaneDetour, app: Lane, neighbour: Lane, topic: str
) -> None:
    latency = Latency(detour, DELAY_MS)
    slow, fast = producer(app), producer(neighbour)
    for client in (slow, fast):
        acked_after_ms(client, topic)
    latency.inject()
    try:
        assert acked_after_ms(slow, topic) >= DELAY_MS
        assert min(acked_after_ms(fast, topic) for _ in range(5)) < DELAY_MS
    finally:
        latency.heal()
    assert min(acked_after_ms(slow, topic) for _ in range(5)) < DELAY_MS
    evidence = latency.evidence()
    assert (evidence.bit, evidence.why) == (True, "")
    detour.remove()
    assert acked_after_ms(producer(app), topic) > 0  # the lane leads straight to the brokers again


def test_a_narrow_link_slows_a_large_record_down(detour: LaneDetour, app: Lane, topic: str) -> None:
    client, large = producer(app), "x" * 20_000
    assert acked_after_ms(client, topic, large) > 0
    narrow = Bandwidth(detour, 40)
    narrow.inject()
    try:
        assert acked_after_ms(client, topic, large) >= 350
    finally:
        narrow.heal()
    assert min(acked_after_ms(client, topic, large) for _ in range(5)) < 350
    evidence = narrow.evidence()
    assert (evidence.bit, evidence.why, evidence.facts["stream"]) == (True, "", "upstream")


def test_a_fetched_record_comes_in_slices(environment: Environment, detour: LaneDetour, app: Lane, topic: str) -> None:
    assert sent(Producer({"bootstrap.servers": environment.bootstrap_direct}), topic, "x" * 2000)(ACK_S) == "acked"
    sliced = Slicing(detour, 100)
    sliced.inject()
    consumer = Consumer({"bootstrap.servers": app.bootstrap, "group.id": "g", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(ACK_S)
        assert message is not None
        assert len(message.value() or b"") == 2000
    finally:
        sliced.heal()
        consumer.close()
    evidence = sliced.evidence()
    assert (evidence.bit, evidence.why) == (True, "")


def test_a_reset_connection_costs_an_idempotent_producer_nothing(
    environment: Environment, events: EventStream, detour: LaneDetour, app: Lane, topic: str
) -> None:
    reset = Reset(detour, events)
    reset.inject()
    try:
        acknowledged = sent(producer(app, **{"reconnect.backoff.max.ms": 200}), topic, "once")
        assert acknowledged(1.0) == "nothing"
        assert until(lambda: reset.evidence().bit, ACK_S)
    finally:
        reset.heal()
    assert acknowledged(ACK_S) == "acked"
    assert stored(environment.bootstrap_direct, topic) == ["once"]
    assert reset.evidence().facts["connections_reset"] > 0


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
    assert stored(environment.bootstrap_direct, topic) == ["1", "2", "3"]


@pytest.mark.parametrize(("idempotence", "in_the_log"), [(True, ["1", "2", "3"]), (False, ["1", "2", "2", "3"])])
def test_a_lost_produce_reply_makes_a_duplicate_unless_the_producer_is_idempotent(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str, idempotence: bool,
    in_the_log: list[str],
) -> None:  # fmt: skip
    rule = StepLose(hops, events, id=rule_id(), lanes=[app.name], step="Produce", when="after")
    client = producer(app, **{"enable.idempotence": idempotence, "acks": "all"})
    for value in ("1", "2", "3"):
        if value == "2":  # by now the client has found the leader, which may cost it a Produce
            rule.arm()
        assert sent(client, topic, value)(ACK_S) == "acked"
    rule.disarm()
    assert rule.evidence().bit
    assert stored(environment.bootstrap_direct, topic) == in_the_log


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
    assert stored(environment.bootstrap_direct, topic) == ["once"]


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


def test_a_lost_request_is_sent_again(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str
) -> None:
    rule = StepLose(hops, events, lanes=[app.name], step=f"Produce({topic}-0)", times=2)
    rule.arm()
    client = producer(app, **{"enable.idempotence": False, "acks": "all"})
    assert sent(client, topic, "once")(ACK_S) == "acked"
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit, evidence.why) == (2, True, "")
    assert evidence.facts["topics"][0]["topic"] == topic
    assert stored(environment.bootstrap_direct, topic) == ["once"]


def test_a_refused_request_has_not_happened_and_is_asked_again(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str
) -> None:
    transactional_id = f"t-{uuid.uuid4().hex[:8]}"
    rule = StepRefuse(
        hops,
        events,
        lanes=[app.name],
        step=f"EndTxn(commit, {transactional_id})",
        n=2,
        times=2,
        error="NOT_COORDINATOR",
    )
    rule.arm()
    client = transactional(app, **{"transactional.id": transactional_id})
    for value in ("1", "2", "3"):
        client.begin_transaction()
        sent(client, topic, value)
        client.commit_transaction(ACK_S)
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit, evidence.why) == (2, True, "")
    assert (evidence.facts["error"], evidence.facts["error_name"]) == ("16", "NOT_COORDINATOR")
    assert stored(environment.bootstrap_direct, topic) == ["1", "2", "3"]


def test_a_refused_request_tells_the_client_the_error(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str
) -> None:
    rule = StepRefuse(hops, events, lanes=[app.name], step="Produce", error="INVALID_RECORD")
    rule.arm()
    client = producer(app, **{"enable.idempotence": False})
    assert sent(client, topic, "refused")(ACK_S) == "INVALID_RECORD"
    rule.disarm()
    assert sent(client, topic, "after")(ACK_S) == "acked"
    assert rule.evidence().bit
    assert stored(environment.bootstrap_direct, topic) == ["after"]


def test_what_a_replaced_reply_was_for_has_happened(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, topic: str
) -> None:
    rule = StepReplace(hops, events, lanes=[app.name], step="Produce", error="INVALID_RECORD")
    rule.arm()
    client = producer(app, **{"enable.idempotence": False})
    assert sent(client, topic, "stored")(ACK_S) == "INVALID_RECORD"
    rule.disarm()
    assert sent(client, topic, "after")(ACK_S) == "acked"
    evidence = rule.evidence()
    assert (evidence.bit, evidence.facts["at"], evidence.facts["error"]) == (True, "reply", "87")
    assert stored(environment.bootstrap_direct, topic) == ["stored", "after"]


def test_a_fetch_between_brokers_is_held(
    environment: Environment, hops: HopClient, events: EventStream, app: Lane, admin: AdminClient, topic: str
) -> None:
    leader = metadata_of(admin, topic).leader
    follower = next(node for node in (1, 2, 3) if node != leader)
    rule = StepRule(hops, events, links=[f"{follower}-{leader}"], step="Fetch", times=ALL)
    rule.arm()
    try:
        held = rule.wait_held(HELD_S)
        assert held
        assert held.link == f"{follower}-{leader}"
        acknowledged = sent(producer(app), topic, "x")
        assert acknowledged(0.3) == "nothing"  # it waits for the follower, until that is out of the ISR
        assert acknowledged(ACK_S) == "acked"
    finally:
        rule.disarm()
    assert until(lambda: in_sync(admin, topic) == [1, 2, 3], ACK_S)
    assert rule.evidence().bit
