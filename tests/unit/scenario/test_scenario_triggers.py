"""The small texts of a scenario: what they mean, and that what is printed can be read again."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from harness.scenario import Acked, AfterSeconds, AppTarget, AtStep, BrokerTarget, Trigger
from harness.scenario.steps import KNOWN_STEPS
from harness.scenario.triggers import (
    BROKERS,
    COUNT_MAX,
    DURATION_S_MAX,
    NAME_PATTERN,
    did_you_mean,
    duration_text,
    parse_app_target,
    parse_at_step,
    parse_duration,
    parse_end,
    parse_milliseconds,
    parse_target,
    parse_trigger,
    shown,
)

names = st.from_regex(re.compile(f"^{NAME_PATTERN}$", re.ASCII), fullmatch=True)
counts = st.integers(1, COUNT_MAX)
milliseconds = st.integers(0, int(DURATION_S_MAX * 1000))
at_steps = st.builds(
    AtStep, st.sampled_from(["before", "after"]), st.sampled_from(KNOWN_STEPS), counts, st.none() | names
)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("5s", AfterSeconds(5.0)),
        ("500ms", AfterSeconds(0.5)),
        ("1.5m", AfterSeconds(90.0)),
        ("0s", AfterSeconds(0.0)),
        ("100 acked by producer", Acked(100, "producer")),
        ("before commit 3", AtStep("before", "commit", 3)),
        ("after EndTxn(abort) 2 of processor", AtStep("after", "EndTxn(abort)", 2, "processor")),
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
        "before COMMIT 3",
        "100 acked",
        "100 acked by",
        "0 acked by producer",
        "before commit 0",
        "before commit 99999999",
        "61m",
    ],
)
def test_no_trigger(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        parse_trigger(text)


@given(milliseconds.map(lambda n: n / 1000))
def test_a_duration_that_is_printed_is_read_again(seconds: float) -> None:
    assert parse_duration(duration_text(seconds)) == pytest.approx(seconds, abs=1e-9)


@given(milliseconds.map(lambda n: AfterSeconds(n / 1000)) | st.builds(Acked, counts, names))
def test_a_trigger_that_is_printed_is_read_again(trigger: AfterSeconds | Acked) -> None:
    again = parse_trigger(str(trigger).removeprefix("at "))
    if isinstance(trigger, Acked):
        assert again == trigger
    else:
        assert isinstance(again, AfterSeconds)
        assert again.seconds == pytest.approx(trigger.seconds, abs=1e-9)


@given(at_steps)
def test_a_step_that_is_printed_is_read_again(step: AtStep) -> None:
    whose = f" of {step.app}" if step.app else ""
    assert parse_trigger(f"{step}{whose}") == parse_at_step(f"{step}{whose}") == step


@given(st.builds(AppTarget, names, st.none() | st.integers(0, 999)) | st.sampled_from(BROKERS).map(BrokerTarget))
def test_a_target_that_is_printed_is_read_again(target: AppTarget | BrokerTarget) -> None:
    if target == AppTarget("brokers"):
        assert parse_end(str(target)) == "brokers"
    else:
        assert parse_target(str(target)) == parse_end(str(target)) == target


@pytest.mark.parametrize(
    "text", ["broker 0", "broker 4", "broker", "broker 1 ", "processor#", "processor#x", "a.b", ""]
)
def test_no_target(text: str) -> None:
    if text == "broker":  # an app may be called so
        assert parse_target(text) == AppTarget("broker")
        return
    with pytest.raises(PydanticCustomError):
        parse_target(text)


def test_a_broker_is_no_app() -> None:
    with pytest.raises(PydanticCustomError, match="is not an app"):
        parse_app_target("broker 1")


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
