"""Correct pipelines show nothing, whatever happened in them; an anomaly planted into one is found, with its count."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit import audit
from harness.model import Anomaly
from tests.unit.audit.histories import found, write
from tests.unit.audit.pipelines import PLANTS, Pipeline

# One trial judges many pipelines at once, so a tenth of the profile's trials is plenty of them.
TRIALS = max(settings.default.max_examples // 10, 5) if settings.default else 10

seeds = st.lists(st.integers(0, 2**32), min_size=1, max_size=40, unique=True)


@settings(max_examples=TRIALS)
@given(seeds)
def test_nothing_is_found_in_correct_pipelines(seeds: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        result = audit(write((Pipeline(seed, f"p{seed}.").history for seed in seeds), Path(folder)))
    assert result.findings == ()


@settings(max_examples=TRIALS)
@given(seeds)
def test_what_was_planted_is_found_and_nothing_else(seeds: list[int]) -> None:
    pipelines, expected = [], {}
    for number, seed in enumerate(seeds):
        pipeline = Pipeline(seed, f"p{number}.")
        planted = PLANTS[seed % len(PLANTS)](pipeline)
        pipelines.append(pipeline)
        expected[pipeline.history.prefix] = planted or {}
    with tempfile.TemporaryDirectory() as folder:
        result = audit(write((pipeline.history for pipeline in pipelines), Path(folder)))
    for number, seed in enumerate(seeds):
        prefix = f"p{number}."
        assert found(result, prefix) == expected[prefix], f"seed {seed}: {PLANTS[seed % len(PLANTS)].__name__}"


@pytest.mark.parametrize("index", range(len(PLANTS)), ids=lambda index: PLANTS[index].__name__)
def test_every_plant_takes_root(index: int, tmp_path: Path) -> None:
    """Over thirty pipelines each plant finds its place in some, or the test above would prove nothing of it."""
    grown = [PLANTS[index](Pipeline(seed, "p.")) for seed in range(30)]
    assert any(grown)


def test_every_type_is_planted() -> None:
    planted = {kind for function in PLANTS for seed in range(30) for _, kind in (function(Pipeline(seed, "p.")) or {})}
    assert planted == set(Anomaly)
