"""What happened during a run, as one flat stream of past-tense events.

The conductor emits them; every reporter consumes the same stream (`events.jsonl` in the run folder is it, one JSON
object a line: `{"event": "FaultInjected", "at": …, …}`). The conductor never imports a reporter.

`at` is seconds since the run began, from the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: float

    def to_json(self) -> dict[str, Any]:
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentStarted(Event):
    cluster_id: str
    seconds: float
    reused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatEvent(Event):
    """Of one repeat of one cell; with `--jobs` several go on at a time."""

    cell: str
    repeat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatStarted(RepeatEvent):
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(RepeatEvent):
    """`phase` is one of prepare, load, heal, drain, stop, collect, clean, audit."""

    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStarted(RepeatEvent):
    process: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppExited(RepeatEvent):
    process: str
    exit_code: int
    expected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultInjected(RepeatEvent):
    fault: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultHealed(RepeatEvent):
    fault: str
    healed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatFinished(RepeatEvent):
    verdict: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    verdict: str
    exit_code: int


Listener = Callable[[Event], None]
