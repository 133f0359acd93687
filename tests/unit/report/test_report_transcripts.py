"""Whole reports, word for word: a change of wording is a diff that one can review."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from harness.audit import life, render
from harness.report.terminal import print_report
from harness.session import judge_run_folder
from tests.unit.report.stored import NEVER, store_run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # so that paths in the transcripts are relative


def transcript(folder: Path, *, colour: bool = False) -> tuple[int, str]:
    """Exit code and report of a stored run."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=200,
        force_terminal=colour,
        color_system="256" if colour else None,
        _environ={"TERM": "xterm-256color"},
    )
    run = judge_run_folder(folder)
    print_report(console, run, folder, "rows-twice.chaos.yaml")
    return int(run.exit_code), stream.getvalue()


def without_trailing_blanks(text: str) -> str:
    """And without times, which differ from run to run; test_report_times.py has them."""
    return "\n".join(re.sub("^(time +).*", r"\1…", line).rstrip() for line in text.splitlines())


STORIES = {
    "success": {},
    "failed": {"insert": "none"},
    "failed-because-nothing-was-found": {"upsert": "some"},
    "inconclusive": {"fault": NEVER},
    "interrupted": {"cells": 1, "reasons": ["interrupted"], "ended": {"interrupted": True}},
    "environment-failed": {
        "cells": 1,
        "reasons": ["broker 2 died in mid-run"],
        "ended": {"environment_failure": "broker 2 died in mid-run; its last log lines:\n  OutOfMemoryError"},
    },
}
EXIT_CODES = {
    "success": 0,
    "failed": 1,
    "failed-because-nothing-was-found": 1,
    "inconclusive": 3,
    "interrupted": 130,
    "environment-failed": 4,
}


@pytest.mark.parametrize("story", STORIES)
def test_transcript(story: str, snapshot: SnapshotAssertion) -> None:
    store_run(Path("run"), **STORIES[story])
    code, text = transcript(Path("run"))
    assert code == EXIT_CODES[story]
    assert without_trailing_blanks(text) == snapshot


def test_a_success_is_at_most_twelve_lines_beside_the_one_life() -> None:
    store_run(Path("run"))
    _, text = transcript(Path("run"))
    told = render(life(Path("run/cells/write=insert/repeat-1"), "producer-000002"))
    assert len([line for line in text.splitlines() if line.strip()]) - len(told) <= 12


def test_an_expected_duplicate_has_no_colour_of_alarm_and_the_words_are_there_without_any() -> None:
    store_run(Path("run"))
    _, coloured = transcript(Path("run"), colour=True)
    _, plain = transcript(Path("run"))
    assert "\x1b[" in coloured
    for alarm in ("\x1b[31m", "\x1b[1;31m", "\x1b[35m", "\x1b[1;35m"):
        assert alarm not in coloured
    assert "AS EXPECTED" in plain
    assert "\x1b" not in plain


def test_a_life_that_cannot_be_read_does_not_hide_the_verdict() -> None:
    store_run(Path("run"), insert="none")
    run = judge_run_folder(Path("run"))
    for ledger in Path("run").glob("cells/*/*/ledger/*"):
        ledger.write_text("not a ledger\n")
    stream = io.StringIO()
    print_report(Console(file=stream, width=200), run, Path("run"), "rows-twice.chaos.yaml")
    assert "its life cannot be read" in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].startswith("FAILED: 2 duplicates in rows when write=insert")
