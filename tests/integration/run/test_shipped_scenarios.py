"""The scenarios that ship, on real brokers: the verdict and the very counts that make it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.environment import Environment
from harness.plan import make_plan
from harness.scenario import load
from harness.session import judge_run_folder, run_scenario
from tests.runs import CommandLine

FAST = Path(__file__).parents[3] / "scenarios" / "fast"
BATCH = 20
"""Each crash repeats, or loses, exactly the batch whose commit it hit."""


def test_where_exactly_once_stops(command_line: CommandLine, tmp_path: Path) -> None:
    """By the command line, from nothing running to the verdict and back to nothing running."""
    folder = tmp_path / "run"
    ended = command_line.run("run", FAST / "where-exactly-once-stops.chaos.yaml", "--out", folder)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    last = ended.stdout.splitlines()[-1]
    assert last == (
        "AS EXPECTED: exactly-once held in orders, invoices; "
        "it stops at invoices_seen when write=insert (20 duplicates in 1 of 1 repeat)"
    )
    verdict = json.loads((folder / "verdict.json").read_text())
    counts = {cell["label"]: places_of(cell) for cell in verdict["cells"]}
    assert counts["write=insert"]["invoices_seen"]["sink-duplicate"] == BATCH
    assert counts["write=upsert"]["invoices_seen"]["sink-duplicate"] == 0
    for places in counts.values():
        assert places["invoices"]["duplicate"] == places["invoices"]["lost-processing"] == 0
        assert places["invoices_seen"]["sink-loss"] == 0
    assert command_line.leftovers() == []
    explained = command_line.run("explain", folder, first_duplicate(folder))
    assert explained.returncode == 0
    assert "invoices_seen" in explained.stdout
    again = command_line.run("audit", folder)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, last), "the stored evidence says the same"


@pytest.mark.timeout(300)
def test_crash_and_commit(environment: Environment, tmp_path: Path) -> None:
    plan = make_plan(load(FAST / "crash-and-commit.chaos.yaml"))
    run = run_scenario(plan, environment, tmp_path, lambda _: None)
    verdict = run.to_json()
    assert verdict["verdict"] == "as-expected", json.dumps(verdict, indent=2)
    assert len(verdict["cells"]) == 6
    for cell in verdict["cells"]:
        invoices = places_of(cell)["invoices"]
        got = invoices["duplicate-processing"], invoices["lost-processing"]
        wanted = {
            "at-most-once": (0, BATCH),
            "at-least-once": (BATCH, 0),
            "exactly-once": (0, 0),
        }[cell["cell"]["semantics"]]
        assert got == wanted, cell["label"]
    assert judge_run_folder(tmp_path).to_json()["cells"][0]["verdict"] == "as-expected"


def places_of(cell: dict[str, Any]) -> dict[str, dict[str, int | None]]:
    (repeat,) = cell["repeats"]
    places: dict[str, dict[str, int | None]] = repeat["places"]
    return places


def first_duplicate(folder: Path) -> str:
    lines = (folder / "cells/write=insert/repeat-1/findings.jsonl").read_text().splitlines()
    findings = [json.loads(line) for line in lines]
    (finding,) = [finding for finding in findings if finding["type"] == "sink-duplicate"]
    return str(finding["samples"][0]["id"])
