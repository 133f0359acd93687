"""What the documents say is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import commands
from harness.plan import make_plan
from harness.scenario import load, parse

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("compose/**/*.md")])


def test_the_readmes_own_question_is_a_scenario() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    plan = make_plan(parse(text, "README.md"))
    assert [cell.label for cell in plan.cells] == ["all"]
    assert [fault.label for fault in plan.scenario.faults] == ["crash processor before commit 3"]


def test_the_readmes_table_names_every_command() -> None:
    named = set(re.findall(r"^\| `eos-chaos ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named == set(commands.commands)


def test_the_readmes_transcript_is_of_the_demo() -> None:
    text = (ROOT / "README.md").read_text()
    (transcript,) = re.findall(r"<!-- transcript: demo -->\n```\n(.*?)```\n<!-- end -->", text, re.DOTALL)
    demo = load(ROOT / "scenarios/fast/where-exactly-once-stops.chaos.yaml")
    for label in ("write=insert", "write=upsert"):
        assert label in transcript
    for fault in demo.faults:
        assert f"fault  {fault.label}: bit (" in transcript
    assert transcript.splitlines()[-1].startswith("AS EXPECTED: exactly-once held in orders, invoices; it stops at ")


def test_make_help_documents_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    documented = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    assert phony == documented


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_shipped_scenario_is_checked_without_a_warning() -> None:
    files = sorted((ROOT / "scenarios").glob("**/*.chaos.yaml"))
    assert files
    result = CliRunner().invoke(commands, ["check", *map(str, files)])
    assert result.exit_code == 0, result.output
    assert "warning" not in result.output
