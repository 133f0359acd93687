"""The event stream on stderr and in events.jsonl."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from harness.events import (
    AppExited,
    AppStarted,
    EnvironmentStarted,
    Event,
    FaultHealed,
    FaultInjected,
    PhaseStarted,
    RepeatFinished,
    RepeatStarted,
    RunFinished,
)
from harness.report.events import EventLog
from harness.report.progress import Progress

FIRST: dict[str, Any] = {"cell": "write=insert", "repeat": 1}
STREAM: list[Event] = [
    EnvironmentStarted(at=0.0, cluster_id="k3f9", seconds=3.2, reused=False),
    RepeatStarted(at=0.1, cell="write=insert", repeat=1, repeats=2),
    AppStarted(at=0.2, **FIRST, process="sink#1/1", pid=4711),
    PhaseStarted(at=0.3, cell="write=insert", repeat=1, phase="load"),
    FaultInjected(at=1.0, **FIRST, fault="crash sink before commit 2", evidence={"pid": 4711}),
    AppExited(at=1.1, **FIRST, process="sink#1/1", exit_code=-9, expected=True),
    AppExited(at=1.2, **FIRST, process="sink#1/2", exit_code=1, expected=False),
    FaultHealed(at=2.0, **FIRST, fault="crash sink before commit 2", healed=False),
    PhaseStarted(at=3.0, cell="write=insert", repeat=1, phase="drain"),
    RepeatFinished(at=9.0, cell="write=insert", repeat=1, verdict="inconclusive", seconds=8.9),
    RunFinished(at=9.1, verdict="inconclusive", exit_code=3),
]


def played(*, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, _environ={"TERM": "xterm"})
    with Progress(console) as progress:
        for event in STREAM:
            progress(event)
    return stream.getvalue()


def test_without_a_terminal_every_phase_is_a_line_and_nothing_moves() -> None:
    assert played(terminal=False).splitlines() == [
        "environment started in 3.2 s (cluster k3f9)",
        "write=insert 1/2: load",
        "write=insert 1/2: crash sink before commit 2",
        "write=insert 1/2: sink#1/2 exited unexpectedly with 1",
        "write=insert 1/2: did not heal: crash sink before commit 2",
        "write=insert 1/2: drain",
        "write=insert 1/2: INCONCLUSIVE in 9 s",
    ]


def test_on_a_terminal_phases_move_in_one_line_that_is_gone_at_the_end() -> None:
    text = played(terminal=True)
    assert "\x1b[?25h" in text  # the cursor is back
    staying = [line for line in text.splitlines() if "INCONCLUSIVE" in line]
    assert len(staying) == 1
    assert not any(line.strip().endswith("drain") and "\x1b" not in line for line in text.splitlines())


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    environ = {"NO_COLOR": "1", "TERM": "xterm-256color"}
    progress = Progress(Console(file=stream, force_terminal=True, force_interactive=False, _environ=environ))
    progress(STREAM[-2])
    assert "38;5" not in stream.getvalue()
    assert "INCONCLUSIVE" in stream.getvalue()


def test_the_log_holds_every_event_as_one_line_at_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for number, event in enumerate(STREAM, 1):
            log(event)
            assert len(path.read_bytes().splitlines()) == number  # a crash now would lose nothing
    assert [orjson.loads(line) for line in path.read_bytes().splitlines()] == [event.to_json() for event in STREAM]
