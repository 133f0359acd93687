"""The scenarios that ship: without mistakes and warnings, planned word for word, and expecting what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from harness.model import Quantifier
from harness.plan import Cell, describe, make_plan
from harness.scenario import load

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(path.relative_to(ROOT) for path in (ROOT / "scenarios").rglob("*.chaos.yaml"))
NONE, SOME = Quantifier.NONE, Quantifier.SOME


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name.removesuffix(".chaos.yaml"))
def test_its_plan(file: Path, snapshot: SnapshotAssertion) -> None:
    plan = make_plan(load(file))
    assert plan.warnings == ()
    assert plan.scenario.question
    assert plan.scenario.name == file.name.removesuffix(".chaos.yaml")
    assert describe(plan) == snapshot


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name.removesuffix(".chaos.yaml"))
def test_every_place_of_every_cell_is_judged(file: Path) -> None:
    assert "not judged" not in describe(make_plan(load(file)))


def wanted(cell: Cell, place: str) -> dict[str, Quantifier]:
    (found,) = (expectation.wanted for expectation in cell.expectations if place in expectation.places)
    return dict(found)


def test_where_exactly_once_stops() -> None:
    plan = make_plan(load(Path("scenarios/fast/where-exactly-once-stops.chaos.yaml")))
    insert, upsert = plan.cells
    exact = {"duplicates": NONE, "losses": NONE}
    for cell in plan.cells:
        assert wanted(cell, "invoices") == exact
    assert wanted(insert, "invoices_seen") == {"duplicates": SOME, "losses": NONE}
    assert wanted(upsert, "invoices_seen") == exact


def test_crash_and_commit() -> None:
    plan = make_plan(load(Path("scenarios/fast/crash-and-commit.chaos.yaml")))
    assert len(plan.cells) == 6
    assert {cell.scenario.apps["processor"].client for cell in plan.cells} == {"kafka-python", "confluent-kafka"}
    for cell in plan.cells:
        commit, expected = {
            "at-most-once": ("before_write", {"duplicates": NONE, "losses": SOME}),
            "at-least-once": ("after_write", {"duplicates": SOME, "losses": NONE}),
            "exactly-once": ("in_transaction", {"duplicates": NONE, "losses": NONE}),
        }[cell.axes["semantics"]]
        assert cell.scenario.apps["processor"].commit == commit
        assert wanted(cell, "invoices") == expected
        assert [fault.label for fault in cell.scenario.faults] == [
            "crash processor before commit 3",
            "crash processor after commit 9",
        ]
