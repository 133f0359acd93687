"""Run scenarios in tests: in this process on the shared cluster, or as the command line in a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.environment import Environment
from harness.events import Event, Listener
from harness.plan import make_plan
from harness.scenario import parse
from harness.session import run_scenario
from harness.topology import LAST_BLOCK
from harness.verdict import RunVerdict

HANG_S = 120.0
FIRST_OWN_BLOCK = 160
"""Blocks of addresses from here on are for command lines under test: what listens there is theirs."""

PIPELINE = """\
# {question}
scenario: {name}
topics: {{orders: {{partitions: 2}}, invoices: {{partitions: 2}}}}
tables: {{invoices_seen: {{}}}}
apps:
  producer:  {{is: producer, client: kafka-python, to: orders, records: {records}, keys: 10}}
  processor: {{is: processor, client: confluent-kafka, from: orders, to: invoices, batch: 20, commit: in_transaction}}
  sink:      {{is: sink, client: kafka-python, from: invoices, to: invoices_seen, write: upsert, batch: 20{sink}}}
{faults}
expect:
  - {{in: orders, duplicates: none, losses: none}}
  - {{in: invoices, duplicates: none, losses: none}}
  - {{in: invoices_seen, duplicates: none, losses: none}}
"""


def pipeline(name: str, *, question: str = "Is it exact?", records: int = 100, faults: str = "", sink: str = "") -> str:
    """A producer, a transactional processor and an upserting sink; clean unless something is done to it."""
    listed = f"faults:\n{faults}" if faults else ""
    return PIPELINE.format(name=name, question=question, records=records, faults=listed, sink=sink)


@dataclass(frozen=True, slots=True)
class Played:
    """One run, in this process."""

    run: RunVerdict
    folder: Path
    events: tuple[Event, ...]

    @property
    def only(self) -> Mapping[str, Any]:
        """The single repeat of the single cell, as verdict.json tells it."""
        (cell,) = self.run.to_json()["cells"]
        (repeat,) = cell["repeats"]
        return repeat


def play(
    environment: Environment, tmp_path: Path, text: str, listener: Listener = lambda _: None, *, jobs: int = 1
) -> Played:
    """Run a scenario's text on the shared cluster; `listener` may act, as it is called on the main thread."""
    file = tmp_path / "test.chaos.yaml"
    file.write_text(text)
    folder = tmp_path / "run"
    folder.mkdir()
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        listener(event)

    run = run_scenario(make_plan(parse(text, str(file))), environment, folder, listen, jobs=jobs)
    return Played(run, folder, tuple(events))


class CommandLine:
    """`eos-chaos …` as a person's shell would run it, with clusters of its own and the shared cache."""

    def __init__(self, home: Path, cache: Path) -> None:
        home.mkdir(mode=0o755)
        (home / "cache").symlink_to(cache)
        self.home = home
        first = FIRST_OWN_BLOCK + 2 * (os.getpid() % ((LAST_BLOCK - FIRST_OWN_BLOCK) // 2))
        self.blocks = range(first, first + 2)
        blocks = f"{self.blocks[0]}-{self.blocks[-1]}"
        self.env = {**os.environ, "EOS_CHAOS_HOME": str(home), "EOS_CHAOS_BLOCKS": blocks}

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        argv = [str(Path(sys.executable).with_name("eos-chaos")), *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(argv, env=self.env, cwd=self.home, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        return finish(process)

    def leftovers(self) -> list[str]:
        """Processes that know this home by their command line, working folder or environment, and cluster folders."""
        found = [f"folder {path.name}" for path in self.home.glob("clusters/*")]
        marks = (str(self.home).encode(), f"EOS_CHAOS_HOME={self.home}".encode())
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                known = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if state != "Z" and any(mark in known for mark in marks):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")[:80]
                found.append(f"process {entry.name}: {command.decode(errors='replace')}")
        return found

    def listening(self) -> list[str]:
        """Every address that anything listens at in the blocks that its clusters may use."""
        prefixes = tuple(f"127.{block}." for block in self.blocks)
        connections = psutil.net_connections(kind="tcp")
        hosts = [connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN]
        return sorted(f"{host.ip}:{host.port}" for host in hosts if host and host.ip.startswith(prefixes))


def finish(process: subprocess.Popen[str], timeout_s: float = HANG_S) -> subprocess.CompletedProcess[str]:
    """Wait for the end of a command line; one that hangs is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"no end within {timeout_s:g} s; stderr:\n{err}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s for {what}"
        time.sleep(0.02)


def event_seen(folder: Path, **fields: Any) -> bool:
    """Whether `events.jsonl` has an event with these fields."""
    try:
        lines = (folder / "events.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return False
    for line in lines:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:  # its last line is being written
            continue
        if all(event.get(key) == value for key, value in fields.items()):
            return True
    return False


def interrupt(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGINT)
