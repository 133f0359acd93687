"""docs/scenarios.md: every block of it does what the page says, and its reference is the language's own."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import ScenarioError
from harness.plan import make_plan
from harness.scenario import Scenario, parse
from harness.scenario.faults import KINDS
from harness.scenario.reference import reference

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(.*)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE)
WHOLE = [text for kind, text in BLOCKS if kind == "yaml"]
PARTS = [text for kind, text in BLOCKS if kind == "yaml part"]
MISTAKES = [(text, after) for (kind, text), (_, after) in itertools.pairwise(BLOCKS) if kind == "yaml mistake"]
FILE = "example.chaos.yaml"


def test_there_is_no_block_that_nobody_executes() -> None:
    assert {kind for kind, _ in BLOCKS} == {"yaml", "yaml part", "yaml mistake", "text"}
    assert len(BLOCKS) == len(WHOLE) + len(PARTS) + 2 * len(MISTAKES)


def test_the_whole_scenario_is_the_one_that_ships() -> None:
    (text,) = WHOLE
    assert text == (ROOT / "scenarios/fast/where-exactly-once-stops.chaos.yaml").read_text(encoding="utf-8")


def in_the_whole(part: str) -> Scenario:
    """The page's scenario with the sections of `part` for its own; what is about its matrix goes with it."""
    whole: dict[str, Any] = yaml.safe_load(WHOLE[0])
    sections = yaml.safe_load(part)
    kept = {key: value for key, value in whole.items() if key not in ("matrix", "expect", "faults")}
    return parse(yaml.safe_dump(kept | sections, sort_keys=False), FILE)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_fits_into_the_whole(part: str) -> None:
    assert make_plan(in_the_whole(part)).cells


def test_every_kind_of_fault_has_an_example() -> None:
    assert {fault.kind for part in PARTS for fault in in_the_whole(part).faults} == set(KINDS)


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_a_mistake_is_told_as_the_page_says(text: str, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text, FILE)
    assert f"{caught.value}\n" == told


def test_the_reference_is_the_languages_own() -> None:
    _, found, written = PAGE.partition("a test keeps it so. -->\n\n")
    assert found
    assert written == reference(), "replace it by what `python -m harness.scenario reference` prints"
