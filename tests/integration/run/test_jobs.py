"""Repeats side by side on one cluster say what they say one after another."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environment import Environment
from harness.events import Event, RepeatFinished, RepeatStarted
from tests.runs import Played, pipeline, play

MATRIX = """\
  - {crash: sink, at: before commit 2, restart_after: 500ms}
matrix:
  write: {insert: {apps.sink.write: insert}, upsert: {apps.sink.write: upsert}}
"""
COUNTED = """\
  - {in: invoices_seen, cell: {write: insert}, duplicates: some, losses: none}
  - {in: invoices_seen, cell: {write: upsert}, duplicates: none, losses: none}
"""


def scenario() -> str:
    text = pipeline("side-by-side", records=80, faults=MATRIX)
    return text.replace("  - {in: invoices_seen, duplicates: none, losses: none}\n", COUNTED) + "repeat: 2\n"


def judged(played: Played) -> list[object]:
    return [
        (cell["cell"], repeat["verdict"], repeat["reasons"], repeat["places"])
        for cell in played.run.to_json()["cells"]
        for repeat in cell["repeats"]
    ]


def most_at_a_time(events: tuple[Event, ...]) -> int:
    now = most = 0
    for event in events:
        now += isinstance(event, RepeatStarted) - isinstance(event, RepeatFinished)
        most = max(most, now)
    return most


@pytest.mark.timeout(240)
def test_side_by_side_is_as_one_after_another(environment: Environment, tmp_path: Path) -> None:
    runs = []
    for jobs in (1, 3):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        runs.append(play(environment, folder, scenario(), jobs=jobs))
    alone, together = runs
    assert alone.run.verdict.value == "as-expected", judged(alone)
    assert judged(together) == judged(alone)
    assert (most_at_a_time(alone.events), most_at_a_time(together.events)) == (1, 3)
