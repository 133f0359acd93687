"""The faults a scenario can ask for: one class per kind, whose fields are its YAML keys.

The key that names the kind holds the target: `{crash: processor, at: before commit 3, restart_after: 1s}`.
`KINDS` lists them; docs/scenarios.md is checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from faults.codes import error_code
from faults.errors import StepError
from faults.link_latency import LEAST_LINK_DELAY_MS
from harness.scenario.fault_base import FrameFault, Lasting, TargetFault, Times
from harness.scenario.steps import protocol_of
from harness.scenario.targets import ActorText, AppTarget, End, Sides, SideText, TargetText, WayText, pair, side_text
from harness.scenario.triggers import AtStep, StepText
from harness.scenario.words import Duration, Milliseconds, refusal, shown, split_hint, text_schema


class Crash(TargetFault):
    """SIGKILL; the process, broker or server is started again after a while, if at all."""

    kind: ClassVar[str] = "crash"
    thing: ClassVar[str] = "a crash fault"

    target: TargetText = Field(alias="crash", description="Whom.")
    times: Times = Field(1, description="How many steps in a row it acts at; counted again from one to the next.")
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
        own = {target.app for target in self.apps}
        return (
            isinstance(self.at, AtStep)
            and self.at.when == "after"
            and isinstance(self.at.actor, AppTarget)
            and self.at.actor.app in own
        )


class Stop(TargetFault):
    """SIGTERM: it may leave in good order."""

    kind: ClassVar[str] = "stop"
    thing: ClassVar[str] = "a stop fault"

    target: TargetText = Field(alias="stop", description="Whom.")
    times: Times = Field(1, description="How many steps in a row it acts at; counted again from one to the next.")
    restart_after_s: Duration | None = Field(
        None, alias="restart_after", description="How long it stays down; without it, to the end."
    )


class Pause(TargetFault, Lasting):
    """SIGSTOP, then SIGCONT: alive to nobody, and unaware of it."""

    kind: ClassVar[str] = "pause"
    thing: ClassVar[str] = "a pause fault"

    target: TargetText = Field(alias="pause", description="Whom.")
    times: Times = Field(1, description="How many steps in a row it acts at; counted again from one to the next.")


class Partition(Lasting):
    """The links between two sides are cut."""

    kind: ClassVar[str] = "partition"
    thing: ClassVar[str] = "a partition fault"

    between: Annotated[tuple[SideText, SideText], BeforeValidator(pair)] = Field(
        alias="partition", description="Both sides; each is an end, or a list of ends."
    )
    way: Literal["both", "forward", "backward"] = Field(
        "both", description="What is cut; forward is from the first side to the second."
    )
    how: Literal["withhold", "refuse", "reset"] = Field(
        "withhold",
        description="withhold: bytes wait and nothing is told; refuse: connections are closed and refused; "
        "reset: they are closed, and new ones reset (RST) at once.",
    )

    @property
    def ends(self) -> tuple[End, ...]:
        first, second = self.between
        return (*first, *second)

    @property
    def own_lanes_only(self) -> bool:
        """A link of an app is cut at its own lane, whatever is at the other end of it."""
        first, second = self.between
        sides = any(all(isinstance(end, AppTarget) for end in side) for side in (first, second))
        actors = [trigger.actor for _, trigger in self.triggers if isinstance(trigger, AtStep)]
        return sides and all(isinstance(actor, AppTarget) for actor in actors)

    @property
    def _whom(self) -> str:
        return " and ".join(side_text(side) for side in self.between)

    @property
    def _how(self) -> str:
        return "" if self.way == "both" else f" {self.way}"

    @model_validator(mode="after")
    def _refusing_cuts_both_ways(self) -> Self:
        if self.how != "withhold" and self.way != "both":
            message = "a connection that is refused or reset is cut both ways"
            raise refusal(message, "leave out 'way', or say how: withhold", "how")
        return self


_WHOSE_WAYS = "Whose ways, or both sides of links between brokers."


class _SlowLink(Lasting):
    """Something that Toxiproxy does to the ways between apps and what they talk to, or between brokers."""

    target: WayText

    @property
    def between(self) -> Sides | None:
        """Both sides of its links between brokers; None for the ways of apps."""
        return self.target if isinstance(self.target, tuple) else None

    @property
    def ends(self) -> tuple[End, ...]:
        return self.target[0] + self.target[1] if isinstance(self.target, tuple) else (self.target,)

    @property
    def _whom(self) -> str:
        return " and ".join(map(side_text, self.between or [self.ends]))

    @property
    def own_lanes_only(self) -> bool:
        """Never: toxics stand in front of a broker or server."""
        return False


class Latency(_SlowLink):
    """Every way takes longer: between an app and the brokers, all apps and a broker or server, or between brokers."""

    kind: ClassVar[str] = "latency"
    thing: ClassVar[str] = "a latency fault"

    target: WayText = Field(alias="latency", description=_WHOSE_WAYS)
    delay_ms: Milliseconds = Field(alias="delay", description="By how much, each way.")
    jitter_ms: Milliseconds = Field(
        0, alias="jitter", description="More or less by up to so much.", json_schema_extra={"default": "0s"}
    )

    @model_validator(mode="after")
    def _the_delay_can_be_proved(self) -> Self:
        if self.jitter_ms >= self.delay_ms:
            raise refusal("a delay that its jitter could swallow cannot be proved", "make it longer", "delay")
        if self.between and self.delay_ms - self.jitter_ms < LEAST_LINK_DELAY_MS:
            hint = f"write delay: {LEAST_LINK_DELAY_MS}ms or more beyond its jitter"
            raise refusal("so short a delay between brokers cannot be proved", hint, "delay")
        return self


def _rate(value: object) -> int:
    found = re.fullmatch(r"([1-9]\d{0,5})KB/s", value) if isinstance(value, str) else None
    if found is None:
        raise refusal(f"{shown(value)} is not a rate", "write it like 16KB/s")
    return int(found[1])


Rate = Annotated[int, PlainValidator(_rate), text_schema(r"[1-9]\d{0,5}KB/s", "16KB/s")]


class Bandwidth(_SlowLink):
    """No more than so many bytes a second get through, each way."""

    kind: ClassVar[str] = "bandwidth"
    thing: ClassVar[str] = "a bandwidth fault"

    target: WayText = Field(alias="bandwidth", description=_WHOSE_WAYS)
    rate_kb_s: Rate = Field(alias="rate", description="Thousand bytes a second, on each connection.")


class Slicing(_SlowLink):
    """Everything arrives in small pieces: whoever takes one read for one message is found out."""

    kind: ClassVar[str] = "slicing"
    thing: ClassVar[str] = "a slicing fault"

    target: WayText = Field(alias="slicing", description=_WHOSE_WAYS)
    size: int = Field(64, ge=1, le=65536, description="Bytes of a piece, about.")
    delay_ms: Milliseconds = Field(
        10, alias="delay", description="Between two pieces.", json_schema_extra={"default": "10ms"}
    )

    @model_validator(mode="after")
    def _pieces_do_not_come_together(self) -> Self:
        if self.delay_ms < 1:
            raise refusal("pieces without a delay between them arrive as one", "write delay: 10ms", "delay")
        return self


class Reset(_SlowLink):
    """Connections are reset (RST), those that are made meanwhile too."""

    kind: ClassVar[str] = "reset"
    thing: ClassVar[str] = "a reset fault"

    target: WayText = Field(alias="reset", description=_WHOSE_WAYS)


class Hold(FrameFault, Lasting):
    """One frame is held; everything behind it on its connection waits too."""

    kind: ClassVar[str] = "hold"
    thing: ClassVar[str] = "a hold fault"

    target: ActorText = Field(alias="hold", description="Whose frame.")
    at: StepText = Field(description="Which frame: before is the request, after is its reply.")
    then: Literal["deliver", "drop"] = Field("deliver", description="What becomes of it.")
    times: Times = Field(1, description="How many steps in a row it acts at; counted again from one to the next.")


class Lose(FrameFault):
    """One frame is lost: the request, or its reply."""

    kind: ClassVar[str] = "lose"
    thing: ClassVar[str] = "a lose fault"

    target: ActorText = Field(alias="lose", description="Whose frame.")
    at: StepText = Field(description="Which frame: before is the request, after is its reply.")
    connection: Literal["close", "reset", "open"] = Field(
        "close", description="What becomes of its connection: closed, reset, or left open and silent."
    )
    times: Times = Field(1, description="How many of these frames from there on.")


class Delay(FrameFault):
    """One request is held, and arrives only after the client's retry of it was answered."""

    kind: ClassVar[str] = "delay"
    thing: ClassVar[str] = "a delay fault"

    target: ActorText = Field(alias="delay", description="Whose request.")
    at: StepText = Field(description="Which request; `before` only.")
    for_s: Duration = Field(
        30.0, alias="for", description="How long it waits for that, at most.", json_schema_extra={"default": "30s"}
    )

    @model_validator(mode="after")
    def _only_requests_are_retried(self) -> Self:
        if self.step.when != "before":
            raise refusal("only a request can be overtaken by its retry", "write 'before STEP N'", "at")
        return self


def _error(value: object) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise refusal(f"{shown(value)} is not an error", "write its name, or its code")


ErrorText = Annotated[
    str,
    PlainValidator(_error),
    WithJsonSchema(
        {"type": ["string", "integer"], "examples": ["NOT_COORDINATOR", "serialization_failure", "40001", "503", "451"]}
    ),
]


class _Answered(FrameFault):
    """A step is answered with an error."""

    error: ErrorText = Field(description="By its name or code: Kafka's, an SQLSTATE, an HTTP status, an SMTP code.")

    @property
    def code(self) -> str:
        """The error as the wire has it: `16`, `40001`, `503`, `451`."""
        return error_code(self.error, protocol_of(self.step.step))

    @property
    def _how(self) -> str:
        return f" with {self.error}"

    @model_validator(mode="after")
    def _the_protocol_has_this_error(self) -> Self:
        try:
            assert self.code
        except StepError as error:
            what, hint = split_hint(str(error))
            raise refusal(f"{what}, which is the protocol of {self.step.step}", hint, "error") from None
        return self


class Refuse(_Answered):
    """One request is not forwarded: its sender gets an error instead."""

    kind: ClassVar[str] = "refuse"
    thing: ClassVar[str] = "a refuse fault"

    target: ActorText = Field(alias="refuse", description="Whose request.")
    at: StepText = Field(description="Which request; `before` only.")
    times: Times = Field(1, description="How many of these requests from there on.")

    @model_validator(mode="after")
    def _only_a_request_is_refused(self) -> Self:
        if self.step.when != "before":
            hint = "write 'before STEP N', or replace: the request is then carried out, and its reply an error"
            raise refusal("only a request can be refused", hint, "at")
        return self


class Replace(_Answered):
    """One request is carried out, and its reply replaced by an error."""

    kind: ClassVar[str] = "replace"
    thing: ClassVar[str] = "a replace fault"

    target: ActorText = Field(alias="replace", description="Whose reply.")
    at: StepText = Field(description="Which reply; `after` only.")
    times: Times = Field(1, description="How many of these replies from there on.")

    @model_validator(mode="after")
    def _only_a_reply_is_replaced(self) -> Self:
        if self.step.when != "after":
            hint = "write 'after STEP N', or refuse: the request is then not carried out"
            raise refusal("only a reply can be replaced", hint, "at")
        return self


Fault: TypeAlias = (
    Crash | Stop | Pause | Partition | Latency | Bandwidth | Slicing | Reset | Hold | Lose | Delay | Refuse | Replace
)
SlowLink: TypeAlias = Latency | Bandwidth | Slicing | Reset

# Latency and slicing first: `delay` is one of their keys as well as a kind.
KINDS: Mapping[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        Latency,
        Slicing,
        Bandwidth,
        Reset,
        Crash,
        Stop,
        Pause,
        Partition,
        Hold,
        Lose,
        Delay,
        Refuse,
        Replace,
    )
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
    | Annotated[Bandwidth, Tag("<bandwidth>")]
    | Annotated[Slicing, Tag("<slicing>")]
    | Annotated[Reset, Tag("<reset>")]
    | Annotated[Hold, Tag("<hold>")]
    | Annotated[Lose, Tag("<lose>")]
    | Annotated[Delay, Tag("<delay>")]
    | Annotated[Refuse, Tag("<refuse>")]
    | Annotated[Replace, Tag("<replace>")],
    Discriminator(_tag_of),
]
