"""What is going to be run and judged: everything decided, nothing started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.model import Place, Quantifier
from harness.scenario.model import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What one cell must, may or must not show at some places.

    Args:
        index: Of its entry in the scenario's `expect`, from 0.
        places: The names of the places that `in` names; empty without `in`: every place of the cell but the
            read_uncommitted views. `none` must then hold at each of them, `some` at one at least.
        wanted: A type of anomaly (`harness.model.Anomaly`) or a group (`harness.model.GROUPS`) → how often.
        cause: Only findings with this cause count; None: all.
        text: As written.
    """

    index: int
    places: tuple[str, ...]
    wanted: Mapping[str, Quantifier]
    cause: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of the matrix.

    Args:
        label: `write=insert`, several axes joined by `,`; `all` without a matrix. Safe as a folder's name.
        scenario: With the matrix applied.
        seed: Of its load; drawn from the plan's seed and the label alone, whatever other cells run.
        places: With the logical name as `resource`; whoever runs a repeat fills in the physical one.
    """

    label: str
    axes: Mapping[str, str]
    scenario: Scenario
    seed: int
    places: tuple[Place, ...]
    expectations: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The cells that a run executes, `repeat` times each, and what to say about them beforehand."""

    scenario: Scenario
    cells: tuple[Cell, ...]
    warnings: tuple[str, ...]
    seed: int
    repeat: int

    def to_json(self) -> dict[str, Any]:
        """What `plan.json` keeps: enough to know what ran; the scenario itself is stored beside it."""
        return {
            "schema": 1,
            "scenario": self.scenario.name,
            "question": self.scenario.question,
            "seed": self.seed,
            "repeat": self.repeat,
            "warnings": list(self.warnings),
            "cells": [
                {
                    "label": cell.label,
                    "axes": dict(cell.axes),
                    "seed": cell.seed,
                    "faults": [fault.label for fault in cell.scenario.faults],
                    "places": [asdict(place) for place in cell.places],
                    "expectations": [expectation.text for expectation in cell.expectations],
                }
                for cell in self.cells
            ],
        }
