"""When a fault acts, or ends: the small texts of `at` and `until`, parsed to typed objects.

::

    a while after the load began     5s
    acknowledgements                 100 acked by producer      100 acked by producer#2
    a step                           before commit 3            after EndTxn(abort) 2 of processor
    another fault                    once cut                   2s after cut
    … or its end                     once cut is over           2s after cut is over
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainValidator

from harness.scenario.steps import STEP_PATTERN, parse_step
from harness.scenario.targets import ACTOR_PATTERN, APP_PATTERN, Actor, AppTarget, parse_actor
from harness.scenario.words import DURATION, NAME_PATTERN, duration_text, parse_count, parse_duration, refusal, shown
from harness.scenario.words import text_schema as _text

_ACKED = re.compile(rf"(\d{{1,9}}) acked by ({NAME_PATTERN})(?:#(\d{{1,3}}))?", re.ASCII)
_AT_STEP = re.compile(r"(before|after) ([^\s()]+(?:\([^()]*\))?) (\d{1,9})(?: of (\S.*))?", re.ASCII)
_AFTER_FAULT = re.compile(rf"(?:once|({DURATION.pattern}) after) ({NAME_PATTERN})( is over)?", re.ASCII)

_EXAMPLES = (
    "5s",
    "100 acked by APP",
    "before STEP N",
    "after STEP N of APP",
    "once FAULT",
    "once FAULT is over",
    "2s after FAULT",
)


@dataclass(frozen=True, slots=True)
class AfterSeconds:
    """So long after the load began."""

    seconds: float

    def __str__(self) -> str:
        return f"at {duration_text(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Acked:
    """As soon as so many records of an app, or of one instance, are acknowledged, by its ledger."""

    count: int
    app: str
    instance: int | None = None

    @property
    def target(self) -> AppTarget:
        return AppTarget(self.app, self.instance)

    def __str__(self) -> str:
        return f"at {self.count} acked by {self.target}"


@dataclass(frozen=True, slots=True)
class AtStep:
    """While the n-th request of a step (`before`), or its reply (`after`), is held; in `until`, once it has passed.

    Args:
        step: `commit`, `Produce(orders-0)`, `EndTxn(abort)`; places and transactional ids by their logical names.
        n: From 1, counted over all connections and incarnations of `actor`, retries included.
        actor: Who takes the step; where the text does not say `of …`, the fault's own target. None only until the
            fault that holds the trigger has filled it in.
    """

    when: Literal["before", "after"]
    step: str
    n: int
    actor: Actor | None = None

    def __str__(self) -> str:
        return f"{self.when} {self.step} {self.n}"


@dataclass(frozen=True, slots=True)
class AfterFault:
    """Once the fault of this name has acted, or is over, or so long after that.

    A fault that lasts acts when it is injected and is over when it has ended; one that does not is over at once.
    """

    fault: str
    seconds: float = 0.0
    over: bool = False

    def __str__(self) -> str:
        begins = f"{duration_text(self.seconds)} after" if self.seconds else "once"
        return f"{begins} {self.fault}{' is over' if self.over else ''}"


Trigger: TypeAlias = AfterSeconds | Acked | AtStep | AfterFault


def parse_trigger(value: object) -> Trigger:
    """The trigger that a text like `before commit 3 of processor` describes.

    Raises:
        PydanticCustomError: It is none.
    """
    text = value if isinstance(value, str) else ""
    if found := _ACKED.fullmatch(text):
        return Acked(parse_count(found[1]), found[2], int(found[3]) if found[3] else None)
    if found := _AT_STEP.fullmatch(text):
        when: Literal["before", "after"] = "before" if found[1] == "before" else "after"
        step = parse_step(found[2])
        return AtStep(when, str(step), parse_count(found[3]), parse_actor(found[4]) if found[4] else None)
    if found := _AFTER_FAULT.fullmatch(text):
        seconds = parse_duration(found[1]) if found[1] else 0.0
        return AfterFault(found[4], seconds, over=bool(found[5]))
    if DURATION.fullmatch(text):
        return AfterSeconds(parse_duration(text))
    raise refusal(f"{shown(value)} is not a trigger", f"write one of: {' · '.join(_EXAMPLES)}")


def parse_at_step(value: object) -> AtStep:
    """As `parse_trigger`, for faults that are about one frame."""
    trigger = parse_trigger(value)
    if isinstance(trigger, AtStep):
        return trigger
    raise refusal(f"{shown(value)} names no step", "write before STEP N or after STEP N")


_STEPS = rf"(?:before|after) {STEP_PATTERN} \d{{1,9}}(?: of (?:{ACTOR_PATTERN}))?"
_TRIGGERS = (
    rf"{DURATION.pattern}|\d{{1,9}} acked by {APP_PATTERN}|{_STEPS}"
    rf"|(?:once|{DURATION.pattern} after) {NAME_PATTERN}(?: is over)?"
)

TriggerText = Annotated[Trigger, PlainValidator(parse_trigger), _text(_TRIGGERS, *_EXAMPLES)]
StepText = Annotated[AtStep, PlainValidator(parse_at_step), _text(_STEPS, "before STEP N", "after STEP N of APP")]
