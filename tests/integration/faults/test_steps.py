"""Step faults through the real eosproxy, seen from both ends of the connection."""

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from faults import (
    ALL,
    EventStream,
    HopClient,
    ProcessHandle,
    ProxyRefusedError,
    StepDelay,
    StepLose,
    StepRefuse,
    StepReplace,
    StepRule,
)
from faults.hops import Ending
from tests.integration.faults.peers import (
    END_TXN,
    SILENCE_S,
    Lane,
    LostConnectionError,
    Peer,
    end_txn,
    metadata,
    offset_commit,
    produce,
    until,
)

HELD_S = 5.0

_ids = itertools.count(1)

Hold = Callable[..., StepRule]


@pytest.fixture
def hold(hops: HopClient, events: EventStream, lane: Lane) -> Iterator[Hold]:
    """An armed StepRule on the test's lane."""
    made = []

    def make(step: str = "EndTxn(commit)", **more: object) -> StepRule:
        asked = {"id": f"hold-{next(_ids)}", "lanes": [lane.name]} | more
        made.append(StepRule(hops, events, step=step, **asked))  # type: ignore[arg-type]
        made[-1].arm()
        return made[-1]

    yield make
    for rule in made:
        rule.disarm()


def becomes_of(client: Peer) -> str:
    """`answered`, `closed`, `reset` or `nothing`: what happens to a client that waits for its answer."""
    try:
        return "nothing" if client.answer(SILENCE_S) is None else "answered"
    except LostConnectionError as error:
        return error.how


# -- hold --------------------------------------------------------------------------------------------------------


def test_a_held_request_has_not_reached_the_broker_until_it_is_delivered(hold: Hold, lane: Lane) -> None:
    rule = hold()
    with lane.connect() as client:
        client.send(end_txn(1))
        held = rule.wait_held(HELD_S)
        assert held
        assert (held.api, held.correlation_id, held.transactional_id, held.committed) == ("EndTxn", 1, "t", True)
        assert lane.broker.wait_received(1, SILENCE_S) is None
        assert rule.evidence().facts["ended"] == "still held"
        assert rule.deliver()
        assert client.answer() == 1
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit, evidence.why) == (1, True, "")
    facts = evidence.facts
    assert (facts["at"], facts["hop"], facts["lane"], facts["n"]) == ("request", lane.hop, lane.name, 1)
    assert (facts["ended"], facts["connection"], facts["client_id"]) == ("deliver", held.connection, "app")
    assert facts["held_ms"] >= SILENCE_S * 1000 - 1
    reached = lane.broker.wait_received(1)
    assert reached
    assert facts["held_ns"] < reached.mono_ns


def test_a_held_reply_was_answered_and_has_not_reached_the_client(hold: Hold, lane: Lane) -> None:
    rule = hold(when="after")
    with lane.connect() as client:
        client.send(end_txn(1))
        held = rule.wait_held(HELD_S)
        assert held
        assert held.at == "reply"
        assert lane.broker.saw(1)
        assert becomes_of(client) == "nothing"
        assert rule.deliver()
        assert client.answer() == 1
    assert rule.evidence().bit


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("connection", "fate"), [("close", "closed"), ("reset", "reset"), ("open", "nothing")])
def test_a_dropped_frame_and_its_connection(hold: Hold, lane: Lane, when: str, connection: Ending, fate: str) -> None:
    rule = hold(when=when)
    with lane.connect() as client:
        client.send(end_txn(1))
        assert rule.wait_held(HELD_S)
        assert rule.drop(connection)
        assert becomes_of(client) == fate
    assert lane.broker.saw(1) is (when == "after")
    evidence = rule.evidence()
    assert (evidence.bit, evidence.facts["ended"]) == (True, "drop")


def test_what_was_sent_before_a_dropped_request_is_not_dropped(hold: Hold, lane: Lane) -> None:
    rule = hold()
    with lane.connect() as client:
        client.send(metadata(1) + end_txn(2))
        assert rule.wait_held(HELD_S)
        assert client.answer() == 1
        rule.drop()
        assert becomes_of(client) == "closed"
    assert not lane.broker.saw(2)


def test_only_the_nth_of_the_step_is_held_over_connections_and_lanes(hold: Hold, lane: Lane, other_lane: Lane) -> None:
    rule = hold("commit", lanes=[lane.name, other_lane.name], n=3)
    with lane.connect() as first, other_lane.connect() as second:
        assert first.ask(end_txn(1, commit=False)) == 1  # no commit
        assert first.ask(end_txn(2)) == 2
        assert second.ask(offset_commit(3)) == 3  # a commit too, in an app without transactions
        second.send(end_txn(4))
        held = rule.wait_held(HELD_S)
        assert held
        assert (held.correlation_id, held.lane, held.n) == (4, other_lane.name, 3)
        assert first.ask(end_txn(5)) == 5  # the fourth, while the third is held
        rule.deliver()
        assert second.answer() == 4


def test_a_lane_that_is_not_named_is_left_alone(hold: Hold, lane: Lane, other_lane: Lane) -> None:
    rule = hold()
    with other_lane.connect() as client:
        assert client.ask(end_txn(1)) == 1
    assert rule.wait_held(0) is None


def test_an_abort_is_held_and_a_commit_is_not(hold: Hold, lane: Lane) -> None:
    rule = hold("EndTxn(abort)")
    with lane.connect() as client:
        assert client.ask(end_txn(1)) == 1
        client.send(end_txn(2, commit=False))
        held = rule.wait_held(HELD_S)
        assert held
        assert (held.correlation_id, held.committed) == (2, False)


def test_a_step_that_never_comes_is_no_bite_and_says_how_often_it_was_seen(hold: Hold, lane: Lane) -> None:
    rule = hold(n=3)
    assert rule.wait_held(0.05) is None
    with lane.connect() as client:
        client.ask(end_txn(1))
        client.ask(end_txn(2))
    armed = rule.evidence()
    rule.disarm()
    for evidence in (armed, rule.evidence()):
        assert (evidence.fired, evidence.bit) == (0, False)
        assert evidence.why == f"EndTxn(commit) 3 never came on {lane.name}: the step was seen 2 times"
    assert not rule.deliver()
    assert not rule.drop()


def test_a_reply_that_never_comes_is_no_bite(hold: Hold, lane: Lane) -> None:
    rule = hold(when="after")
    lane.broker.hang_up_at = 26
    with lane.connect() as client:
        client.send(end_txn(1))
        assert becomes_of(client) == "closed"
    rule.disarm()
    assert rule.evidence().why == f"EndTxn(commit) 1 came on {lane.name}, but no reply to it did"


def test_healing_delivers_what_is_held(hold: Hold, lane: Lane) -> None:
    rule = hold()
    with lane.connect() as client:
        client.send(end_txn(1))
        assert rule.wait_held(HELD_S)
        rule.disarm()
        assert client.answer() == 1
        assert client.ask(end_txn(2)) == 2
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.bit, evidence.facts["ended"], evidence.facts["ended_by"]) == (True, "deliver", "rule removed")


def test_healing_wakes_who_waits(hold: Hold) -> None:
    rule = hold()
    threading.Timer(0.2, rule.disarm).start()
    began = time.monotonic()
    assert rule.wait_held(30) is None
    assert time.monotonic() - began < 3


def test_an_end_may_be_asked_for_twice(hold: Hold, lane: Lane) -> None:
    delivered, dropped = hold(), hold("OffsetCommit")
    with lane.connect() as client:
        client.send(end_txn(1))
        assert delivered.wait_held(HELD_S)
        assert delivered.deliver()
        assert delivered.deliver()
        assert not delivered.drop()
        client.send(offset_commit(2))
        assert dropped.wait_held(HELD_S)
        assert dropped.drop()
        assert dropped.drop()
        assert not dropped.deliver()
    for rule in (delivered, dropped):
        assert (rule.evidence().bit, rule.evidence().why) == (True, "")


def test_a_hold_that_ended_otherwise_than_it_was_told_to_is_no_bite(hold: Hold, lane: Lane) -> None:
    rule = hold(hold_ms_max=100)
    with lane.connect() as client:
        client.send(end_txn(1))
        assert rule.wait_held(HELD_S)
        assert client.answer() == 1
        assert not rule.drop()
    evidence = rule.evidence()
    assert not evidence.bit
    assert evidence.why == "the held EndTxn ended by 'deliver' instead of 'drop': hold_ms_max of 100 expired"


def test_a_reply_cannot_be_delivered_to_a_client_that_is_gone(hold: Hold, lane: Lane) -> None:
    rule = hold(when="after")
    client = lane.connect()
    client.send(end_txn(1))
    assert rule.wait_held(HELD_S)
    client.close()
    assert until(lambda: "released_ns" in rule.evidence().facts)
    assert not rule.deliver()
    assert "ended by 'drop' instead of 'deliver': the client has closed" in rule.evidence().why


def test_a_request_is_delivered_though_its_client_is_gone(hold: Hold, lane: Lane) -> None:
    rule = hold()
    client = lane.connect()
    client.send(end_txn(1))
    assert rule.wait_held(HELD_S)
    client.close()
    time.sleep(SILENCE_S)
    assert not lane.broker.saw(1)
    assert rule.deliver()
    assert lane.broker.wait_received(1)
    assert rule.evidence().bit


def test_a_delivery_into_a_cut_link_does_not_wait_for_the_heal(hold: Hold, hops: HopClient, lane: Lane) -> None:
    rule = hold()
    with lane.connect() as client:
        client.send(end_txn(1))
        assert rule.wait_held(HELD_S)
        hops.patch_hop(lane.hop, requests="withhold")
        began = time.monotonic()
        assert rule.deliver()
        assert time.monotonic() - began < 2
        assert "was not seen to happen" in rule.evidence().why
        hops.patch_hop(lane.hop, requests="pass")
        assert client.answer() == 1
    assert until(lambda: rule.evidence().bit)


def test_two_rules_of_one_id_are_refused_and_the_first_goes_on(hold: Hold, lane: Lane) -> None:
    first = hold(id="same")
    with pytest.raises(ProxyRefusedError, match="already a rule"):
        hold(id="same")
    with lane.connect() as client:
        client.send(end_txn(1))
        assert first.wait_held(HELD_S)


CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
connection.sendall(bytes.fromhex(sys.argv[3]))
connection.recv(1)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_inside_a_step_is_proved(hold: Hold, lane: Lane, when: str) -> None:
    host, _, port = lane.address.rpartition(":")
    for _ in range(5):  # a dying client ends a held reply before its exit is seen, or a moment later
        rule = hold(when=when)
        command = [sys.executable, "-S", "-c", CLIENT, host, port, end_txn(1).hex()]
        with subprocess.Popen(command) as child:
            held = rule.wait_held(HELD_S)
            assert held
            assert not rule.held_at(held.mono_ns - 1)
            death = ProcessHandle.of(child.pid, reap=child.wait).crash()
            assert death.bit
            assert rule.held_at(death.facts["exited_ns"])
            time.sleep(0.05)  # by now the end of the connection has come, and changes nothing
            assert rule.held_at(death.facts["exited_ns"])
        assert rule.drop()
        assert rule.held_at(death.facts["exited_ns"])
        assert not rule.held_at(time.monotonic_ns() + 2 * 10**9)
        assert rule.evidence().bit
        rule.disarm()


def test_what_happens_after_a_release_did_not_happen_inside_the_step(hold: Hold, lane: Lane) -> None:
    for end in ("deliver", "drop"):
        rule = hold()
        with lane.connect() as client:
            client.send(end_txn(1))
            assert rule.wait_held(HELD_S)
            assert getattr(rule, end)()
            assert not rule.held_at(time.monotonic_ns())
        rule.disarm()


# -- lose --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("connection", "fate"), [("close", "closed"), ("reset", "reset"), ("open", "nothing")])
def test_a_lost_frame_and_its_connection(
    hops: HopClient, events: EventStream, lane: Lane, when: str, connection: Ending, fate: str
) -> None:
    rule = StepLose(
        hops, events, id=f"lose-{next(_ids)}", lanes=[lane.name], step="Produce",
        when="before" if when == "before" else "after", n=2, connection=connection,
    )  # fmt: skip
    rule.arm()
    with lane.connect() as client, lane.connect() as again:
        assert client.ask(produce(1)) == 1
        client.send(produce(2))
        lost = rule.wait_lost(HELD_S)
        assert lost
        assert becomes_of(client) == fate
        assert lane.broker.saw(2) is (when == "after")
        assert again.ask(produce(2)) == 2  # the retry gets through
    rule.disarm()
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit, evidence.facts["then"]) == (1, True, connection)
    assert (evidence.facts["correlation_id"], evidence.facts["connection"]) == (2, lost.connection)
    assert evidence.facts["topics"] == [{"topic": "orders", "partitions": (0,)}]


def test_a_loss_in_the_last_moment_is_in_the_evidence(hops: HopClient, events: EventStream, lane: Lane) -> None:
    for _ in range(20):
        rule = StepLose(hops, events, id=f"lose-{next(_ids)}", lanes=[lane.name], step="Produce")
        rule.arm()
        with lane.connect() as client:
            client.send(produce(1))
            assert becomes_of(client) == "closed"
            rule.disarm()
        assert rule.evidence().bit


def test_nothing_to_lose(hops: HopClient, events: EventStream, lane: Lane) -> None:
    rule = StepLose(hops, events, id=f"lose-{next(_ids)}", lanes=[lane.name], step="commit", n=2)
    rule.arm()
    assert rule.wait_lost(0.05) is None
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit) == (0, False)
    assert "commit 2 never came" in evidence.why


# -- times, and errors instead of answers --------------------------------------------------------------------------


def test_several_frames_are_lost_one_after_another(hops: HopClient, events: EventStream, lane: Lane) -> None:
    rule = StepLose(hops, events, lanes=[lane.name], step="Produce(orders-0)", n=2, times=2)
    rule.arm()
    for number in range(1, 5):
        with lane.connect() as client:
            client.send(produce(number))
            assert becomes_of(client) == ("closed" if number in (2, 3) else "answered")
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit, evidence.why) == (2, True, "")
    frames = [evidence.facts, *evidence.facts["frames"]]
    assert [(frame["n"], frame["correlation_id"]) for frame in frames] == [(2, 2), (3, 3)]


def test_a_fault_that_came_too_seldom_is_no_bite(hops: HopClient, events: EventStream, lane: Lane) -> None:
    asked = StepLose(hops, events, lanes=[lane.name], step="Produce", times=3)
    every = StepLose(hops, events, lanes=[lane.name], step="OffsetCommit", times=ALL)
    for rule, frame in ((asked, produce(1)), (every, offset_commit(1))):
        rule.arm()
        with lane.connect() as client:
            client.send(frame)
            assert becomes_of(client) == "closed"
        rule.disarm()
    evidence = asked.evidence()
    assert (evidence.fired, evidence.bit) == (1, False)
    assert evidence.why == f"Produce 2 never came on {lane.name}: the step was seen 1 times"
    assert (every.evidence().fired, every.evidence().bit) == (1, True)


def test_several_frames_are_held_and_end_together(hold: Hold, lane: Lane) -> None:
    rule = hold("Produce", times=2)
    with lane.connect() as first, lane.connect() as second:
        first.send(produce(1))
        second.send(produce(2))
        assert rule.wait_held(HELD_S, nth=2)
        assert rule.held_at(time.monotonic_ns())
        assert rule.deliver()
        assert (first.answer(), second.answer()) == (1, 2)
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit, len(evidence.facts["frames"])) == (2, True, 1)


def test_a_topic_and_a_partition_are_selected(hold: Hold, lane: Lane) -> None:
    rule = hold("Produce(orders-2)")
    with lane.connect() as client, lane.connect() as other:
        assert client.ask(produce(1, partition=0)) == 1
        other.send(produce(2, partition=2))
        held = rule.wait_held(HELD_S)
        assert held
        assert held.correlation_id == 2


def test_a_refused_request_is_answered_and_does_not_reach_the_broker(
    hops: HopClient, events: EventStream, lane: Lane
) -> None:
    rule = StepRefuse(hops, events, lanes=[lane.name], step="EndTxn(commit)", n=2, error="NOT_COORDINATOR")
    rule.arm()
    with lane.connect() as client:
        assert [client.ask(end_txn(number)) for number in (1, 2, 3)] == [1, 2, 3]
        assert rule.wait_refused(HELD_S)
    assert [lane.broker.saw(number) for number in (1, 2, 3)] == [True, False, True]
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit, evidence.why) == (1, True, "")
    assert (evidence.facts["error"], evidence.facts["error_name"]) == ("16", "NOT_COORDINATOR")


def test_a_replaced_reply_is_of_a_request_that_reached_the_broker(
    hops: HopClient, events: EventStream, lane: Lane
) -> None:
    rule = StepReplace(hops, events, lanes=[lane.name], step="EndTxn", error=51)
    rule.arm()
    with lane.connect() as client:
        assert client.ask(end_txn(1)) == 1
        assert rule.wait_replaced(HELD_S)
    assert lane.broker.saw(1)
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.bit, evidence.facts["error_name"]) == (True, "CONCURRENT_TRANSACTIONS")


def test_an_error_for_a_request_that_never_came_is_no_bite(hops: HopClient, events: EventStream, lane: Lane) -> None:
    rule = StepRefuse(hops, events, lanes=[lane.name], step="EndTxn", n=2, error=16)
    rule.arm()
    with lane.connect() as client:
        assert client.ask(end_txn(1)) == 1
    assert rule.wait_refused(0) is None
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit) == (0, False)
    assert evidence.why == f"EndTxn 2 never came on {lane.name}: the step was seen 1 times"


def test_an_error_for_a_reply_that_never_came_is_no_bite(hops: HopClient, events: EventStream, lane: Lane) -> None:
    rule = StepReplace(hops, events, lanes=[lane.name], step="EndTxn", error=16)
    rule.arm()
    lane.broker.hang_up_at = END_TXN
    with lane.connect() as client:
        client.send(end_txn(1))
        assert becomes_of(client) == "closed"
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit) == (0, False)
    assert evidence.why == f"EndTxn 1 came on {lane.name}, but no reply to it did"


# -- delay -------------------------------------------------------------------------------------------------------


@pytest.fixture
def delay(hops: HopClient, events: EventStream, lane: Lane) -> Iterator[Callable[[str], StepDelay]]:
    made = []

    def make(step: str, n: int = 1) -> StepDelay:
        made.append(StepDelay(hops, events, id=f"delay-{next(_ids)}", lanes=[lane.name], step=step, n=n))
        made[-1].arm()
        return made[-1]

    yield make
    for rule in made:
        rule.disarm()


def test_a_delayed_request_arrives_after_its_retry(delay: Callable[..., StepDelay], lane: Lane) -> None:
    rule = delay("EndTxn(commit)", n=2)
    with lane.connect() as client, lane.connect() as again:
        assert client.ask(end_txn(1)) == 1
        client.send(end_txn(2))
        assert rule.wait_held(HELD_S)
        client.close()  # its patience is at an end
        assert again.ask(end_txn(3)) == 3
        assert rule.deliver_after_retry(HELD_S)
        assert lane.broker.wait_received(2)
        assert until(lambda: "answered_ns" in rule.evidence().facts)
    order = [received.correlation_id for received in lane.broker.received]
    assert order == [1, 3, 2]
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit, evidence.why) == (1, True, "")
    facts = evidence.facts
    assert (facts["correlation_id"], facts["retry"]["correlation_id"]) == (2, 3)
    assert facts["held_ns"] < facts["retry"]["answered_ns"] < facts["released_ns"]
    assert facts["released_ns"] - facts["answered_ns"] < 10**9


def test_a_delayed_request_without_a_retry_is_delivered_and_no_bite(
    delay: Callable[..., StepDelay], lane: Lane
) -> None:
    rule = delay("EndTxn(commit)")
    with lane.connect() as client:
        client.send(end_txn(1))
        assert rule.wait_held(HELD_S)
        assert not rule.deliver_after_retry(0.1)
        assert client.answer() == 1
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit) == (1, False)
    assert "no retry of EndTxn was answered" in evidence.why


@pytest.mark.parametrize(
    ("step", "held", "other"),
    [
        ("EndTxn(commit)", end_txn(1), end_txn(2, transactional_id="another")),
        ("EndTxn", end_txn(1), end_txn(2, commit=False)),
        ("Produce", produce(1, partition=0), produce(2, partition=1)),
    ],
)
def test_another_transaction_or_partition_is_no_retry(
    delay: Callable[..., StepDelay], lane: Lane, step: str, held: bytes, other: bytes
) -> None:
    rule = delay(step)
    with lane.connect() as client, lane.connect() as again:
        client.send(held)
        assert rule.wait_held(HELD_S)
        assert again.ask(other) == 2
        assert not rule.deliver_after_retry(SILENCE_S)
    assert not rule.evidence().bit


def test_a_delay_that_is_healed_first_ends_at_once(delay: Callable[..., StepDelay], lane: Lane) -> None:
    rule = delay("EndTxn(commit)")
    with lane.connect() as client:
        client.send(end_txn(1))
        assert rule.wait_held(HELD_S)
        threading.Timer(0.2, rule.disarm).start()
        began = time.monotonic()
        assert not rule.deliver_after_retry(30)
        assert time.monotonic() - began < 3
        assert client.answer() == 1
    assert not rule.evidence().bit


def test_a_delay_that_never_comes(delay: Callable[..., StepDelay], lane: Lane) -> None:
    rule = delay("EndTxn(commit)", n=2)
    assert not rule.deliver_after_retry(0)
    rule.disarm()
    evidence = rule.evidence()
    assert (evidence.fired, evidence.bit) == (0, False)
    assert f"EndTxn(commit) 2 never came on {lane.name}: the step was seen 0 times" in evidence.why
