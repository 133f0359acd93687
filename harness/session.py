"""One scenario from plan to verdict: what the command line and the pytest plugin both do.

`run_scenario` conducts a plan on an environment, audits and judges each repeat before the next begins, and
leaves a complete run folder. `judge_run_folder` does the second half again on a stored one, without a broker.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from harness import run_folder as layout
from harness.audit import audit, write_findings
from harness.errors import HistoryError, Problem
from harness.events import Event, Listener, RunFinished
from harness.model import Audit, FaultOutcome, RepeatRecord
from harness.plan import Cell, Plan, make_plan
from harness.report.events import EventLog
from harness.report.json import write_json
from harness.scenario import load
from harness.verdict import RepeatVerdict, RunVerdict, judge_cell, judge_repeat, judge_run

if TYPE_CHECKING:  # judging a stored run must not load what runs brokers
    from harness.environment import Environment

INTERRUPTED = "interrupted"


def run_scenario(
    plan: Plan, environment: Environment, run_folder: Path, listener: Listener, *, jobs: int = 1
) -> RunVerdict:
    """Run a plan and judge it.

    Args:
        run_folder: Exists and is empty; gets everything that docs/results.md names.
        listener: Receives every event, also those written to `events.jsonl`.
        jobs: How many repeats may go on at a time, where their faults allow it.

    Returns:
        The verdict, also when the run was interrupted or its environment failed: what there is gets judged.

    Raises:
        KeyboardInterrupt: On the second Ctrl-C; the folder then has no `verdict.json`.
    """
    from harness.conductor import run_plan

    began = time.monotonic()
    shutil.copyfile(plan.scenario.file, run_folder / layout.SCENARIO)
    write_json(run_folder / layout.PLAN, plan.to_json())
    write_json(run_folder / layout.ENVIRONMENT, environment.describe())
    judged: dict[str, list[RepeatVerdict]] = {}

    def judge(cell: Cell, record: RepeatRecord, folder: Path) -> str:
        found = _audit(folder)
        write_findings(folder, found)
        verdict = judge_repeat(cell, record, found)
        judged.setdefault(cell.label, []).append(verdict)
        return verdict.verdict.value

    with EventLog(run_folder / layout.EVENTS) as log:

        def tell(event: Event) -> None:
            log(event)
            listener(event)

        conducted = run_plan(plan, environment, run_folder, tell, judge, jobs=jobs)
        run = _judge(plan, judged, interrupted=conducted.interrupted, environment_failure=conducted.failure)
        write_json(run_folder / layout.VERDICT, run.to_json())
        at = round(time.monotonic() - began, 3)
        tell(RunFinished(at=at, verdict=run.verdict.value, exit_code=int(run.exit_code)))
    return run


def judge_run_folder(run_folder: Path) -> RunVerdict:
    """Audit and judge a stored run again; the folder is only read.

    Raises:
        HistoryError: The folder is not complete enough to be judged.
        ScenarioError: Its scenario is not one of this version.
    """
    plan = _stored_plan(run_folder)
    judged: dict[str, list[RepeatVerdict]] = {}
    for cell in plan.cells:
        for number in range(1, plan.repeat + 1):
            folder = layout.repeat_folder(run_folder, cell.label, number)
            if (folder / layout.REPEAT).is_file():
                record = read_repeat(folder)
                judged.setdefault(cell.label, []).append(judge_repeat(cell, record, _audit(folder)))
    ended = _read_json(run_folder / layout.VERDICT) if (run_folder / layout.VERDICT).is_file() else {}
    return _judge(
        plan,
        judged,
        interrupted=bool(ended.get("interrupted")),
        environment_failure=str(ended.get("environment_failure") or ""),
    )


def read_repeat(folder: Path) -> RepeatRecord:
    """What the conductor left of one repeat.

    Raises:
        HistoryError: A file is missing or is not what the conductor writes.
    """
    facts = _read_json(folder / layout.REPEAT)
    lines = (folder / layout.FAULTS).read_bytes().splitlines() if (folder / layout.FAULTS).is_file() else []
    try:
        faults = tuple(FaultOutcome(**orjson.loads(line)) for line in lines)
        return RepeatRecord(
            cell=facts["cell"],
            repeat=facts["repeat"],
            faults=faults,
            reasons=tuple(facts["reasons"]),
            fenced=facts.get("fenced", {}),
            seconds=facts["seconds"],
        )
    except (KeyError, TypeError, orjson.JSONDecodeError) as error:
        message = f"not the record of a repeat: {error!r}"
        raise HistoryError([Problem(message=message, file=str(folder / layout.REPEAT))]) from error


def _judge(
    plan: Plan, judged: Mapping[str, list[RepeatVerdict]], *, interrupted: bool, environment_failure: str
) -> RunVerdict:
    cells = []
    for cell in plan.cells:
        repeats = sorted(judged.get(cell.label, ()), key=lambda verdict: verdict.repeat)
        cells.append(judge_cell(cell, repeats, planned=plan.repeat))
    return judge_run(plan, cells, interrupted=interrupted, environment_failure=environment_failure)


def _audit(folder: Path) -> Audit:
    """Without usable evidence (the environment died early) a repeat proves nothing; that is no error here."""
    try:
        return audit(folder)
    except HistoryError as error:
        return Audit(findings=(), counts={}, problems=(str(error),))


def _stored_plan(run_folder: Path) -> Plan:
    """The plan of a stored run, restricted to the cells that were selected then."""
    stored = _read_json(run_folder / layout.PLAN)
    try:
        labels = [cell["label"] for cell in stored["cells"]]
        plan = make_plan(load(run_folder / layout.SCENARIO), repeat=stored["repeat"], seed=stored["seed"])
    except (KeyError, TypeError) as error:
        message = f"not a plan of this version: {error!r}"
        raise HistoryError([Problem(message=message, file=str(run_folder / layout.PLAN))]) from error
    return replace(plan, cells=tuple(cell for cell in plan.cells if cell.label in labels))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise HistoryError([Problem(message=f"cannot be read: {error}", file=str(path))]) from error
    if not isinstance(document, dict):
        raise HistoryError([Problem(message="is not a JSON object", file=str(path))])
    return document
