"""The apps of one repeat as operating-system processes: start, watch, restart, stop.

What runs: one process per incarnation, `python -m harness.apps.<kind> CONFIG`, in a session of its own so that a
terminal's Ctrl-C reaches only the harness. Children die with the harness (PR_SET_PDEATHSIG), which acts when the
*thread* that spawned them ends: a repeat runs on one thread, and none of its apps is left when that thread ends.

An exit is expected when a fault or the end of the repeat asked for it, when a producer has sent everything (0), or
when a supervisor deals with it (`supervision.py`). Any other makes the repeat inconclusive: what an app that broke left
behind proves nothing about the guarantee.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from faults.process import ProcessHandle
from harness.conductor.supervision import EXIT_FINISHED, Ruling, rule_on
from harness.environment import Lane
from harness.scenario.model import Restart
from harness.spawning import spawn

LOG_TAIL_LINES = 3


@dataclass(slots=True)
class Instance:
    """One instance of an app over all its incarnations.

    Args:
        config: The app's configuration without what changes per incarnation.
        lane: Its own way into the cluster, for as long as the repeat lasts.
        restart: What its supervisor does; None for the usual.
        restarts: How often the supervisor has started it again.
        ending: Why its present incarnation is about to end, when a fault or the end of the repeat says so.
    """

    app: str
    kind: str
    number: int
    lane: Lane
    config: dict[str, Any]
    restart: Restart | None = None
    incarnation: int = 0
    restarts: int = 0
    restart_at: float | None = None
    ending: str = ""
    finished: bool = False
    popen: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"{self.app}#{self.number}"

    @property
    def process(self) -> str:
        return f"{self.name}/{self.incarnation}"

    @property
    def file_stem(self) -> str:
        return f"{self.app}-{self.number}-{self.incarnation}"

    @property
    def running(self) -> bool:
        return self.popen is not None


@dataclass(frozen=True, slots=True)
class Exit:
    """How an incarnation ended; `reason` is empty unless the exit makes the repeat inconclusive."""

    process: str
    code: int
    reason: str


class Processes:
    """All instances of one repeat. Call `poll()` often: it reaps, and starts the successors that are due."""

    def __init__(
        self,
        instances: Sequence[Instance],
        folder: Path,
        on_start: Callable[[Instance, int], None],
        on_exit: Callable[[Exit], None],
    ) -> None:
        self.instances = tuple(instances)
        self._folder = folder
        self._on_start = on_start
        self._on_exit = on_exit
        self._over = False
        for name in ("ledger", "logs", "apps"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def of(self, app: str, number: int | None = None) -> list[Instance]:
        return [i for i in self.instances if i.app == app and number in (None, i.number)]

    def on_lane(self, lane: str) -> Instance | None:
        return next((i for i in self.instances if i.lane.name == lane), None)

    def producers_finished(self) -> bool:
        return all(i.finished for i in self.instances if i.kind == "producer")

    def restarting(self) -> bool:
        return any(i.restart_at is not None for i in self.instances)

    def start(self, instance: Instance) -> None:
        """Start the next incarnation."""
        instance.incarnation += 1
        instance.restart_at = None
        instance.ending = ""
        config = {
            **instance.config,
            "incarnation": instance.incarnation,
            "process": instance.process,
            "ledger": str(self._folder / "ledger" / f"{instance.file_stem}.jsonl"),
            "state": str(self._state(instance)),
        }
        path = self._folder / "apps" / f"{instance.file_stem}.json"
        path.write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
        instance.popen = spawn(
            [sys.executable, "-m", f"harness.apps.{instance.kind}", str(path)], log=self.log(instance)
        )
        self._on_start(instance, instance.popen.pid)

    def poll(self) -> None:
        now = time.monotonic()
        for instance in self.instances:
            if instance.popen is not None and instance.popen.poll() is not None:
                self._ended(instance)
            if instance.popen is None and instance.restart_at is not None and now >= instance.restart_at:
                self.start(instance)

    def handle(self, instance: Instance) -> ProcessHandle:
        """The running incarnation, for a fault; its exit is reaped through its owner."""
        assert instance.popen is not None, f"{instance.name} is not running"
        popen = instance.popen
        return ProcessHandle.of(popen.pid, reap=popen.wait)

    def expect_end(self, instance: Instance, why: str, restart_after_s: float | None) -> None:
        """A fault is about to end this incarnation: its exit is no surprise, and its successor has a time.

        Args:
            restart_after_s: None: that is for its supervisor to say.
        """
        instance.ending = why
        instance.restart_at = None if restart_after_s is None else time.monotonic() + restart_after_s

    def stop(self, timeout_s: float) -> Iterator[str]:
        """SIGTERM to all, SIGKILL to who does not go; yields a reason for each that had to be killed."""
        self._over = True
        for instance in self.instances:
            instance.restart_at = None
            if instance.popen is not None:
                instance.popen.terminate()
        deadline = time.monotonic() + timeout_s
        for instance in self.instances:
            if instance.popen is None:
                continue
            try:
                instance.popen.wait(max(deadline - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                instance.popen.kill()
                instance.popen.wait(10)
                yield f"{instance.process} did not stop within {timeout_s:g} s of SIGTERM and was killed"
            self._ended(instance)

    def kill(self) -> None:
        """Tear down now."""
        for instance in self.instances:
            instance.restart_at = None
            if instance.popen is not None:
                instance.popen.kill()
                instance.popen.wait(10)
                instance.popen = None

    def log(self, instance: Instance) -> Path:
        return self._folder / "logs" / f"{instance.file_stem}.log"

    def _state(self, instance: Instance) -> Path:
        """What an app must remember over a crash lives here; never read by us, never shared with the evidence."""
        path = self._folder / "apps" / f"{instance.app}-{instance.number}.state"
        path.mkdir(exist_ok=True)
        return path

    def _ended(self, instance: Instance) -> None:
        assert instance.popen is not None
        code = instance.popen.returncode
        instance.popen = None
        self._on_exit(Exit(instance.process, code, self._judge_exit(instance, code)))

    def _judge_exit(self, instance: Instance, code: int) -> str:
        if self._over or instance.restart_at is not None:
            return ""
        if code == EXIT_FINISHED and instance.kind == "producer":
            instance.finished = True
            return ""
        ruling = rule_on(instance.restart, code, instance.restarts, by_a_fault=bool(instance.ending))
        if isinstance(ruling, Ruling):
            if ruling.restart_after_s is not None:
                instance.restarts += 1
                instance.restart_at = time.monotonic() + ruling.restart_after_s
            return ""
        return f"{instance.process} {ruling}{self._tail(instance)}"

    def _tail(self, instance: Instance) -> str:
        lines = self.log(instance).read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return ": " + " | ".join(line.strip() for line in lines) if lines else " and left an empty log"
