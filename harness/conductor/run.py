"""Every cell of a plan, every repeat, on one environment: one after another, or several side by side (`jobs`).

The first Ctrl-C (or SIGTERM, as CI sends it) ends the load, heals every fault, collects what there is and stops; the
second tears down at once.
"""

from __future__ import annotations

import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import orjson

from faults import EventStream, HopClient
from harness import run_folder as layout
from harness.conductor.names import Names
from harness.conductor.repeat import Repeat, Running
from harness.conductor.schedule import Schedule, Task
from harness.environment import Environment
from harness.errors import EnvironmentFailedError
from harness.events import EnvironmentStarted, Event, Listener, PhaseStarted, RepeatFinished, RepeatStarted
from harness.model import RepeatRecord
from harness.plan import Cell, Plan
from harness.spawning import outliving_its_children

INTERRUPTED = "interrupted"
REPEATS_PER_CLUSTER = 500
"""A cluster that has had so many is replaced. Up to here it is as fast as a new one (benchmarks/endurance.py)."""
SIGNALS_S = 0.2
"""How often the main thread, which alone receives signals, looks whether one came."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conducted:
    """What a run left behind.

    Args:
        repeats: Cell by cell, in the plan's order, its repeats with their folders; cells not reached are absent.
        interrupted: A person (or CI) asked to stop.
        failure: Why the environment failed and the run ended early; empty otherwise.
    """

    repeats: tuple[tuple[Cell, tuple[tuple[RepeatRecord, Path], ...]], ...]
    interrupted: bool
    failure: str


class _Interrupts:
    """Turns the first SIGINT or SIGTERM into a request; the second is a KeyboardInterrupt for whoever looks."""

    def __init__(self) -> None:
        self.asked = False
        self._twice = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            self._twice = True
            raise KeyboardInterrupt
        self.asked = True

    def seen(self) -> bool:
        """
        Raises:
            KeyboardInterrupt: It was the second.
        """
        if self._twice:
            raise KeyboardInterrupt
        return self.asked

    @contextmanager
    def installed(self) -> Iterator[None]:
        before = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        report = sys.unraisablehook
        # One that falls into a finalizer cannot be raised there; it is again by whoever looks next.
        sys.unraisablehook = lambda lost: None if lost.exc_type is KeyboardInterrupt else report(lost)
        try:
            yield
        finally:
            sys.unraisablehook = report
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class _Done:
    task: Task
    record: RepeatRecord
    folder: Path
    failure: str


class _OnThisThread(Executor):
    """One at a time needs no thread: what a repeat raises is raised here, and listeners are called where they were."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def run_plan(
    plan: Plan,
    environment: Environment,
    run_folder: Path,
    listener: Listener,
    on_repeat: Callable[[Cell, RepeatRecord, Path], str],
    *,
    jobs: int = 1,
) -> Conducted:
    """Run every cell `plan.repeat` times.

    Args:
        run_folder: Exists; gets `cells/<label>/repeat-<k>/`.
        listener: Receives every event; never two at a time, but with several jobs on their threads.
        on_repeat: Judges a finished repeat from its folder and returns its verdict word, on the thread that ran it.
        jobs: How many repeats may go on at a time, where their faults allow it.

    Raises:
        KeyboardInterrupt: On the second Ctrl-C.
    """
    token = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(5))
    interrupts = _Interrupts()
    tell = _one_at_a_time(listener)
    schedule = Schedule(plan, jobs=jobs, lanes=environment.topology.lanes)
    began = time.monotonic()
    done: list[_Done] = []

    def serve() -> None:
        """Let the cluster have as many of the repeats as it may."""
        hops = HopClient(environment.proxy_url)
        with EventStream(hops) as stream:
            running = Running(environment, hops, stream, tell, began, interrupts.seen)

            def perform(task: Task) -> _Done:
                with outliving_its_children():
                    names = Names(f"{token}-{task.index}-{task.number}")
                    return _perform(task, plan.repeat, names, run_folder, running, on_repeat)

            with _OnThisThread() if jobs == 1 else ThreadPoolExecutor(jobs, "repeat") as executor:
                done.extend(_perform_all(schedule, environment, executor, perform, interrupts))

    failure = ""
    with interrupts.installed():
        while schedule.waiting:
            if environment.served >= REPEATS_PER_CLUSTER:
                failure = _renewed(environment, tell, began)
            if failure:
                break
            serve()
    failure = next((each.failure for each in done if each.failure), failure)
    return Conducted(_by_cell(plan, done), interrupts.asked, failure)


def _renewed(environment: Environment, listener: Listener, began: float) -> str:
    """Why a worn cluster could not be replaced; empty when it was."""
    try:
        environment.renew()
    except EnvironmentFailedError as error:
        return str(error)
    at = round(time.monotonic() - began, 3)
    listener(EnvironmentStarted(at=at, cluster_id=environment.cluster_id, seconds=environment.seconds, reused=False))
    return ""


def _perform_all(
    schedule: Schedule,
    environment: Environment,
    executor: Executor,
    perform: Callable[[Task], _Done],
    interrupts: _Interrupts,
) -> list[_Done]:
    going_on: dict[Future[_Done], Task] = {}
    done: list[_Done] = []
    while True:
        while environment.served < REPEATS_PER_CLUSTER and (task := schedule.next(going_on.values())):
            environment.served += 1
            going_on[executor.submit(perform, task)] = task
        if not going_on:
            return done
        ended, _ = wait(going_on, timeout=SIGNALS_S, return_when=FIRST_COMPLETED)
        for future in ended:
            del going_on[future]
            done.append(future.result())
            if done[-1].failure:
                schedule.stop()
        if interrupts.seen():
            schedule.stop()


def _perform(
    task: Task,
    repeats: int,
    names: Names,
    run_folder: Path,
    running: Running,
    on_repeat: Callable[[Cell, RepeatRecord, Path], str],
) -> _Done:
    """One repeat, its record written and judged."""
    cell, number = task.cell, task.number
    folder = layout.repeat_folder(run_folder, cell.label, number)
    running.listener(RepeatStarted(at=running.at(), cell=cell.label, repeat=number, repeats=repeats))
    record, failure = _executed(Repeat(cell, number, folder, names, running))
    if running.interrupted():
        record = replace(record, reasons=(*record.reasons, INTERRUPTED))
    _write(folder, record)
    running.listener(PhaseStarted(at=running.at(), cell=cell.label, repeat=number, phase="audit"))
    verdict = on_repeat(cell, record, folder)
    seconds = round(sum(record.seconds.values()), 3)
    running.listener(RepeatFinished(at=running.at(), cell=cell.label, repeat=number, verdict=verdict, seconds=seconds))
    return _Done(task, record, folder, failure)


def _by_cell(plan: Plan, done: Sequence[_Done]) -> tuple[tuple[Cell, tuple[tuple[RepeatRecord, Path], ...]], ...]:
    ordered = sorted(done, key=lambda each: each.task.number)
    found = (
        (cell, tuple((each.record, each.folder) for each in ordered if each.task.cell is cell)) for cell in plan.cells
    )
    return tuple((cell, repeats) for cell, repeats in found if repeats)


def _one_at_a_time(listener: Listener) -> Listener:
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            listener(event)

    return tell


def _executed(repeat: Repeat) -> tuple[RepeatRecord, str]:
    """The record, and why the environment failed; what was written before that stays and is judged."""
    try:
        return repeat.execute(), ""
    except EnvironmentFailedError as error:
        return repeat.record(str(error).splitlines()[0]), str(error)


def _write(folder: Path, record: RepeatRecord) -> None:
    """`repeat.json` and, one a line, `faults.jsonl`: what `audit DIR` needs to judge the repeat again."""
    facts = asdict(record)
    faults = facts.pop("faults")
    (folder / layout.REPEAT).write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    (folder / layout.FAULTS).write_bytes(b"".join(orjson.dumps(fault) + b"\n" for fault in faults))
