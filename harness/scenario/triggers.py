"""When a fault acts and whom it hits: the small texts inside a scenario, parsed to typed objects.

::

    duration  5s   500ms   2m
    trigger   5s   100 acked by producer   before commit 3   after EndTxn(abort) 2 of processor
    target    processor   processor#2   broker 1
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from harness.scenario.steps import KNOWN_STEPS

BROKERS = (1, 2, 3)
"""The nodes of a cluster."""

NAME_PATTERN = r"[A-Za-z][A-Za-z0-9_-]{0,39}"
"""Of apps, topics, tables and axes: safe as a folder, topic and group. No dots: matrix paths have them."""

DURATION_S_MAX = 3600.0
LATENCY_S_MAX = 60.0
COUNT_MAX = 10_000_000

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_ACKED = re.compile(rf"(\d{{1,9}}) acked by ({NAME_PATTERN})", re.ASCII)
_AT_STEP = re.compile(rf"(before|after) (\S+) (\d{{1,9}})(?: of ({NAME_PATTERN}))?", re.ASCII)
_APP_TARGET = re.compile(rf"({NAME_PATTERN})(?:#(\d{{1,3}}))?", re.ASCII)
_BROKER_TARGET = re.compile(r"broker (\d{1,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AfterSeconds:
    """So long after the load began."""

    seconds: float

    def __str__(self) -> str:
        return f"at {duration_text(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Acked:
    """As soon as so many records of a producer are acknowledged, by its ledger."""

    count: int
    app: str

    def __str__(self) -> str:
        return f"at {self.count} acked by {self.app}"


@dataclass(frozen=True, slots=True)
class AtStep:
    """While the n-th request of a step (`before`), or its reply (`after`), is held.

    Args:
        n: From 1, counted over all instances and incarnations of `app`, retries included.
        app: Whose step it is; where the text does not say `of APP`, the fault's own target. None only until
            the fault that holds the trigger has filled it in.
    """

    when: Literal["before", "after"]
    step: str
    n: int
    app: str | None = None

    def __str__(self) -> str:
        return f"{self.when} {self.step} {self.n}"


Trigger: TypeAlias = AfterSeconds | Acked | AtStep


@dataclass(frozen=True, slots=True)
class AppTarget:
    """An app, or one instance of it (from 1)."""

    app: str
    instance: int | None = None

    def __str__(self) -> str:
        return self.app if self.instance is None else f"{self.app}#{self.instance}"


@dataclass(frozen=True, slots=True)
class BrokerTarget:
    """One broker of the cluster, by its node id."""

    node: int

    def __str__(self) -> str:
        return f"broker {self.node}"


Target: TypeAlias = AppTarget | BrokerTarget
End: TypeAlias = AppTarget | BrokerTarget | Literal["brokers"]
"""One end of a link that is cut; `brokers` is all of them."""


def refusal(message: str, hint: str = "", key: str = "") -> PydanticCustomError:
    """An error that pydantic carries through unchanged.

    Args:
        hint: What to do now.
        key: The key it is about, when a check of several keys found it.
    """
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint, "key": key})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or nothing when no known word is near."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def join_hints(*hints: str) -> str:
    """Several hints on one line, the empty ones left out."""
    return "  ".join(hint for hint in hints if hint)


def duration_text(seconds: float) -> str:
    """The shortest text that parses back to `seconds`."""
    if seconds >= 60 and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:.10g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:.10g}ms"


def parse_duration(value: object) -> float:
    """Seconds from `1s`, `500ms` or `2m`; at most an hour.

    Raises:
        PydanticCustomError: It is not such a text.
    """
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        missing_unit = isinstance(value, int | float) and not isinstance(value, bool)
        hint = f"write {value}s or {value}ms" if missing_unit else "write it like 1s, 500ms or 2m"
        raise refusal(f"{shown(value)} is not a duration", hint)
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds > DURATION_S_MAX:
        raise refusal(f"{shown(value)} is longer than an hour", f"the longest duration is {DURATION_S_MAX:g}s")
    return seconds


def parse_milliseconds(value: object) -> int:
    """Whole milliseconds from a duration of at most a minute: what a link can be slowed by."""
    seconds = parse_duration(value)
    if seconds > LATENCY_S_MAX:
        raise refusal(f"{shown(value)} is longer than a minute", f"the longest delay is {LATENCY_S_MAX:g}s")
    return round(seconds * 1000)


def parse_trigger(value: object) -> Trigger:
    """The trigger that a text like `before commit 3 of processor` describes.

    Raises:
        PydanticCustomError: It is none.
    """
    text = value if isinstance(value, str) else ""
    if found := _ACKED.fullmatch(text):
        return Acked(_count(found[1]), found[2])
    if found := _AT_STEP.fullmatch(text):
        when: Literal["before", "after"] = "before" if found[1] == "before" else "after"
        return AtStep(when, _known_step(found[2]), _count(found[3]), found[4])
    if _DURATION.fullmatch(text):
        return AfterSeconds(parse_duration(text))
    raise refusal(
        f"{shown(value)} is not a trigger",
        "write one of: 5s · 100 acked by APP · before STEP N · after STEP N of APP",
    )


def parse_at_step(value: object) -> AtStep:
    """As `parse_trigger`, for faults that are about one frame."""
    trigger = parse_trigger(value)
    if isinstance(trigger, AtStep):
        return trigger
    raise refusal(f"{shown(value)} names no step", "write before STEP N or after STEP N")


def parse_target(value: object) -> Target:
    """The target that a text like `processor#2` or `broker 1` describes.

    Raises:
        PydanticCustomError: It is none.
    """
    text = value if isinstance(value, str) else ""
    if found := _BROKER_TARGET.fullmatch(text):
        node = int(found[1])
        if node not in BROKERS:
            raise refusal(f"there is no broker {node}", f"brokers: {', '.join(map(str, BROKERS))}")
        return BrokerTarget(node)
    if (found := _APP_TARGET.fullmatch(text)) and text != "brokers":
        return AppTarget(found[1], int(found[2]) if found[2] else None)
    raise refusal(f"{shown(value)} is not a target", "write one of: APP · APP#INSTANCE · broker NODE")


def parse_app_target(value: object) -> AppTarget:
    """As `parse_target`, for faults that only an app can suffer."""
    target = parse_target(value)
    if isinstance(target, AppTarget):
        return target
    raise refusal(f"{shown(value)} is not an app", "write APP or APP#INSTANCE")


def parse_end(value: object) -> End:
    """As `parse_target`, and `brokers` for all of them."""
    return "brokers" if value == "brokers" else parse_target(value)


def pair(value: object) -> tuple[object, object]:
    """Both entries of a list of two.

    Raises:
        PydanticCustomError: It is none.
    """
    if isinstance(value, list) and len(value) == 2:
        return value[0], value[1]
    raise refusal(f"{shown(value)} does not name two ends", "write [APP, brokers] or [broker 1, broker 2]")


def shown(value: object) -> str:
    """A value of the file as a message quotes it, on one line and never long."""
    if isinstance(value, str):
        text = value if len(value) <= 60 else value[:57] + "..."
        return repr(text)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:60]


def _count(digits: str) -> int:
    count = int(digits)
    if not 1 <= count <= COUNT_MAX:
        raise refusal(f"{digits} is not a count", f"counts go from 1 to {COUNT_MAX}")
    return count


def _known_step(step: str) -> str:
    if step not in KNOWN_STEPS:
        raise refusal(
            f"unknown step {shown(step)}",
            join_hints(did_you_mean(step, KNOWN_STEPS), f"steps: {', '.join(KNOWN_STEPS)}"),
        )
    return step


def _text(pattern: str, *examples: str) -> Any:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", "examples": list(examples)})


_APP_PATTERN = rf"{NAME_PATTERN}(?:#\d+)?"
_TARGET_PATTERN = rf"broker \d+|{_APP_PATTERN}"
_STEP_PATTERN = _AT_STEP.pattern.replace(r"\S+", "|".join(re.escape(step) for step in KNOWN_STEPS))
_DURATIONS = _text(_DURATION.pattern, "500ms", "1s", "2m")

Duration = Annotated[float, PlainValidator(parse_duration), _DURATIONS]
Milliseconds = Annotated[int, PlainValidator(parse_milliseconds), _DURATIONS]
TriggerText = Annotated[
    Trigger,
    PlainValidator(parse_trigger),
    _text(
        rf"{_DURATION.pattern}|{_ACKED.pattern}|{_STEP_PATTERN}",
        "5s",
        "100 acked by APP",
        "before STEP N",
        "after STEP N of APP",
    ),
]
StepText = Annotated[
    AtStep, PlainValidator(parse_at_step), _text(_STEP_PATTERN, "before STEP N", "after STEP N of APP")
]
TargetText = Annotated[
    Target, PlainValidator(parse_target), _text(_TARGET_PATTERN, "APP", "APP#INSTANCE", "broker NODE")
]
AppText = Annotated[AppTarget, PlainValidator(parse_app_target), _text(_APP_PATTERN, "APP", "APP#INSTANCE")]
EndText = Annotated[
    End,
    PlainValidator(parse_end),
    _text(_TARGET_PATTERN, "APP", "APP#INSTANCE", "broker NODE", "brokers"),
]
