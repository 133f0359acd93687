"""Scenario files → plans; the mistakes of all files are shown together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import Problem, ScenarioError
from harness.plan import Plan, make_plan
from harness.scenario import load


def plans_of(
    files: Sequence[Path],
    *,
    only: Sequence[str] = (),
    repeat: int | None = None,
    seed: int | None = None,
) -> list[Plan]:
    """Plan every file, before anything runs.

    Raises:
        ScenarioError: With the problems of every file.
        NothingSelectedError: `only` leaves no cell of a file.
    """
    plans: list[Plan] = []
    problems: list[Problem] = []
    for file in files:
        try:
            plans.append(make_plan(load(file), only=only, repeat=repeat, seed=seed))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return plans
