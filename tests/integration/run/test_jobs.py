"""Repeats side by side on one cluster say what they say one after another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.environment import Environment, open_environment
from harness.events import EnvironmentStarted, Event, RepeatFinished, RepeatStarted
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


@pytest.mark.timeout(240)
def test_a_worn_cluster_is_replaced_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.conductor.run.REPEATS_PER_CLUSTER", 2)
    with open_environment() as own:
        first = own.cluster_id
        played = play(own, tmp_path, pipeline("worn", records=40) + "repeat: 3\n", jobs=2)
        assert own.cluster_id != first
        assert own.served == 1
    assert played.run.verdict.value == "as-expected", judged(played)
    (renewed,) = (event for event in played.events if isinstance(event, EnvironmentStarted))
    assert renewed.cluster_id == own.cluster_id
    logs = sorted((played.folder / "cells").rglob("sightings/orders.jsonl"))
    clusters = [json.loads(log.read_text().splitlines()[0])["cluster_id"] for log in logs]
    assert clusters == [first, first, own.cluster_id]
