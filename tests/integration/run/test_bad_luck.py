"""What goes wrong on the way makes a run INCONCLUSIVE, with the reason: never a wrong verdict, never a hang."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.environment import Environment
from harness.events import AppStarted, Event
from tests.runs import CommandLine, event_seen, finish, interrupt, pipeline, play, wait_until


def test_a_fault_that_never_fires_is_named(environment: Environment, tmp_path: Path) -> None:
    text = pipeline("never-fires", faults="  - {crash: processor, at: before commit 9999}")
    played = play(environment, tmp_path, text)
    assert played.run.verdict.value == "inconclusive"
    assert played.run.exit_code == 3
    (reason,) = played.only["reasons"]
    assert reason.startswith("fault never fired: crash processor before commit 9999")
    assert played.only["faults"][0]["bit"] is False
    assert played.only["places"]["invoices_seen"]["sink-loss"] == 0, "the rest was read and judged all the same"


def test_a_drain_that_does_not_end_is_stalled_not_lost(environment: Environment, tmp_path: Path) -> None:
    """A dead consumer stands still: what it has not read is late, and nobody is accused of losing it."""
    text = pipeline("dead-sink", faults="  - {crash: sink, at: before commit 2}")
    played = play(environment, tmp_path, text)
    assert played.run.verdict.value == "inconclusive"
    seen = played.only["places"]["invoices_seen"]
    assert seen["stalled"] > 0
    assert seen["sink-loss"] == 0
    assert played.only["faults"][0]["bit"] is True
    assert any("stalled" in reason for reason in played.only["reasons"])


def test_an_app_that_exits_at_once(environment: Environment, tmp_path: Path) -> None:
    def kill(event: Event) -> None:
        if isinstance(event, AppStarted) and event.process == "sink#1/1":
            os.kill(event.pid, signal.SIGKILL)

    played = play(environment, tmp_path, pipeline("killed-app"), kill)
    assert played.run.verdict.value == "inconclusive"
    assert played.only["reasons"][0].startswith("sink#1/1 ended unexpectedly with signal 9")


def test_an_app_that_asks_for_a_successor_again_and_again(environment: Environment, tmp_path: Path) -> None:
    """The brokers refuse so short a session; a restart, which is what the app asks for, does not help."""
    text = pipeline("refused-session", sink=", consumer: {session.timeout.ms: 400, heartbeat.interval.ms: 100}")
    played = play(environment, tmp_path, text)
    assert played.run.verdict.value == "inconclusive"
    reason = played.only["reasons"][0]
    assert reason.startswith("sink#1/6 asked for a successor more than 5 times")
    assert "InvalidSessionTimeoutError" in reason, "its last words are shown"


@pytest.mark.parametrize(
    "components",
    [["postgres"], ["proxy"], ["broker 2"], ["broker 2", "broker 3"]],
    ids=["postgres", "proxy", "one broker", "two of three brokers"],
)
def test_a_part_of_the_environment_dies_in_mid_run(
    command_line: CommandLine, tmp_path: Path, components: list[str]
) -> None:
    folder = tmp_path / "run"
    process = command_line.start("run", _long(tmp_path), "--out", folder, "--json")
    wait_until(lambda: event_seen(folder, event="PhaseStarted", phase="load"), "the load")
    for component in components:
        _process_of(command_line, component).send_signal(signal.SIGKILL)
    ended = finish(process)
    assert ended.returncode == 4, ended.stderr
    verdict = json.loads(ended.stdout)
    assert verdict["verdict"] == "inconclusive"
    assert any(component in verdict["environment_failure"].lower() for component in components)
    assert verdict == json.loads((folder / "verdict.json").read_text())
    assert command_line.leftovers() == []


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_once_heals_and_judges_what_there_is(command_line: CommandLine, tmp_path: Path, jobs: str) -> None:
    folder = tmp_path / "run"
    held = "faults:\n  - {hold: processor, at: before commit 2, for: 60s}"
    process = command_line.start("run", _long(tmp_path, held), "--out", folder, "--json", "--jobs", jobs)
    wait_until(lambda: event_seen(folder, event="FaultInjected"), "the hold")
    interrupt(process)
    ended = finish(process)
    assert ended.returncode == 130, ended.stderr
    verdict = json.loads(ended.stdout)
    assert verdict["interrupted"] is True
    (repeat,) = verdict["cells"][0]["repeats"]
    assert repeat["verdict"] == "inconclusive"
    assert "interrupted" in repeat["reasons"]
    assert repeat["faults"][0]["healed"] is True
    assert repeat["places"]["orders"]["duplicate"] == 0, "what there is was collected and audited"
    assert command_line.leftovers() == []


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_twice_tears_down_at_once(command_line: CommandLine, tmp_path: Path, jobs: str) -> None:
    folder = tmp_path / "run"
    held = "faults:\n  - {hold: processor, at: before commit 2, for: 60s}"
    process = command_line.start("run", _long(tmp_path, held), "--out", folder, "--jobs", jobs)
    wait_until(lambda: event_seen(folder, event="FaultInjected"), "the hold")
    interrupt(process)
    wait_until(lambda: event_seen(folder, event="PhaseStarted", phase="heal"), "the first Ctrl-C to act")
    interrupt(process)
    ended = finish(process)
    assert ended.returncode == 130
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert not (folder / "verdict.json").exists()
    assert command_line.leftovers() == []


def _long(tmp_path: Path, faults: str = "") -> Path:
    """A pipeline that is still loading when something happens to it."""
    file = tmp_path / "long.chaos.yaml"
    text = pipeline("long", records=20_000)
    file.write_text(text.replace("expect:", f"{faults}\nexpect:") if faults else text)
    return file


def _process_of(command_line: CommandLine, component: str) -> psutil.Process:
    """Of the one cluster that this command line runs."""
    (record,) = command_line.home.glob("clusters/*/owned.json")
    owned: dict[str, Any] = json.loads(record.read_text())
    pid = owned["processes"][component]["pid"]
    assert pid != os.getpid()
    return psutil.Process(pid)
