"""The report on stdout.

It answers, in this order: show me one record; did the fault really happen? where did the same not happen? how
do I repeat it? where did it hold, with counts? The last line says whether it held: eyes rest there.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from harness.model import FaultOutcome, Verdict
from harness.report.conclusion import conclusion, reasons_of
from harness.report.matrix import matrix
from harness.report.story import story
from harness.report.telling import Exhibit, exhibit_of, nearest_clean_cell
from harness.report.times import times
from harness.report.words import VERDICT_STYLES, VERDICT_WORDS, noun, number
from harness.run_folder import repeat_folder
from harness.verdict import CellVerdict, RunVerdict

_REASONS_SHOWN_MAX = 8
_FRAME_FACTS = ("api", "at", "hop", "correlation_id", "held_ms", "ended")


def print_report(console: Console, run: RunVerdict, run_folder: Path, scenario_file: str) -> None:
    """Print the whole report.

    Args:
        console: On stdout; decides about colour and width.
        run_folder: Where the lives of records are read from.
        scenario_file: As the person named it; for the command that repeats a case.
    """
    for part in _parts(run, run_folder, scenario_file):
        console.print(part, soft_wrap=isinstance(part, Text), highlight=False)


def _parts(run: RunVerdict, run_folder: Path, scenario_file: str) -> Iterator[RenderableType]:
    exhibit = exhibit_of(run)
    if exhibit:
        yield from _exhibit(run, exhibit, run_folder, scenario_file)
        yield Text()
    elif run.verdict is Verdict.INCONCLUSIVE:
        yield from _reasons(run, run_folder, scenario_file)
        yield Text()
    if any(cell.repeats for cell in run.cells):
        yield matrix(run)
        yield Text()
        yield _label("time", times(run))
    for warning in run.warnings:
        yield Text(f"warning: {warning}")
    verdict = Text(VERDICT_WORDS[run.verdict], style=VERDICT_STYLES[run.verdict])
    yield verdict.append(f": {conclusion(run)}", style="not bold")


def _exhibit(run: RunVerdict, exhibit: Exhibit, run_folder: Path, scenario_file: str) -> Iterator[RenderableType]:
    yield Text(_caption(run, exhibit), style="bold")
    if exhibit.finding:
        folder = repeat_folder(run_folder, exhibit.cell.label, exhibit.repeat.repeat)
        yield from (Text(f"  {line}") for line in story(exhibit.finding, folder))
    yield Text()
    for cause, count in (exhibit.finding.causes if exhibit.finding else {}).items():
        yield _label("why", f"{cause} ({count} of {exhibit.finding.count})" if exhibit.finding else cause)
    for fault in exhibit.repeat.faults:
        yield _label("fault", fault_line(fault))
    if exhibit.finding:
        yield _label("clean", _clean(nearest_clean_cell(run, exhibit), exhibit))
    yield _label("again", repeat_command(run, exhibit.cell, scenario_file))


def _caption(run: RunVerdict, exhibit: Exhibit) -> str:
    cell = "" if exhibit.cell.label == "all" else f"{exhibit.cell.label}, "
    where = f"{cell}repeat {exhibit.repeat.repeat}"
    if exhibit.finding is None:
        what = f"{exhibit.check.quantifier.value} {noun(exhibit.check.word)}"
        place = f"in {exhibit.place}" if exhibit.place else "at any place"
        return f"Expected {what} {place} ({where}): none there"
    expected = "expected" if run.verdict is Verdict.AS_EXPECTED else "not expected"
    found = number(exhibit.finding.count, exhibit.finding.type)
    return f"The first of {found} in {exhibit.place} ({where}), {expected} there"


def fault_line(fault: FaultOutcome) -> str:
    """What became of one fault, and what proves it, on one line."""
    if not fault.fired:
        return f"{fault.fault}: never fired{_because(fault)}"
    if not fault.bit:
        return f"{fault.fault}: fired {fault.fired}, did not bite{_because(fault)}"
    healed = "" if fault.healed else f"; did not heal{_because(fault)}"
    proof = "; ".join(_proof(fault.evidence))
    return f"{fault.fault}: bit{proof and f' ({proof})'}{healed}"


def _proof(evidence: Mapping[str, Any]) -> Iterator[str]:
    """The frame, then what was done, then anything else that is short; moments are left to `verdict.json`."""
    frame = evidence.get("frame") or {}
    for facts in ({key: frame[key] for key in _FRAME_FACTS if key in frame}, *evidence.get("acts", ()), evidence):
        told = [f"{key.replace('_', ' ')} {value}" for key, value in facts.items() if _is_telling(key, value)]
        if told:
            yield ", ".join(told)


def _because(fault: FaultOutcome) -> str:
    return f", because {fault.why}" if fault.why else ""


def _is_telling(key: str, value: Any) -> bool:
    return isinstance(value, (str, int, float)) and len(str(value)) <= 40 and not key.endswith("_ns")


def _clean(cell: CellVerdict | None, exhibit: Exhibit) -> str:
    assert exhibit.finding is not None
    what = f"{number(0, exhibit.finding.type)} in {exhibit.place}"
    return f"{cell.label}: {what}" if cell else f"no cell of this run has {what}"


def repeat_command(run: RunVerdict, cell: CellVerdict, scenario_file: str) -> str:
    """The command that runs one cell again, with the same seed and as many repeats."""
    only = [part for axis, value in cell.axes.items() for part in ("--only", f"{axis}={value}")]
    command = ["eos-chaos", "run", scenario_file, *only, "--seed", str(run.seed), "--repeat", str(run.repeat)]
    return shlex.join(command)


def _reasons(run: RunVerdict, run_folder: Path, scenario_file: str) -> Iterator[RenderableType]:
    yield Text("Why nothing can be concluded", style="bold")
    for line in run.environment_failure.splitlines():
        yield Text(f"  {line}")
    reasons = reasons_of(run)
    for reason in reasons[:_REASONS_SHOWN_MAX]:
        yield Text(f"  {reason}")
    if len(reasons) > _REASONS_SHOWN_MAX:
        yield Text(f"  and {len(reasons) - _REASONS_SHOWN_MAX} more, see verdict.json")
    yield Text()
    undecided = [cell for cell in run.cells if cell.verdict is Verdict.INCONCLUSIVE]
    for cell in undecided[:1]:
        for repeat in [repeat for repeat in cell.repeats if repeat.reasons][:1]:
            yield _label("look", f"{repeat_folder(run_folder, cell.label, repeat.repeat)}/logs")
        yield _label("again", repeat_command(run, cell, scenario_file))


def _label(label: str, text: str) -> Text:
    return Text(f"{label:<7}", style="bold").append(text, style="not bold")
