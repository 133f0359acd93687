"""Repeats → cell → run, exit codes, and the document that `--json` prints."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ExitCode
from harness.model import Anomaly, Verdict
from harness.verdict import CellVerdict, judge_cell, judge_repeat, judge_run, worst_exit_code
from tests.unit.verdict.cells import audit, cell, expectation, plan, record

FORBIDDEN = cell(expectation("rows", duplicates="none"))


def repeats_of(expected, *counts: int | None, reasons: tuple[str, ...] = ()) -> list:
    """One repeat per count of sink-duplicates at `rows`."""
    return [
        judge_repeat(expected, record(k, reasons=reasons), audit({("rows", Anomaly.SINK_DUPLICATE): n}))
        for k, n in enumerate(counts, 1)
    ]


def judged(quantifier: str, *counts: int | None) -> CellVerdict:
    expected = cell(expectation("rows", duplicates=quantifier))
    return judge_cell(expected, repeats_of(expected, *counts))


@pytest.mark.parametrize(
    ("quantifier", "counts", "verdict", "held"),
    [
        ("none", (0, 0, 0), Verdict.AS_EXPECTED, True),
        ("none", (0, 1, 0), Verdict.FAILED, False),  # one duplicate in three repeats is a duplicate
        ("none", (0, None, 0), Verdict.INCONCLUSIVE, None),
        ("none", (1, None, 0), Verdict.FAILED, False),
        ("some", (1, 2, 3), Verdict.AS_EXPECTED, True),
        ("some", (1, 0, 3), Verdict.FAILED, False),
        ("some", (1, None, 3), Verdict.INCONCLUSIVE, None),
        ("sometimes", (0, 0, 1), Verdict.AS_EXPECTED, True),
        ("sometimes", (0, 0, 0), Verdict.FAILED, False),
        ("sometimes", (0, None, 0), Verdict.INCONCLUSIVE, None),
        ("any", (0, 5, None), Verdict.AS_EXPECTED, True),
    ],
)
def test_every_quantifier_over_repeats(
    quantifier: str, counts: tuple[int | None, ...], verdict: Verdict, held: bool | None
) -> None:
    result = judged(quantifier, *counts)
    assert result.verdict is verdict
    assert [outcome.held for outcome in result.expectations] == [held]
    assert result.expectations[0].seen["rows"][Anomaly.SINK_DUPLICATE] == counts


@given(st.lists(st.sampled_from([0, 1, None]), min_size=1, max_size=6))
def test_any_failed_repeat_fails_the_cell_else_any_inconclusive_makes_it_so(counts: list[int | None]) -> None:
    expected = Verdict.AS_EXPECTED
    if None in counts:
        expected = Verdict.INCONCLUSIVE
    if 1 in counts:
        expected = Verdict.FAILED
    assert judged("none", *counts).verdict is expected


def test_a_missing_repeat_is_said() -> None:
    result = judge_cell(FORBIDDEN, repeats_of(FORBIDDEN, 0, 0), planned=5)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons == ("2 of 5 repeats ran",)


def test_a_place_without_expectation_is_named() -> None:
    assert judged("none", 0).not_judged == ("invoices", "invoices@read_uncommitted")


class TestRun:
    def test_a_cell_that_never_ran_is_inconclusive(self) -> None:
        run = judge_run(plan(FORBIDDEN), [])
        assert run.verdict is Verdict.INCONCLUSIVE
        assert run.cells[0].reasons == ("0 of 1 repeats ran",)
        assert run.exit_code == ExitCode.INCONCLUSIVE

    @pytest.mark.parametrize(
        ("count", "interrupted", "failure", "verdict", "code"),
        [
            (0, False, "", Verdict.AS_EXPECTED, ExitCode.AS_EXPECTED),
            (1, False, "", Verdict.FAILED, ExitCode.FAILED),
            (None, False, "", Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE),
            (0, True, "", Verdict.INCONCLUSIVE, ExitCode.INTERRUPTED),
            (0, False, "broker 2 died", Verdict.INCONCLUSIVE, ExitCode.ENVIRONMENT),
            (0, True, "broker 2 died", Verdict.INCONCLUSIVE, ExitCode.INTERRUPTED),
            (1, True, "broker 2 died", Verdict.FAILED, ExitCode.FAILED),
        ],
    )
    def test_exit_code(
        self, count: int | None, interrupted: bool, failure: str, verdict: Verdict, code: ExitCode
    ) -> None:
        cells = [judge_cell(FORBIDDEN, repeats_of(FORBIDDEN, count))]
        run = judge_run(plan(FORBIDDEN), cells, interrupted=interrupted, environment_failure=failure)
        assert (run.verdict, run.exit_code) == (verdict, code)

    def test_not_judged_only_when_nothing_was(self) -> None:
        silent = cell(label="write=upsert", axes={"write": "upsert"})
        cells = [judge_cell(silent, repeats_of(silent, 1)), judge_cell(FORBIDDEN, repeats_of(FORBIDDEN, 0))]
        assert judge_run(plan(silent), cells[:1]).verdict is Verdict.NOT_JUDGED
        assert judge_run(plan(silent), cells[:1]).exit_code == ExitCode.AS_EXPECTED
        assert judge_run(plan(silent, FORBIDDEN), cells).verdict is Verdict.AS_EXPECTED

    def test_json_has_the_documented_form(self) -> None:
        expected = cell(expectation("rows", duplicates="some"), label="write=insert", axes={"write": "insert"})
        run = judge_run(plan(expected), [judge_cell(expected, repeats_of(expected, 20))])
        document = run.to_json()
        assert {key: document[key] for key in ("schema", "scenario", "verdict", "seed")} == {
            "schema": 1,
            "scenario": "small",
            "verdict": "as-expected",
            "seed": 7,
        }
        (of_cell,) = document["cells"]
        assert of_cell["cell"] == {"write": "insert"}
        assert of_cell["verdict"] == "as-expected"
        (outcome,) = of_cell["expectations"]
        assert outcome["text"] == "expectation 0"
        assert outcome["in"] == ["rows"]
        assert outcome["held"] is True
        assert outcome["seen"]["rows"]["sink-duplicate"] == [20]
        (repeat,) = of_cell["repeats"]
        assert repeat["verdict"] == "as-expected"
        assert repeat["reasons"] == []
        assert repeat["places"]["rows"] == {"sink-duplicate": 20, "sink-loss": 0, "stalled": 0}
        (fault,) = repeat["faults"]
        assert {key: fault[key] for key in ("fault", "fired", "bit", "evidence")} == {
            "fault": "crash sink before commit 2",
            "fired": 1,
            "bit": True,
            "evidence": {},
        }

    def test_a_count_that_was_not_judged_is_null_and_not_zero(self) -> None:
        run = judge_run(plan(FORBIDDEN), [judge_cell(FORBIDDEN, repeats_of(FORBIDDEN, None))])
        repeat = run.to_json()["cells"][0]["repeats"][0]
        assert repeat["places"]["rows"]["sink-duplicate"] is None
        assert repeat["places"]["rows"]["sink-loss"] == 0


ORDER = (70, 1, 130, 4, 3, 0)


@given(st.lists(st.sampled_from([ExitCode(code) for code in ORDER]), max_size=6))
def test_the_worst_exit_code_is_the_first_in_the_documented_order(codes: list[ExitCode]) -> None:
    assert worst_exit_code(codes) == next((code for code in ORDER if code in codes), 0)


def test_the_order_of_repeats_and_cells_does_not_change_the_exit_code() -> None:
    codes = [ExitCode(code) for code in ORDER]
    for pair in itertools.combinations(codes, 2):
        assert worst_exit_code(pair) == worst_exit_code(reversed(pair)) == pair[0]
