"""How long a repeat took, in words."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model import Verdict
from harness.report.times import times
from harness.verdict import CellVerdict, RepeatVerdict, RunVerdict


def run_of(*repeats: Mapping[str, float]) -> RunVerdict:
    judged = tuple(
        RepeatVerdict(
            repeat=number,
            verdict=Verdict.AS_EXPECTED,
            reasons=(),
            failures=(),
            checks=(),
            counts={},
            findings=(),
            faults=(),
            seconds=seconds,
        )
        for number, seconds in enumerate(repeats, 1)
    )
    cell = CellVerdict(
        label="all", axes={}, verdict=Verdict.AS_EXPECTED, planned=len(judged), repeats=judged, expectations=()
    )
    return RunVerdict(scenario="timed", verdict=Verdict.AS_EXPECTED, seed=0, repeat=len(judged), cells=(cell,))


def test_what_took_no_time_is_left_out_and_what_is_ours_is_summed() -> None:
    one = run_of({"prepare": 0.2, "load": 2.0, "heal": 0.0, "stop": 0.3, "audit": 0.1, "audit: reading": 0.05})
    assert times(one) == "the repeat took 2.6 s: prepare 0.2, load 2.0, stop 0.3, audit 0.1; 0.6 s of it is overhead"


def test_several_repeats_are_told_by_their_medians() -> None:
    several = run_of({"load": 1.0, "collect": 0.5}, {"load": 9.0, "collect": 0.1}, {"load": 2.0, "collect": 0.3})
    assert times(several) == "a repeat took 2.3 s (median of 3): load 2.0, collect 0.3; 0.3 s of it is overhead"
