"""The small texts of a scenario: what they mean, and that what is printed can be read again."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from harness.scenario import (
    Acked,
    AfterFault,
    AfterSeconds,
    AllOf,
    AppTarget,
    AtStep,
    BrokerTarget,
    RoleTarget,
    ServerTarget,
    Target,
    Trigger,
)
from harness.scenario.steps import KNOWN_STEPS
from harness.scenario.targets import BROKERS, RESERVED, parse_actor, parse_end, parse_side, parse_target
from harness.scenario.triggers import parse_at_step, parse_trigger
from harness.scenario.words import (
    COUNT_MAX,
    DURATION_S_MAX,
    NAME_PATTERN,
    did_you_mean,
    duration_text,
    parse_duration,
    parse_milliseconds,
    shown,
)

names = st.from_regex(re.compile(f"^{NAME_PATTERN}$", re.ASCII), fullmatch=True)
counts = st.integers(1, COUNT_MAX)
instances = st.none() | st.integers(0, 999)
milliseconds = st.integers(0, int(DURATION_S_MAX * 1000))
app_targets = st.builds(AppTarget, names.filter(lambda name: name not in RESERVED), instances)
broker_targets = st.sampled_from(BROKERS).map(BrokerTarget)
roles = (
    st.builds(RoleTarget, st.just("leader"), names, st.integers(0, 999))
    | st.builds(RoleTarget, st.sampled_from(["group coordinator", "transaction coordinator"]), names)
    | st.just(RoleTarget("quorum leader"))
)
servers = st.builds(ServerTarget, st.sampled_from(["service", "mailbox"]), names) | st.just(ServerTarget("database"))
targets = app_targets | broker_targets | roles | servers
selected = st.builds("Produce({}-{})".format, names, st.integers(0, 999)) | st.builds(
    "EndTxn({}, {})".format, st.sampled_from(["commit", "abort"]), names
)
at_steps = st.builds(
    AtStep,
    st.sampled_from(["before", "after"]),
    st.sampled_from(KNOWN_STEPS) | selected,
    counts,
    st.none() | app_targets | broker_targets | st.just(AllOf("brokers")),
)
after_faults = st.builds(AfterFault, names, milliseconds.map(lambda n: n / 1000), st.booleans())


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("5s", AfterSeconds(5.0)),
        ("500ms", AfterSeconds(0.5)),
        ("1.5m", AfterSeconds(90.0)),
        ("0s", AfterSeconds(0.0)),
        ("100 acked by producer", Acked(100, "producer")),
        ("100 acked by processor#2", Acked(100, "processor", 2)),
        ("before commit 3", AtStep("before", "commit", 3)),
        ("after EndTxn(abort) 2 of processor", AtStep("after", "EndTxn(abort)", 2, AppTarget("processor"))),
        (
            "before Produce(orders-0) 4 of producer#2",
            AtStep("before", "Produce(orders-0)", 4, AppTarget("producer", 2)),
        ),
        ("before EndTxn(commit,  p-1) 2", AtStep("before", "EndTxn(commit, p-1)", 2)),
        ("after WriteTxnMarkers 1 of broker 1", AtStep("after", "WriteTxnMarkers", 1, BrokerTarget(1))),
        ("before Vote 1 of brokers", AtStep("before", "Vote", 1, AllOf("brokers"))),
        ("after COMMIT 2 of sink", AtStep("after", "COMMIT", 2, AppTarget("sink"))),
        ("before POST(/billing) 5", AtStep("before", "POST(/billing)", 5)),
        ("once cut", AfterFault("cut")),
        ("once cut is over", AfterFault("cut", over=True)),
        ("500ms after cut", AfterFault("cut", 0.5)),
        ("2s after cut is over", AfterFault("cut", 2.0, over=True)),
    ],
)
def test_a_trigger(text: str, means: Trigger) -> None:
    assert parse_trigger(text) == means


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "-5s",
        "5 s",
        "5s ",
        "5h",
        "1e3s",
        "٣s",
        "before commit",
        "before  commit 3",
        "during commit 3",
        "before commit 3 of",
        "before commit 3 of a b",
        "before Commit 3",
        "before Produce() 3",
        "before Produce(orders 3",
        "before EndTxn(comit) 3",
        "before EndTxn(commit, a, b) 3",
        "before Fetch(orders) 3",
        "before POST(charges) 3",
        "before commit 3 of database",
        "before commit 3 of leader of orders-0",
        "100 acked",
        "100 acked by",
        "0 acked by producer",
        "before commit 0",
        "before commit 99999999",
        "61m",
        "once",
        "once cut was over",
        "61m after cut",
        "after cut",
    ],
)
def test_no_trigger(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        parse_trigger(text)


@given(milliseconds.map(lambda n: n / 1000))
def test_a_duration_that_is_printed_is_read_again(seconds: float) -> None:
    assert parse_duration(duration_text(seconds)) == pytest.approx(seconds, abs=1e-9)


@given(milliseconds.map(lambda n: AfterSeconds(n / 1000)) | st.builds(Acked, counts, names, instances) | after_faults)
def test_a_trigger_that_is_printed_is_read_again(trigger: Trigger) -> None:
    again = parse_trigger(str(trigger).removeprefix("at "))
    if isinstance(trigger, AfterSeconds | AfterFault) and isinstance(again, AfterSeconds | AfterFault):
        assert again.seconds == pytest.approx(trigger.seconds, abs=1e-9)
        assert replace(again, seconds=trigger.seconds) == trigger
    else:
        assert again == trigger


@given(at_steps)
def test_a_step_that_is_printed_is_read_again(step: AtStep) -> None:
    whose = f" of {step.actor}" if step.actor else ""
    assert parse_trigger(f"{step}{whose}") == parse_at_step(f"{step}{whose}") == step


@given(targets)
def test_a_target_that_is_printed_is_read_again(target: Target) -> None:
    assert parse_target(str(target)) == parse_end(str(target)) == target


@pytest.mark.parametrize(
    "text",
    [
        "broker 0",
        "broker 4",
        "broker",
        "broker 1 ",
        "processor#",
        "processor#x",
        "a.b",
        "",
        "brokers",
        "rest",
        "leader of orders",
        "leader of orders-",
        "coordinator of processor",
        "coordinator of group",
        "service",
        "database 1",
    ],
)
def test_no_target(text: str) -> None:
    if text in ("broker", "service"):  # an app may be called so
        assert parse_target(text) == AppTarget(text)
        return
    with pytest.raises(PydanticCustomError):
        parse_target(text)


def test_a_side_is_an_end_or_a_list_of_them() -> None:
    assert parse_side("rest") == (AllOf("rest"),)
    assert parse_side(["broker 1", "quorum leader"]) == (BrokerTarget(1), RoleTarget("quorum leader"))
    with pytest.raises(PydanticCustomError, match="nobody's side"):
        parse_side([])


@pytest.mark.parametrize("text", ["quorum leader", "database", "service billing", "services", "rest"])
def test_who_takes_no_steps(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="takes no steps"):
        parse_actor(text)


def test_a_time_is_no_step() -> None:
    with pytest.raises(PydanticCustomError, match="names no step"):
        parse_at_step("5s")


def test_a_link_cannot_be_slowed_by_more_than_a_minute() -> None:
    assert parse_milliseconds("1m") == 60_000
    with pytest.raises(PydanticCustomError, match="longer than a minute"):
        parse_milliseconds("60.001s")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_whatever_is_quoted_fits_on_one_short_line(value: object) -> None:
    quoted = shown(value)
    assert len(quoted.splitlines()) <= 1
    assert len(quoted) <= 620  # 60 characters, each escaped


def test_only_a_near_word_is_suggested() -> None:
    assert did_you_mean("procesor", ["producer", "processor"]) == "did you mean 'processor'?"
    assert did_you_mean("xyz", ["producer", "processor"]) == ""
