"""Where evidence goes: never mixed, never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.folders import run_folders
from harness.errors import UsageError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_by_default_a_folder_per_run_and_a_link_to_the_newest() -> None:
    (first,) = run_folders(["one"], None)
    first.joinpath("plan.json").touch()
    (second,) = run_folders(["one"], None)
    assert first.parent == Path("runs")
    assert first.name.startswith("one-")
    assert second != first
    assert Path("runs/latest").resolve() == second.resolve()


def test_out_is_the_folder_itself_for_one_scenario(tmp_path: Path) -> None:
    assert run_folders(["one"], tmp_path / "evidence") == [tmp_path / "evidence"]
    assert not Path("runs").exists()


def test_out_holds_a_folder_per_scenario_for_several(tmp_path: Path) -> None:
    out = tmp_path / "evidence"
    assert run_folders(["one", "two"], out) == [out / "one", out / "two"]


def test_two_scenarios_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    (tmp_path / "taken" / "one").mkdir(parents=True)
    first, second = run_folders(["one", "one"], None)
    first.joinpath("plan.json").touch()
    assert first != second


def test_an_empty_out_may_exist(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    assert run_folders(["one"], tmp_path / "evidence") == [tmp_path / "evidence"]


def test_a_folder_with_evidence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "plan.json").touch()
    with pytest.raises(UsageError, match="not empty"):
        run_folders(["one"], tmp_path / "evidence")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        run_folders(["one"], tmp_path / "file" / "evidence")
