"""The faults a scenario can ask for: one class per kind, whose fields are its YAML keys.

The key that names the kind holds the target: `{crash: processor, at: before commit 3, restart_after: 1s}`.
`KINDS` lists them; docs/scenarios.md is checked against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from harness.scenario.strict import Strict
from harness.scenario.triggers import (
    AppTarget,
    AppText,
    AtStep,
    Duration,
    End,
    EndText,
    Milliseconds,
    StepText,
    TargetText,
    TriggerText,
    pair,
    refusal,
)


class _Fault(Strict):
    kind: ClassVar[str]

    at: TriggerText = Field(description="When it acts.")

    @property
    def ends(self) -> tuple[End, ...]:
        """Whom it hits: one target, or both ends of a link."""
        raise NotImplementedError

    @property
    def apps(self) -> tuple[AppTarget, ...]:
        """The apps among whom it hits."""
        return tuple(end for end in self.ends if isinstance(end, AppTarget))

    @property
    def label(self) -> str:
        """One line that names it in reports: `crash processor before commit 3`."""
        ends = " and ".join(str(end) for end in self.ends)
        own = {target.app for target in self.apps}
        whose = f" of {self.at.app}" if isinstance(self.at, AtStep) and self.at.app not in own else ""
        return f"{self.kind} {ends}{self._how} {self.at}{whose}"

    @property
    def _how(self) -> str:
        """What else tells it from another fault of its kind."""
        return ""

    @model_validator(mode="after")
    def _a_step_is_the_targets_own(self) -> Self:
        if isinstance(self.at, AtStep) and self.at.app is None:
            if not self.apps:
                raise refusal(f"'{self.at}' does not say whose step it is", f"write '{self.at} of APP'", "at")
            # Frozen for readers; nobody has seen it yet.
            object.__setattr__(self, "at", replace(self.at, app=self.apps[0].app))
        return self


class _TargetFault(_Fault):
    """A fault with one target. Its subclasses name the key that holds it."""

    target: TargetText

    @property
    def ends(self) -> tuple[End, ...]:
        return (self.target,)


class Crash(_TargetFault):
    """SIGKILL; the process or broker is started again after a while, if at all."""

    kind: ClassVar[str] = "crash"
    thing: ClassVar[str] = "a crash fault"

    target: TargetText = Field(alias="crash", description="Whom.")
    restart_after_s: Duration | None = Field(
        None, alias="restart_after", description="How long it stays dead; without it, to the end."
    )
    then: Literal["drop", "deliver"] = Field(
        "drop", description="What becomes of the held frame, when `at` names a step."
    )

    @model_validator(mode="after")
    def _only_a_held_frame_has_a_fate(self) -> Self:
        if "then" in self.model_fields_set and not isinstance(self.at, AtStep):
            raise refusal("'then' is for a held frame, and this fault holds none", "leave it out", "then")
        if self.then == "deliver" and self._holds_a_reply_to_its_target():
            raise refusal("a reply cannot be delivered to a process that is dead", "leave 'then' out", "then")
        return self

    def _holds_a_reply_to_its_target(self) -> bool:
        own = {None, *(target.app for target in self.apps)}
        return isinstance(self.at, AtStep) and self.at.when == "after" and self.at.app in own


class Stop(_TargetFault):
    """SIGTERM: it may leave in good order."""

    kind: ClassVar[str] = "stop"
    thing: ClassVar[str] = "a stop fault"

    target: TargetText = Field(alias="stop", description="Whom.")
    restart_after_s: Duration | None = Field(
        None, alias="restart_after", description="How long it stays down; without it, to the end."
    )


class Pause(_TargetFault):
    """SIGSTOP, then SIGCONT: alive to nobody, and unaware of it."""

    kind: ClassVar[str] = "pause"
    thing: ClassVar[str] = "a pause fault"

    target: TargetText = Field(alias="pause", description="Whom.")
    for_s: Duration = Field(alias="for", description="How long it stands still.")


class Partition(_Fault):
    """The link between two ends is cut."""

    kind: ClassVar[str] = "partition"
    thing: ClassVar[str] = "a partition fault"

    between: Annotated[tuple[EndText, EndText], BeforeValidator(pair)] = Field(
        alias="partition", description="Both ends."
    )
    way: Literal["both", "forward", "backward"] = Field(
        "both", description="What is cut; forward is from the first end to the second."
    )
    how: Literal["withhold", "refuse"] = Field(
        "withhold",
        description="withhold: bytes wait and nothing is told; refuse: connections are closed and refused.",
    )
    for_s: Duration = Field(alias="for", description="How long.")

    @property
    def ends(self) -> tuple[End, ...]:
        return self.between

    @property
    def _how(self) -> str:
        return "" if self.way == "both" else f" {self.way}"

    @model_validator(mode="after")
    def _refusing_cuts_both_ways(self) -> Self:
        if self.how == "refuse" and self.way != "both":
            raise refusal("a refused connection cuts both ways", "leave out 'way', or say how: withhold", "how")
        return self


class Latency(_TargetFault):
    """Everything between an app and the brokers takes longer."""

    kind: ClassVar[str] = "latency"
    thing: ClassVar[str] = "a latency fault"

    target: AppText = Field(alias="latency", description="Whom.")
    delay_ms: Milliseconds = Field(alias="delay", description="By how much, each way.")
    jitter_ms: Milliseconds = Field(
        0, alias="jitter", description="More or less by up to so much.", json_schema_extra={"default": "0s"}
    )
    for_s: Duration = Field(alias="for", description="How long.")


class Hold(_TargetFault):
    """One frame is held for a while; everything behind it on its connection waits too."""

    kind: ClassVar[str] = "hold"
    thing: ClassVar[str] = "a hold fault"

    target: AppText = Field(alias="hold", description="Whom.")
    at: StepText = Field(description="Which frame: before is the request, after is its reply.")
    for_s: Duration = Field(alias="for", description="How long.")
    then: Literal["deliver", "drop"] = Field("deliver", description="What becomes of it.")


class Lose(_TargetFault):
    """One frame is lost: the request, or its reply."""

    kind: ClassVar[str] = "lose"
    thing: ClassVar[str] = "a lose fault"

    target: AppText = Field(alias="lose", description="Whom.")
    at: StepText = Field(description="Which frame: before is the request, after is its reply.")
    connection: Literal["close", "reset", "open"] = Field(
        "close", description="What becomes of its connection: closed, reset, or left open and silent."
    )


class Delay(_TargetFault):
    """One request is held, and arrives only after the client's retry of it was answered."""

    kind: ClassVar[str] = "delay"
    thing: ClassVar[str] = "a delay fault"

    target: AppText = Field(alias="delay", description="Whom.")
    at: StepText = Field(description="Which request; `before` only.")
    for_s: Duration = Field(
        30.0, alias="for", description="How long it waits for that, at most.", json_schema_extra={"default": "30s"}
    )

    @model_validator(mode="after")
    def _only_requests_are_retried(self) -> Self:
        if self.at.when != "before":
            raise refusal("only a request can be overtaken by its retry", "write 'before STEP N'", "at")
        return self


Fault: TypeAlias = Crash | Stop | Pause | Partition | Latency | Hold | Lose | Delay

# Latency first: `delay` is one of its keys as well as a kind.
KINDS: Mapping[str, type[Fault]] = {
    kind.kind: kind for kind in (Latency, Crash, Stop, Pause, Partition, Hold, Lose, Delay)
}
"""kind → class; an entry's kind is the first of these that is among its keys."""


def kind_of(entry: object) -> str | None:
    """The kind of fault that a YAML mapping describes; None when it names none."""
    return next((kind for kind in KINDS if isinstance(entry, Mapping) and kind in entry), None)


def _tag_of(entry: object) -> str | None:
    kind = kind_of(entry)
    return kind and f"<{kind}>"


# Tags stand in brackets so that no path of a mistake takes one for a key.
FaultEntry = Annotated[
    Annotated[Crash, Tag("<crash>")]
    | Annotated[Stop, Tag("<stop>")]
    | Annotated[Pause, Tag("<pause>")]
    | Annotated[Partition, Tag("<partition>")]
    | Annotated[Latency, Tag("<latency>")]
    | Annotated[Hold, Tag("<hold>")]
    | Annotated[Lose, Tag("<lose>")]
    | Annotated[Delay, Tag("<delay>")],
    Discriminator(_tag_of),
]
