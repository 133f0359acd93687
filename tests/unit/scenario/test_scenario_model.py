"""What a file says is what the rest of the tool reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from harness.model import Anomaly, Quantifier
from harness.scenario import (
    AfterSeconds,
    AllOf,
    AppTarget,
    AtStep,
    BrokerTarget,
    Crash,
    Delay,
    Fault,
    Hold,
    Latency,
    Lose,
    Partition,
    Pause,
    Refuse,
    Stop,
    parse,
)
from harness.scenario.faults import FaultEntry, Reset
from tests.unit.scenario.texts import FILE, WITH_SERVICES, mistakes, scenario, text

FAULT: TypeAdapter[Fault] = TypeAdapter(FaultEntry)


def the_fault(entry: str) -> Fault:
    (fault,) = scenario(faults=f"[{entry}]").faults
    return fault


def test_an_app_has_the_values_of_its_kind_and_nothing_else() -> None:
    apps = scenario(
        apps="""
  producer: {is: producer, to: orders, records: 100}
  processor:
    {is: processor, client: confluent-kafka, instances: 2, from: orders, to: invoices, batch_wait: 500ms,
     producer: {linger.ms: 50}}
  sink: {is: sink, from: invoices, to: invoices_seen, write: upsert}"""
    ).apps
    producer, processor, sink = apps.values()
    assert (producer.source, producer.target, producer.records, producer.keys) == (None, "orders", 100, 10)
    assert (producer.commit, producer.write) == (None, None)
    assert (processor.client, processor.instances, processor.batch_wait_s) == ("confluent-kafka", 2, 0.5)
    assert (processor.commit, processor.producer) == ("after_write", {"linger.ms": 50})
    assert (processor.records, processor.write) == (0, None)
    assert (sink.kind, sink.write, sink.source, sink.target) == ("sink", "upsert", "invoices", "invoices_seen")


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ("{crash: processor, at: before commit 3, restart_after: 1s}", "crash processor before commit 3"),
        ("{crash: processor#1, at: 1.5s}", "crash processor#1 at 1.5s"),
        ("{crash: broker 2, at: before commit 3 of sink}", "crash broker 2 before commit 3 of sink"),
        ("{crash: sink, at: after Produce 1 of producer}", "crash sink after Produce 1 of producer"),
        ("{crash: sink, at: before commit 3 of sink}", "crash sink before commit 3"),
        ("{stop: sink, at: 100 acked by producer}", "stop sink at 100 acked by producer"),
        ("{pause: broker 1, at: 2m, for: 1s}", "pause broker 1 at 2m"),
        ("{partition: [sink, brokers], at: 5s, for: 1s}", "partition sink and brokers at 5s"),
        (
            "{partition: [broker 1, broker 2], way: forward, at: 5s, for: 1s}",
            "partition broker 1 and broker 2 forward at 5s",
        ),
        ("{latency: sink, delay: 80ms, at: 500ms, for: 1s}", "latency sink at 500ms"),
        (
            "{latency: [leader of orders-0, [broker 1, broker 2]], delay: 100ms, at: 5s, for: 1s}",
            "latency leader of orders-0 and broker 1 + broker 2 at 5s",
        ),
        ("{hold: sink, at: before Fetch 5, for: 1s}", "hold sink before Fetch 5"),
        ("{lose: processor, at: after Produce 3}", "lose processor after Produce 3"),
        ("{delay: processor, at: before Produce 3}", "delay processor before Produce 3"),
        (
            "{refuse: processor, at: before commit 3, error: NOT_COORDINATOR, times: 2}",
            "refuse processor with NOT_COORDINATOR before commit 3, 2 times",
        ),
        ("{replace: sink, at: after COMMIT 2, error: 40001}", "replace sink with 40001 after COMMIT 2"),
        ("{lose: sink, at: before Fetch 3, times: all}", "lose sink before Fetch 3, all times"),
        ("{crash: quorum leader, at: before commit 3 of sink}", "crash quorum leader before commit 3 of sink"),
        ("{crash: database, at: before COMMIT 3 of sink}", "crash database before COMMIT 3 of sink"),
        ("{hold: broker 1, at: before WriteTxnMarkers 1, for: 1s}", "hold broker 1 before WriteTxnMarkers 1"),
        (
            "{partition: [[broker 1, broker 2], rest], at: 5s, for: 1s}",
            "partition broker 1 + broker 2 and rest at 5s",
        ),
        ("{pause: sink, at: before commit 1, until: 60 acked by processor}", "pause sink before commit 1"),
    ],
)
def test_a_fault_is_named_in_one_line(entry: str, label: str) -> None:
    assert the_fault(entry).label == label


def test_faults_as_the_conductor_reads_them() -> None:
    held = the_fault("{crash: processor, at: before commit 3, then: deliver}")
    assert isinstance(held, Crash)
    assert (held.at, held.then) == (AtStep("before", "commit", 3, AppTarget("processor")), "deliver")
    crash = the_fault("{crash: processor#1, at: 5s, restart_after: 500ms}")
    assert isinstance(crash, Crash)
    assert (crash.target, crash.at, crash.restart_after_s) == (AppTarget("processor", 1), AfterSeconds(5.0), 0.5)
    stop = the_fault("{stop: broker 3, at: 5s}")
    assert isinstance(stop, Stop)
    assert (stop.target, stop.restart_after_s) == (BrokerTarget(3), None)
    pause = the_fault("{pause: sink, at: 5s, for: 2m}")
    assert isinstance(pause, Pause)
    assert pause.for_s == 120.0
    partition = the_fault("{partition: [broker 1, sink], way: backward, at: 5s, for: 1s}")
    assert isinstance(partition, Partition)
    assert (partition.between, partition.way, partition.how) == (
        ((BrokerTarget(1),), (AppTarget("sink"),)),
        "backward",
        "withhold",
    )
    latency = the_fault("{latency: sink, delay: 80ms, jitter: 20ms, at: 5s, for: 1s}")
    assert isinstance(latency, Latency)
    assert (latency.delay_ms, latency.jitter_ms, latency.between) == (80, 20, None)
    reset = the_fault("{reset: [broker 1, brokers], at: 5s, for: 1s}")
    assert isinstance(reset, Reset)
    assert reset.between == ((BrokerTarget(1),), (AllOf("brokers"),))
    assert reset.ends == (BrokerTarget(1), AllOf("brokers"))
    hold = the_fault("{hold: sink, at: before Fetch 5, for: 1s, then: drop}")
    assert isinstance(hold, Hold)
    assert (hold.at, hold.then) == (AtStep("before", "Fetch", 5, AppTarget("sink")), "drop")
    lose = the_fault("{lose: processor, at: after commit 3, connection: open}")
    assert isinstance(lose, Lose)
    assert lose.connection == "open"
    delay = the_fault("{delay: processor, at: before Produce 3}")
    assert isinstance(delay, Delay)
    assert delay.for_s == 30.0


targets = st.sampled_from(["processor", "sink", "processor#1", "sink#1", "broker 1", "broker 3"])
whens = st.sampled_from(["at 5s", "at 90s", "at 500ms", "at 7 acked by producer", "before Fetch 2 of sink"])


@given(st.sampled_from(["crash", "stop", "pause"]), targets, whens)
def test_a_label_says_all_that_is_needed_to_write_the_fault_again(kind: str, target: str, when: str) -> None:
    more: dict[str, Any] = {"for": "1s"} if kind == "pause" else {}
    fault = FAULT.validate_python({kind: target, "at": when.removeprefix("at "), **more})
    again, _, at = fault.label.removeprefix(f"{kind} {target}").partition(" ")
    assert again == ""
    at = at.removeprefix("at ")
    assert FAULT.validate_python({kind: target, "at": at, **more}) == fault


def test_a_reply_can_be_delivered_to_an_app_that_lives() -> None:
    for entry in (
        "{crash: broker 1, at: after Produce 4 of processor, then: deliver}",
        "{crash: sink, at: after commit 3 of processor, then: deliver}",
        "{crash: sink, at: before commit 3, then: deliver}",
    ):
        fault = the_fault(entry)
        assert isinstance(fault, Crash)
        assert fault.then == "deliver"
    ((_, _, message),) = mistakes(faults="[{crash: sink#1, at: after commit 3 of sink, then: deliver}]")
    assert message == "faults[0].then: a reply cannot be delivered to a process that is dead"


def test_expectations_keep_their_own_words() -> None:
    (expect,) = scenario(
        matrix="{write: {insert: {apps.sink.write: insert}, upsert: {apps.sink.write: upsert}}}",
        expect="[{in: [orders, invoices], cell: {write: insert}, losses: none, G1a: any, "
        "cause: several producers sent it}]",
    ).expect
    assert expect.places == ("orders", "invoices")
    assert expect.cell == {"write": ("insert",)}
    assert expect.wanted == {"losses": Quantifier.NONE, Anomaly.G1A: Quantifier.ANY}
    assert expect.cause == "several producers sent it"
    assert expect.text == (
        "{in: [orders, invoices], cell: {write: insert}, losses: none, G1a: any, cause: several producers sent it}"
    )


@pytest.mark.parametrize(
    ("before", "question"),
    [
        ("# Is it lost?\n", "Is it lost?"),
        ("# Is it\n# lost?\n\n# not this\n", "Is it lost?"),
        ("\ufeff# Is it lost?\n", "Is it lost?"),
        ("# yaml-language-server: $schema=x\n# Is it lost?\n", "Is it lost?"),
        ("", ""),
    ],
)
def test_the_first_comment_is_the_question(before: str, question: str) -> None:
    found = parse(before + text() + "# not this either\n", FILE)
    assert (found.question, found.file) == (question, FILE)


def test_line_ends_of_other_systems_make_no_difference() -> None:
    assert parse(text().replace("\n", "\r\n"), FILE) == parse(text(), FILE)


def test_a_link_goes_between_an_app_and_brokers_or_between_two_brokers() -> None:
    for between in ("[sink, brokers]", "[broker 1, sink]", "[broker 1, broker 2]", "[broker 1, brokers]"):
        assert mistakes(faults=f"[{{partition: {between}, at: 5s, for: 1s}}]") == []
    for between, told in {
        "[sink, processor]": "there is no link between sink and processor",
        "[sink, sink]": "sink is on both sides",
        "[broker 1, broker 1]": "broker 1 is on both sides",
        "[brokers, brokers]": "there is no link between brokers and brokers",
    }.items():
        ((_, _, message),) = mistakes(faults=f"[{{partition: {between}, at: 5s, for: 1s}}]")
        assert message == told


def test_several_producers_may_share_a_topic() -> None:
    more = """
  first: {is: producer, to: orders}
  second: {is: producer, to: orders}"""
    assert set(scenario(topics="{orders: {}}", tables="{}", apps=more).apps) == {"first", "second"}


def test_apps_write_places_outside_kafka() -> None:
    found = scenario(**WITH_SERVICES)
    processor, caller, mailer, sink = (found.apps[name] for name in ("processor", "caller", "mailer", "sink"))
    assert (processor.writes, processor.idempotency_key) == (("invoices", "billing"), True)
    assert (processor.group_metadata, caller.group_metadata) == ("at_poll", None)
    assert (caller.writes, caller.write, caller.idempotency_key) == (("audit",), None, False)
    assert (mailer.writes, mailer.write, sink.write) == (("outbox",), None, "insert")
    assert found.services["billing"].idempotency
    assert not found.services["audit"].idempotency
    restart = processor.restart
    assert restart is not None
    assert (restart.policy, restart.delay_s, restart.most) == ("always", 0.5, 3)
    assert (found.apps["producer"].resume, sink.restart) == ("transaction", None)


@pytest.mark.parametrize(
    ("fault", "own"),
    [
        ("{crash: processor, at: before commit 3}", True),
        ("{pause: processor#2, at: before commit 3, until: 40 acked by processor#1}", True),
        ("{partition: [processor, brokers], at: 5s, for: 1s}", True),
        ("{partition: [[processor, sink], rest], at: 5s, for: 1s}", True),
        ("{partition: [sink, database], at: 5s, for: 1s}", True),
        ("{refuse: processor, at: before POST 3, error: 503}", True),
        ("{partition: [broker 1, rest], at: 5s, for: 1s}", False),
        ("{partition: [[processor, broker 1], broker 2], at: 5s, for: 1s}", False),
        ("{crash: processor, at: before WriteTxnMarkers 1 of broker 1}", False),
        ("{hold: broker 1, at: before WriteTxnMarkers 1, for: 1s}", False),
        ("{latency: processor, delay: 10ms, at: 5s, for: 1s}", False),
        ("{slicing: [broker 1, broker 2], at: 5s, for: 1s}", False),
        ("{crash: database, at: 5s}", False),
        ("{crash: service billing, at: 5s}", False),
        ("{crash: coordinator of group processor, at: 5s}", False),
    ],
)
def test_what_nobody_else_can_notice(fault: str, own: bool) -> None:
    (found,) = scenario(**WITH_SERVICES, faults=f"[{fault}]").faults
    assert found.own_lanes_only is own


def test_an_error_is_known_by_its_name_and_by_its_code() -> None:
    for error, step, code in (
        ("NOT_COORDINATOR", "commit 3", "16"),
        ("16", "commit 3", "16"),
        ("serialization_failure", "COMMIT 3 of sink", "40001"),
        ("40P01", "COMMIT 3 of sink", "40P01"),
        ("503", "POST 3 of processor", "503"),
        ("451", "DATA 3 of mailer", "451"),
    ):
        target = step.partition(" of ")[2] or "processor"
        entry = f"{{refuse: {target}, at: before {step}, error: {error}}}"
        (found,) = scenario(**WITH_SERVICES, faults=f"[{entry}]").faults
        assert isinstance(found, Refuse)
        assert found.code == code


def test_faults_may_wait_for_each_other_in_any_order() -> None:
    faults = """
  - {name: second, crash: sink, at: 1s after first is over, restart_after: 1s}
  - {name: first, pause: processor, at: before commit 2, until: once third, for: 5s}
  - {name: third, crash: producer, at: once first, restart_after: 1s}"""
    assert mistakes(faults=faults) == []
