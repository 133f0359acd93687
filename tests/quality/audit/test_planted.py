"""Correct pipelines show nothing, whatever happened in them; an anomaly planted into one is found, with its records.

A trial is one seed: a random pipeline as it ran, and the same one with one anomaly planted into it. Many are judged in
one folder, since nothing joins what has different names. `QUALITY_TRIALS` says how many, `QUALITY_SEED` from which seed
on; a failure names the seed, and `Pipeline(seed, "p.")` is that pipeline.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from harness.audit import audit
from harness.model import Anomaly, Audit
from tests.unit.audit.clients import CLIENT_PLANTS, Clients
from tests.unit.audit.histories import Found, History, found, write
from tests.unit.audit.oracle import Oracle
from tests.unit.audit.pipelines import PLANTS, Pipeline

TRIALS = int(os.environ.get("QUALITY_TRIALS", "2000"))
FIRST = int(os.environ.get("QUALITY_SEED", "0"))
BATCH = 100

Grown = Pipeline | Clients


def grow(seed: int, prefix: str, *, planted: bool) -> tuple[Grown, Found, str]:
    """A trial's pipeline, what must be found in it, and what was planted."""
    make, plants = (Clients, CLIENT_PLANTS) if seed % 3 == 0 else (Pipeline, PLANTS)
    order = Random(seed).sample(plants, len(plants)) if planted else []  # type: ignore[arg-type,var-annotated]
    for plant in order:
        grown = make(seed, prefix)
        expected = plant(grown)
        if expected:
            return grown, expected, plant.__name__
    return make(seed, prefix), {}, "nothing"


@pytest.mark.parametrize("first", range(FIRST, FIRST + TRIALS, BATCH))
def test_what_was_planted_is_found_and_nothing_else(first: int, tmp_path: Path) -> None:
    trials = {}
    for seed in range(first, min(first + BATCH, FIRST + TRIALS)):
        for planted in (False, True):
            prefix = f"{'p' if planted else 'c'}{seed}."
            trials[prefix] = grow(seed, prefix, planted=planted)
    result = audit(write((grown.history for grown, _, _ in trials.values()), tmp_path / "all"), threads=1)
    for prefix, (grown, expected, name) in trials.items():
        where = f"seed {prefix[1:-1]}: {name}"
        assert found(result, prefix) == expected, where
        assert set(ids(result, prefix)) <= grown.guilty, where
        agrees(result, grown.history, tmp_path / prefix, where)


def ids(result: Audit, prefix: str) -> Iterator[str]:
    for finding in result.findings:
        if finding.place.startswith(prefix):
            yield from (str(sample["id"]) for sample in finding.samples)


def agrees(result: Audit, history: History, folder: Path, where: str) -> None:
    """The oracle reads the pipeline's own folder and finds the same."""
    for place, counts in Oracle(write([history], folder)).counts().items():
        assert {kind: result.counts[place][kind] for kind in counts} == counts, f"{where}: {place}"


def test_every_type_is_planted() -> None:
    """Over forty pipelines each plant finds its place in some, or the test above would prove nothing of it."""
    planted = set()
    for plants, make in ((PLANTS, Pipeline), (CLIENT_PLANTS, Clients)):
        for plant in plants:  # type: ignore[attr-defined]
            grown = [plant(make(seed, "p.")) for seed in range(40)]
            assert any(grown), plant.__name__
            planted |= {kind for each in grown for _, kind in each or {}}
    # What is legal by default, or of a whole folder, has its twins instead.
    assert planted == set(Anomaly) - {Anomaly.INT_SEND_SKIP, Anomaly.G0, Anomaly.G1C, Anomaly.EMPTY_HISTORY}
