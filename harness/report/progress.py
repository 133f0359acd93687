"""Progress on stderr, from the event stream.

With a terminal: one line that moves, and one that stays for each finished repeat. Without: one line per
phase, so that a CI log tells where a run hangs. NO_COLOR is honoured.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from harness.events import (
    AppExited,
    EnvironmentStarted,
    Event,
    FaultHealed,
    FaultInjected,
    PhaseStarted,
    RepeatEvent,
    RepeatFinished,
    RepeatStarted,
)
from harness.model import Verdict
from harness.report.words import VERDICT_STYLES, VERDICT_WORDS


class Progress:
    """A listener; used as a context so that the moving line is taken away however the run ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._repeats: dict[tuple[str, int], str] = {}
        self._doing: dict[tuple[str, int], str] = {}

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def step(self, message: str) -> None:
        """Something outside the event stream: set-up, the start of the brokers."""
        self._moving(message)

    def __call__(self, event: Event) -> None:
        match event:
            case EnvironmentStarted():
                verb = "reused" if event.reused else "started"
                self._staying(f"environment {verb} in {event.seconds:.1f} s (cluster {event.cluster_id})")
            case RepeatStarted():
                cell = "" if event.cell == "all" else f"{event.cell} "
                self._repeats[event.cell, event.repeat] = f"{cell}{event.repeat}/{event.repeats}"
            case PhaseStarted():
                self._going_on(event, event.phase)
            case FaultInjected():
                self._going_on(event, event.fault)
            case FaultHealed(healed=False):
                self._staying(f"{self._named(event)}: did not heal: {event.fault}")
            case AppExited(expected=False):
                self._staying(f"{self._named(event)}: {event.process} exited unexpectedly with {event.exit_code}")
            case RepeatFinished():
                self._doing.pop((event.cell, event.repeat), None)
                verdict = Verdict(event.verdict)
                line = Text(f"{self._named(event)}: ")
                line.append(VERDICT_WORDS[verdict], style=VERDICT_STYLES[verdict])
                self._staying(line.append(f" in {event.seconds:.0f} s"))
            case _:
                pass

    def _named(self, event: RepeatEvent) -> str:
        return self._repeats.get((event.cell, event.repeat), event.cell)

    def _going_on(self, event: RepeatEvent, what: str) -> None:
        """The moving line tells what every repeat that goes on does; a log, only what is new."""
        new = self._doing[event.cell, event.repeat] = f"{self._named(event)}: {what}"
        self._moving("  ".join(self._doing.values()) if self._status else new)

    def _moving(self, message: str) -> None:
        if self._status:
            self._status.update(Text(message))
        else:
            self._staying(message)

    def _staying(self, message: str | Text) -> None:
        self._console.print(message, soft_wrap=True, highlight=False, markup=False)
