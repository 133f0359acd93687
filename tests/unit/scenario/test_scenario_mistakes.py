"""One file per family of mistakes, and every message about it word for word (`pytest --snapshot-update`)."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from harness.errors import ExitCode, ScenarioError
from harness.scenario import load
from tests.unit.scenario.texts import mistakes

MISTAKES = Path(__file__).parent / "mistakes"
FAMILIES = sorted(file.name.removesuffix(".chaos.yaml") for file in MISTAKES.iterdir())


def refused(path: Path) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    return caught.value


@pytest.mark.parametrize("family", FAMILIES)
def test_every_mistake_is_told_where_it_stands(
    family: str, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(MISTAKES)
    error = refused(Path(f"{family}.chaos.yaml"))
    assert error.exit_code is ExitCode.USAGE
    assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)
    assert [*error.problems] == sorted(error.problems, key=lambda problem: (problem.line, problem.column))
    assert str(error) == snapshot


def test_a_column_points_at_what_is_wrong_in_its_line() -> None:
    (problem,) = refused(MISTAKES / "tabs.chaos.yaml").problems
    assert problem.source[problem.column - 1] == "\t"


@pytest.mark.parametrize(
    ("name", "reason"), [("absent.chaos.yaml", "No such file or directory"), (".", "Is a directory")]
)
def test_what_cannot_be_read_is_said_with_its_name(tmp_path: Path, name: str, reason: str) -> None:
    error = refused(tmp_path / name)
    assert str(error) == f"{tmp_path / name}: cannot be read: {reason}"


def test_a_file_that_may_not_be_read_is_said_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bytes:  # root may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert str(refused(tmp_path / "x")) == f"{tmp_path / 'x'}: cannot be read: Permission denied"


def test_what_several_cells_share_is_told_once() -> None:
    found = mistakes(
        faults="[{crash: sink, at: before EndTxn 1}]",
        matrix="{write: {a: {apps.sink.write: insert}, b: {apps.sink.write: upsert}}}",
    )
    assert found == [(8, 28, "'EndTxn' never happens in sink, a sink with commit: after_write")]


def test_a_mistake_in_one_part_hides_none_in_another() -> None:
    messages = [
        message
        for _, _, message in mistakes(
            seed="soon",
            topics="{orders: {}, invoices: {}, spare: {partitions: 0}}",
            faults="[{crash: nobody, at: 5s}, {pause: sink, at: 5s}]",
            matrix="{write: {a: {apps.nobody.write: insert}}}",
            expect="[{in: nowhere, losses: none}]",
        )
    ]
    assert messages == [
        "topics.spare.partitions must be at least 1, not 0",
        "seed must be a whole number, not 'soon'",
        "there is no app 'nobody'",
        "faults[1]: a pause fault has neither 'for' nor 'until'",
        "path 'apps.nobody.write' leads nowhere: no 'nobody'",
        "there is no place 'nowhere'",
    ]
