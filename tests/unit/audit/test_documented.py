"""docs/ledger.md is executed: its example is a history, its tables are those of the queries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.audit import audit
from harness.audit.auditing import evidence_columns
from harness.cli import commands
from harness.ledger.format import OUTCOMES, STEPS
from harness.model import Anomaly, Cause
from tests.unit.audit.histories import found

PAGE = (Path(__file__).parents[3] / "docs/ledger.md").read_text()


def section(name: str) -> str:
    (text,) = re.findall(rf"<!-- {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    return str(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made(tmp_path, "example")


def made(tmp_path: Path, example: str) -> Path:
    """An example, as whoever reads the page would make it."""
    for name, text in re.findall(r"`([a-z0-9/.-]+)`\n```\n(.*?)```", section(example), re.DOTALL):
        path = tmp_path / "DIR" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # The line that its writer was killed in ends without a newline.
        path.write_text(text.removesuffix("\n") if "outc\n" in text else text)
    return tmp_path / "DIR"


def test_the_example_is_a_history_with_one_duplicate(folder: Path) -> None:
    result = audit(folder)
    assert result.problems == ()
    assert found(result) == {("invoices", "duplicate"): 1, ("invoices", "duplicate-processing"): 1}
    assert result.findings[0].causes == {Cause.PROCESSOR_RESTART: 1}


def test_a_history_without_a_final_read_is_judged(tmp_path: Path) -> None:
    result = audit(made(tmp_path, "second"), cycles=True)
    assert result.problems == ()
    assert found(result) == {
        ("x", "lost-write"): 1,
        ("x", "unseen"): 1,
        ("x", "poll-skip"): 1,
        ("x", "G1c"): 1,
        ("y", "G1c"): 1,
    }
    (skip,) = [finding for finding in result.findings if finding.type == "poll-skip"]
    assert skip.samples[0] | {"operations": []} == {
        "id": "3",
        "positions": [[0, 0], [0, 7]],
        "means": "assign",
        "polled_by": "client#2/1:3",
        "operations": [],
    }
    assert skip.legal == 0


def test_its_command_exits_as_for_any_history(tmp_path: Path) -> None:
    assert CliRunner().invoke(commands, ["audit", str(made(tmp_path, "second"))]).exit_code == 1


def test_the_commands_say_what_the_page_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert CliRunner().invoke(commands, ["audit", "DIR"]).exit_code == 1
    told = CliRunner().invoke(commands, ["explain", "DIR", "order-1"])
    assert told.exit_code == 0
    assert section("transcript") == f"```\n{told.stdout}```\n"


def rows(first_cell: str) -> dict[str, list[str]]:
    """First cell → the others, of the table whose head begins with this cell."""
    (table,) = re.findall(rf"^\| {re.escape(first_cell)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    lines = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table.splitlines()]
    return {cells[0].strip("`"): cells[1:] for cells in lines}


def test_every_type_is_explained_with_its_evidence() -> None:
    told = {name: tuple(re.findall(r"`([a-z_]+)`", cells[-1])) for name, cells in rows("type").items()}
    assert told == {kind.value: evidence_columns(kind) for kind in Anomaly}


def test_every_cause_is_explained() -> None:
    assert set(rows("`cause`")) == {cause.value for cause in Cause}


def test_every_step_and_outcome_is_explained() -> None:
    assert {re.findall(r'"([a-z]+)"', step)[0] for step in rows("step")} == set(STEPS)
    assert all(f"**{outcome}**" in PAGE for outcome in OUTCOMES)
