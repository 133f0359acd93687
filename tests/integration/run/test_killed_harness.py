"""SIGKILL of the harness at any moment leaves nothing that the next start does not find and remove."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

from tests.runs import CommandLine, event_seen, pipeline, wait_until

KILLS = 20
WHOLE_RUN_S = 12.0
GONE_S = 10.0


def test_nothing_is_left_of_a_harness_that_was_killed(command_line: CommandLine, tmp_path: Path) -> None:
    """At 20 moments spread over a whole run, from its first instant to its verdict."""
    crash = "  - {crash: processor, at: before commit 2, restart_after: 200ms}"
    pause = "  - {pause: sink, at: before commit 2, for: 1s}"
    file = tmp_path / "killed.chaos.yaml"
    file.write_text(pipeline("killed", faults=f"{crash}\n{pause}"))
    moments = random.Random(20)
    for kill in range(KILLS):
        folder = tmp_path / f"run-{kill}"
        process = command_line.start("run", file, "--out", folder)
        seconds = WHOLE_RUN_S * (kill + moments.random()) / KILLS
        _kill_after(process, seconds)
        cleaned = command_line.run("clean")
        assert cleaned.returncode == 0, cleaned.stderr
        wait_until(lambda: not command_line.leftovers(), f"an empty machine after SIGKILL at {seconds:.2f} s", GONE_S)
    assert command_line.listening() == []
    whole = command_line.run("run", file, "--out", tmp_path / "whole")
    assert whole.returncode == 0, f"after all that a run goes as ever:\n{whole.stdout}\n{whole.stderr}"
    assert event_seen(tmp_path / "whole", event="FaultHealed", healed=True)


def _kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
