"""`audit` and `explain` on stored evidence, `check` on files: everything that needs no broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import commands
from tests.unit.report.stored import scenario_text, store_run

INSERT = "run/cells/write=insert/repeat-1"


def eos_chaos(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class TestAuditOfARun:
    def test_judges_it_again_and_changes_nothing(self) -> None:
        store_run(Path("run"))
        before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
        result = eos_chaos("audit", "run")
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[-1] == (
            "AS EXPECTED: exactly-once held in orders; "
            "it stops at rows when write=insert (2 duplicates in 1 of 1 repeat)"
        )
        assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before

    def test_json_is_one_document_on_stdout(self) -> None:
        store_run(Path("run"), insert="none")
        result = eos_chaos("audit", "run", "--json")
        assert result.exit_code == 1
        document = json.loads(result.stdout)
        assert document["verdict"] == "failed"
        assert document["exit_code"] == 1
        assert [cell["verdict"] for cell in document["cells"]] == ["failed", "as-expected"]
        rows = document["cells"][0]["repeats"][0]["places"]["rows"]
        assert (rows["sink-duplicate"], rows["sink-loss"]) == (2, 0)

    def test_only_the_cells_that_were_selected_then_are_judged(self) -> None:
        store_run(Path("run"))
        plan = json.loads(Path("run/plan.json").read_text())
        plan["cells"] = plan["cells"][:1]
        Path("run/plan.json").write_text(json.dumps(plan))
        document = json.loads(eos_chaos("audit", "run", "--json").stdout)
        assert [cell["label"] for cell in document["cells"]] == ["write=insert"]

    @pytest.mark.parametrize("name", ["plan.json", f"{INSERT[4:]}/repeat.json", f"{INSERT[4:]}/faults.jsonl"])
    def test_a_damaged_file_is_named(self, name: str) -> None:
        store_run(Path("run"))
        Path("run", name).write_text("[1, 2")
        result = eos_chaos("audit", "run")
        assert result.exit_code == 2
        assert "run/" in result.stderr
        assert "Traceback" not in result.stderr

    def test_missing_evidence_is_inconclusive_and_said(self) -> None:
        store_run(Path("run"))
        Path(INSERT, "sightings", "rows.jsonl").unlink()
        result = eos_chaos("audit", "run")
        assert result.exit_code == 3, result.output
        assert "rows" in result.stdout.splitlines()[-1]


class TestAuditOfAHistory:
    def test_exits_1_on_a_finding(self) -> None:
        store_run(Path("run"))
        result = eos_chaos("audit", INSERT)
        assert result.exit_code == 1, result.output
        assert "rows: 2 sink-duplicate" in result.stdout
        assert result.stdout.splitlines()[-1] == "FOUND: 2 sink-duplicate in rows"

    def test_exits_0_on_a_clean_one(self) -> None:
        store_run(Path("run"))
        result = eos_chaos("audit", "run/cells/write=upsert/repeat-1")
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[-1] == "CLEAN: no finding in orders, orders@read_uncommitted, rows"

    def test_json(self) -> None:
        store_run(Path("run"))
        document = json.loads(eos_chaos("audit", INSERT, "--json").stdout)
        assert document["exit_code"] == 1
        assert [(f["place"], f["type"], f["count"]) for f in document["findings"]] == [("rows", "sink-duplicate", 2)]

    def test_any_other_folder_is_refused(self) -> None:
        Path("empty").mkdir()
        result = eos_chaos("audit", "empty")
        assert result.exit_code == 2
        assert "neither a run folder" in result.stderr


class TestExplain:
    def test_tells_the_life_in_every_repeat(self) -> None:
        store_run(Path("run"))
        result = eos_chaos("explain", "run", "producer-000002")
        assert result.exit_code == 0, result.output
        assert "cells/write=insert/repeat-1:" in result.stdout
        assert "cells/write=upsert/repeat-1:" in result.stdout
        assert "orders" in result.stdout
        assert "rows" in result.stdout

    def test_of_one_repeat(self) -> None:
        store_run(Path("run"))
        result = eos_chaos("explain", INSERT, "producer-000002")
        assert result.exit_code == 0, result.output
        assert "cells/" not in result.stdout

    def test_an_unknown_record_is_said(self) -> None:
        store_run(Path("run"))
        result = eos_chaos("explain", "run", "producer-9")
        assert result.exit_code == 2
        assert "producer-9" in result.stderr


class TestCheck:
    def test_prints_the_plan_of_every_file(self) -> None:
        for name in ("one", "two"):
            text = scenario_text().replace("rows-twice", name)
            Path(f"{name}.chaos.yaml").write_text(text)
        result = eos_chaos("check", "one.chaos.yaml", "two.chaos.yaml")
        assert result.exit_code == 0, result.output
        for word in ("one", "two", "write=insert", "write=upsert"):
            assert word in result.stdout

    def test_shows_the_mistakes_of_all_files_located(self) -> None:
        for name in ("one", "two"):
            text = scenario_text().replace("restart_after", "restart_afer")
            Path(f"{name}.chaos.yaml").write_text(text)
        result = eos_chaos("check", "one.chaos.yaml", "two.chaos.yaml")
        assert result.exit_code == 2
        assert result.stdout == ""
        for place in ("one.chaos.yaml:10:", "two.chaos.yaml:10:", "did you mean 'restart_after'?"):
            assert place in result.stderr

    def test_a_missing_file_is_said(self) -> None:
        result = eos_chaos("check", "nowhere.chaos.yaml")
        assert result.exit_code == 2
        assert "nowhere.chaos.yaml" in result.stderr
        assert "Traceback" not in result.stderr


class TestRun:
    """What is refused before anything starts."""

    def test_a_selection_without_cells_exits_with_5(self) -> None:
        Path("one.chaos.yaml").write_text(scenario_text())
        result = eos_chaos("run", "one.chaos.yaml", "--only", "write=updert")
        assert result.exit_code == 5, result.output
        assert not Path("runs").exists()

    def test_a_folder_with_evidence_is_not_overwritten(self) -> None:
        Path("one.chaos.yaml").write_text(scenario_text())
        store_run(Path("run"))
        result = eos_chaos("run", "one.chaos.yaml", "--out", "run")
        assert result.exit_code == 2
        assert "not empty" in result.stderr
