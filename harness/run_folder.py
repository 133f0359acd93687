"""Where things are in a run folder (docs/results.md names every file)."""

from __future__ import annotations

from pathlib import Path

SCENARIO = "scenario.yaml"
PLAN = "plan.json"
ENVIRONMENT = "environment.json"
EVENTS = "events.jsonl"
VERDICT = "verdict.json"
REPEAT = "repeat.json"
FAULTS = "faults.jsonl"
PLACES = "places.json"


def repeat_folder(run_folder: Path, cell: str, repeat: int) -> Path:
    """The evidence of one repeat; `cell` is the cell's label."""
    return run_folder / "cells" / cell / f"repeat-{repeat}"


def repeat_folders(run_folder: Path) -> list[Path]:
    """Every repeat's folder that is there, cell by cell in alphabetical order, repeats in theirs."""

    def order(folder: Path) -> tuple[str, int]:
        return folder.parent.name, int(folder.name.removeprefix("repeat-"))

    found = (path for path in run_folder.glob("cells/*/repeat-*") if path.name[len("repeat-") :].isdigit())
    return sorted(found, key=order)


def is_run_folder(folder: Path) -> bool:
    return (folder / PLAN).is_file() and (folder / SCENARIO).is_file()


def is_history(folder: Path) -> bool:
    """Whether a folder holds the evidence of one repeat, by whomever it was written (docs/ledger.md)."""
    return (folder / PLACES).is_file()
