"""What all kinds of faults share: a name, a trigger, whom they hit, how often, and how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema, model_validator

from harness.scenario.strict import Strict
from harness.scenario.targets import Actor, ActorText, AllOf, AppTarget, BrokerTarget, End, TargetText
from harness.scenario.triggers import AfterFault, AfterSeconds, AtStep, StepText, Trigger, TriggerText
from harness.scenario.words import NAME_PATTERN, Duration, refusal, shown

TIMES_MAX = 1000
ALL_TIMES = -1
"""`times: all`: the n-th step and every one that follows."""

UNTIL_S = 30.0
"""How long a fault waits for its `until`, where `for` does not say so."""


def _times(value: object) -> int:
    if value == "all":
        return ALL_TIMES
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= TIMES_MAX:
        return value
    raise refusal(f"{shown(value)} is not a number of times", f"write 1 to {TIMES_MAX}, or all")


FaultName = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$")]
Times = Annotated[
    int,
    PlainValidator(_times),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": TIMES_MAX}, {"const": "all"}], "examples": ["1", "all"]}
    ),
]


class FaultBase(Strict):
    """One fault. `KINDS` in `faults.py` has its kinds."""

    kind: ClassVar[str]

    name: FaultName | None = Field(None, description="What `once NAME` and `2s after NAME` call it.")
    at: TriggerText = Field(description="When it acts.")

    @property
    def ends(self) -> tuple[End, ...]:
        """Whom it hits: one target, or both sides of a cut."""
        raise NotImplementedError

    @property
    def apps(self) -> tuple[AppTarget, ...]:
        """The apps among whom it hits."""
        return tuple(end for end in self.ends if isinstance(end, AppTarget))

    @property
    def own_lanes_only(self) -> bool:
        """Whether it acts on the lanes and processes of its own apps, and nobody else can notice."""
        actors = [trigger.actor for _, trigger in self.triggers if isinstance(trigger, AtStep)]
        return all(isinstance(each, AppTarget) for each in (*self.ends, *actors))

    @property
    def number_of_times(self) -> int:
        """How often it is to act; `ALL_TIMES` for as often as its step comes."""
        return getattr(self, "times", 1)

    @property
    def seconds(self) -> float:
        """How long it may take by what it says itself: waiting for a time, lasting, staying away."""
        waits = self.at.seconds if isinstance(self.at, AfterSeconds | AfterFault) else 0.0
        lasts: float = getattr(self, "for_s", 0.0) + (getattr(self, "restart_after_s", None) or 0.0)
        return waits + lasts * max(self.number_of_times, 1)

    @property
    def triggers(self) -> Iterator[tuple[str, Trigger]]:
        """Every trigger of it, with its key."""
        yield "at", self.at
        until: Trigger | None = getattr(self, "until", None)
        if until is not None:
            yield "until", until

    @property
    def label(self) -> str:
        """One line that names it in reports: `crash processor before commit 3`."""
        whose = f" of {self.at.actor}" if isinstance(self.at, AtStep) and self.at.actor not in self._own else ""
        often = {1: "", ALL_TIMES: ", all times"}.get(self.number_of_times, f", {self.number_of_times} times")
        return f"{self.kind} {self._whom}{self._how} {self.at}{whose}{often}"

    @property
    def _whom(self) -> str:
        return " and ".join(str(end) for end in self.ends)

    @property
    def _how(self) -> str:
        """What else tells it from another fault of its kind."""
        return ""

    @property
    def _own(self) -> tuple[Actor, ...]:
        """Whose steps are meant where the text does not say so."""
        return self.apps

    @model_validator(mode="after")
    def _a_step_is_the_targets_own(self) -> Self:
        for key, trigger in self.triggers:
            if isinstance(trigger, AtStep) and trigger.actor is None:
                own = self._own
                if not own:
                    raise refusal(f"'{trigger}' does not say whose step it is", f"write '{trigger} of APP'", key)
                # Frozen for readers; nobody has seen it yet.
                object.__setattr__(self, key, replace(trigger, actor=own[0]))
        return self

    @model_validator(mode="after")
    def _only_steps_are_counted(self) -> Self:
        if self.number_of_times != 1 and not isinstance(self.at, AtStep):
            raise refusal("'times' counts steps, and 'at' names none", "write before STEP N, or leave it out", "times")
        return self

    @model_validator(mode="after")
    def _nothing_waits_for_itself(self) -> Self:
        for key, trigger in self.triggers:
            if isinstance(trigger, AfterFault) and trigger.fault == self.name:
                raise refusal(f"'{self.name}' cannot wait for itself", "name another fault", key)
        return self


class TargetFault(FaultBase):
    """A fault with one target. Its subclasses name the key that holds it."""

    target: TargetText

    @property
    def ends(self) -> tuple[End, ...]:
        return (self.target,)


class Lasting(FaultBase):
    """A fault that lasts for a while, or until something else has happened."""

    for_s: Duration = Field(
        UNTIL_S,
        alias="for",
        description="How long it lasts; with `until` at most so long, without it required.",
        json_schema_extra={"default": "30s"},
    )
    until: TriggerText | None = Field(None, description="It ends as soon as this has come; steps are only watched.")

    @model_validator(mode="after")
    def _something_says_how_long(self) -> Self:
        if self.until is None and "for_s" not in self.model_fields_set:
            raise refusal(f"{self.thing} has neither 'for' nor 'until'", "write for: 5s, or until: TRIGGER")
        if isinstance(self.until, AfterSeconds):
            raise refusal("a time is no reason to end", f"write for: {self.until.seconds:g}s", "until")
        return self


class FrameFault(FaultBase):
    """A fault of single frames of a protocol step. Its subclasses name the key that holds whose step it is."""

    target: ActorText
    at: StepText

    @property
    def ends(self) -> tuple[End, ...]:
        return (self.target,)

    @property
    def step(self) -> AtStep:
        """Its trigger, which is always one."""
        assert isinstance(self.at, AtStep)
        return self.at

    @property
    def _own(self) -> tuple[Actor, ...]:
        return (self.target,)

    @model_validator(mode="after")
    def _the_step_is_whose_it_is(self) -> Self:
        if self.at.actor != self.target and not _is_instance_of(self.at.actor, self.target):
            message = f"the frame is one of {self.at.actor}, and the fault is about {self.target}"
            raise refusal(message, f"leave 'of {self.at.actor}' out", "at")
        return self


def _is_instance_of(actor: Any, target: Any) -> bool:
    """`hold: processor, at: before commit 1 of processor#2`."""
    if isinstance(actor, AppTarget) and isinstance(target, AppTarget):
        return actor.app == target.app and target.instance is None
    return isinstance(actor, BrokerTarget) and target == AllOf("brokers")
