"""What is kept in the folder: of the same command only, and whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.diagnose import Identity, Question
from harness.diagnose.progress import PartitionProgress, Progress, TableProgress, progress_in
from harness.errors import UsageError

QUESTION = Question(bootstrap="h:1", topics=("orders",), by=Identity("key"), dsn="password=secret", table="SELECT 1")


def saved(folder: Path) -> Progress:
    progress = progress_in(folder, QUESTION)
    progress.cluster_id, progress.table = "c", TableProgress(rows=3, unnamed=1)
    progress.committed = {"sink": [["orders", 0, 5], ["orders", 1, None]]}
    progress.partitions = [
        PartitionProgress("orders", 0, "id", 1, 8, 9, 4, {7: 2}, 100, {"plain": 3}, 1, 0, [[7, 0, 2, 99]])
    ]
    progress.save()
    return progress


def test_it_goes_on_with_what_was_saved(tmp_path: Path) -> None:
    progress = saved(tmp_path)
    assert progress_in(tmp_path, QUESTION) == progress
    assert b"secret" not in (tmp_path / "diagnose.json").read_bytes()


def test_it_begins_anew_after_its_end(tmp_path: Path) -> None:
    progress = saved(tmp_path)
    progress.complete = True
    progress.save()
    assert progress_in(tmp_path, QUESTION) == Progress(tmp_path, dict(QUESTION.to_json()))


def test_another_question_needs_another_folder(tmp_path: Path) -> None:
    saved(tmp_path)
    other = replace(QUESTION, topics=("invoices",))
    assert other.fingerprint != QUESTION.fingerprint == replace(QUESTION, dsn="other").fingerprint
    with pytest.raises(UsageError, match="holds the progress of another command"):
        progress_in(tmp_path, other)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 2}', '{"schema": 1, "question": {}}'])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "diagnose.json").write_text(text)
    with pytest.raises(UsageError, match=r"cannot be read|another command"):
        progress_in(tmp_path, QUESTION)


def test_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds something, but no diagnosis"):
        progress_in(tmp_path, QUESTION)
