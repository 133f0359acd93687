"""With the sieve everything is found that is found without it, row for row, over every shape of pipeline.

Histories are nearly all right, so that the sieve leaves out most of them, and the little that is damaged is found in
what remains.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit import audit
from harness.model import Audit
from tests.quality.audit.calm import Calm
from tests.quality.audit.damage import damage
from tests.quality.audit.test_oracle import history_of, worlds
from tests.unit.audit.histories import write
from tests.unit.audit.pipelines import PLANTS, Pipeline

TRIALS = max(settings.default.max_examples // 4, 10) if settings.default else 25


def judged(folder: Path, *, sieved: bool) -> Audit:
    return replace(audit(folder, sieved=sieved, threads=1), seconds={})


def assert_same(folder: Path) -> None:
    assert judged(folder, sieved=True) == judged(folder, sieved=False)


@settings(max_examples=TRIALS)
@given(st.integers(0, 2**32), st.integers(0, 3))
def test_calm_histories_with_little_damage(seed: int, damages: int) -> None:
    chance = Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = write([Calm(chance, f"c{n}.").history for n in range(3)], Path(name))
        damage(folder, chance, damages)
        assert_same(folder)


@settings(max_examples=TRIALS)
@given(st.integers(0, 2**32), st.booleans())
def test_pipelines_with_bad_luck_and_one_planted_anomaly(seed: int, planted: bool) -> None:
    pipelines = [Pipeline(seed + n, f"p{n}.") for n in range(3)]
    if planted:
        PLANTS[seed % len(PLANTS)](pipelines[0])
    with tempfile.TemporaryDirectory() as name:
        assert_same(write((pipeline.history for pipeline in pipelines), Path(name)))


@settings(max_examples=TRIALS)
@given(st.lists(worlds, min_size=1, max_size=5))
def test_histories_that_make_no_sense(worlds: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        assert_same(write((history_of(world, f"w{n}.") for n, world in enumerate(worlds)), Path(name)))


def test_of_a_calm_history_nothing_is_left(tmp_path: Path) -> None:
    """Or the tests above would prove nothing."""
    from harness.audit.auditing import sql_of
    from harness.audit.engine import Engine
    from harness.audit.evidence import load, read_places
    from harness.audit.schema import TABLES
    from harness.audit.sieve import sieve

    chance = Random(7)
    calm = next(
        calm for calm in iter(lambda: Calm(chance), None) if set(calm.records) == {"orders", "copies0", "rows1"}
    )
    folder = write([calm.history], tmp_path)
    evidence = read_places(folder)
    with Engine(TABLES, memory="1GB", threads=1) as engine:
        load(folder, evidence, engine)
        engine.run(sql_of("_facts"))
        sieve(engine)
        assert engine.query("SELECT count(*) FROM sighted").fetchone() == (0,)
        with engine.of_the_whole():
            assert engine.query("SELECT count(*) > 0 FROM sighted").fetchone() == (True,)
