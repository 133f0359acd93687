"""Every cell of a plan, every repeat, one after another on one environment.

The first Ctrl-C (or SIGTERM, as CI sends it) ends the load, heals every fault, collects what there is and stops; the
second tears down at once.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

import orjson

from faults import EventStream, HopClient
from harness import run_folder as layout
from harness.conductor.names import Names
from harness.conductor.repeat import Repeat, Running
from harness.environment import Environment
from harness.errors import EnvironmentFailedError
from harness.events import Listener, PhaseStarted, RepeatFinished, RepeatStarted
from harness.model import RepeatRecord
from harness.plan import Cell, Plan

INTERRUPTED = "interrupted"


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
    """Turns the first SIGINT or SIGTERM into a request; the second is a KeyboardInterrupt."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    @contextmanager
    def installed(self) -> Iterator[None]:
        before = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_plan(
    plan: Plan,
    environment: Environment,
    run_folder: Path,
    listener: Listener,
    on_repeat: Callable[[Cell, RepeatRecord, Path], str],
) -> Conducted:
    """Run every cell `plan.repeat` times.

    Args:
        run_folder: Exists; gets `cells/<label>/repeat-<k>/`.
        listener: Receives every event, on this thread.
        on_repeat: Judges a finished repeat from its folder and returns its verdict word; called before the next begins.

    Raises:
        KeyboardInterrupt: On the second Ctrl-C.
    """
    token = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(5))
    interrupts = _Interrupts()
    done: list[tuple[Cell, tuple[tuple[RepeatRecord, Path], ...]]] = []
    failure = ""
    hops = HopClient(environment.proxy_url)
    with interrupts.installed(), EventStream(hops) as stream:
        running = Running(environment, hops, stream, listener, time.monotonic(), lambda: interrupts.asked)
        for index, cell in enumerate(plan.cells, 1):
            repeats: list[tuple[RepeatRecord, Path]] = []
            for number in range(1, plan.repeat + 1):
                if interrupts.asked or failure:
                    break
                folder = layout.repeat_folder(run_folder, cell.label, number)
                listener(RepeatStarted(at=running.at(), cell=cell.label, repeat=number, repeats=plan.repeat))
                repeat = Repeat(cell, number, folder, Names(f"{token}-{index}-{number}"), running)
                record, failure = _executed(repeat)
                if interrupts.asked:
                    record = replace(record, reasons=(*record.reasons, INTERRUPTED))
                _write(folder, record)
                listener(PhaseStarted(at=running.at(), cell=cell.label, repeat=number, phase="audit"))
                verdict = on_repeat(cell, record, folder)
                repeats.append((record, folder))
                listener(
                    RepeatFinished(
                        at=running.at(),
                        cell=cell.label,
                        repeat=number,
                        verdict=verdict,
                        seconds=round(sum(record.seconds.values()), 3),
                    )
                )
            if repeats:
                done.append((cell, tuple(repeats)))
    return Conducted(tuple(done), interrupts.asked, failure)


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
