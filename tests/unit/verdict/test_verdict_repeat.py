"""One repeat: what is proven, what is merely missing, and what proves nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Anomaly, FaultOutcome, Quantifier, Verdict
from harness.verdict import judge_repeat
from tests.unit.verdict.cells import BIT, audit, cell, expectation, record

ONE_ROW_TWICE = {("rows", Anomaly.SINK_DUPLICATE): 1}


def verdict_of(*args, **kwargs) -> Verdict:
    return judge_repeat(*args, **kwargs).verdict


@pytest.mark.parametrize(
    ("quantifier", "count", "verdict"),
    [
        ("none", 0, Verdict.AS_EXPECTED),
        ("none", 1, Verdict.FAILED),
        ("none", None, Verdict.INCONCLUSIVE),
        ("some", 0, Verdict.FAILED),
        ("some", 1, Verdict.AS_EXPECTED),
        ("some", None, Verdict.INCONCLUSIVE),
        ("sometimes", 0, Verdict.AS_EXPECTED),  # decided over all repeats
        ("sometimes", 1, Verdict.AS_EXPECTED),
        ("sometimes", None, Verdict.INCONCLUSIVE),
        ("any", 0, Verdict.AS_EXPECTED),
        ("any", 1, Verdict.AS_EXPECTED),
        ("any", None, Verdict.AS_EXPECTED),
    ],
)
@pytest.mark.parametrize("word", ["duplicates", "sink_duplicate"])
def test_every_quantifier(word: str, quantifier: str, count: int | None, verdict: Verdict) -> None:
    expected = cell(expectation("rows", **{word: quantifier}))
    assert verdict_of(expected, record(), audit({("rows", Anomaly.SINK_DUPLICATE): count})) is verdict


def test_a_type_that_is_not_named_must_be_absent() -> None:
    judged = judge_repeat(
        cell(expectation("rows", duplicates="none")), record(), audit({("rows", Anomaly.SINK_LOSS): 2})
    )
    assert judged.verdict is Verdict.FAILED
    assert [str(check) for check in judged.failures] == ["rows: 2 sink-loss, expected none"]


def test_a_place_that_is_not_covered_is_not_judged() -> None:
    found = audit({("invoices", Anomaly.DUPLICATE): 3})
    assert verdict_of(cell(expectation("rows", duplicates="none")), record(), found) is Verdict.AS_EXPECTED


def test_without_expectations_nothing_is_judged() -> None:
    assert verdict_of(cell(), record(reasons=["an app died"]), audit(ONE_ROW_TWICE)) is Verdict.NOT_JUDGED


def test_aborted_records_are_legal_only_where_the_reader_asked_for_them() -> None:
    at = {place: audit({(place, Anomaly.G1A): 5}) for place in ("invoices", "invoices@read_uncommitted")}
    for place, verdict in [("invoices", Verdict.FAILED), ("invoices@read_uncommitted", Verdict.AS_EXPECTED)]:
        assert verdict_of(cell(expectation(place, duplicates="none")), record(), at[place]) is verdict


class TestWithoutIn:
    """`in:` left out covers every place but the read_uncommitted views."""

    def test_none_must_hold_everywhere(self) -> None:
        everywhere = cell(expectation(duplicates="none", losses="none"))
        assert verdict_of(everywhere, record(), audit()) is Verdict.AS_EXPECTED
        assert verdict_of(everywhere, record(), audit(ONE_ROW_TWICE)) is Verdict.FAILED

    def test_some_is_enough_at_one_place(self) -> None:
        somewhere = cell(expectation(duplicates="some"))
        assert verdict_of(somewhere, record(), audit(ONE_ROW_TWICE)) is Verdict.AS_EXPECTED
        assert verdict_of(somewhere, record(), audit()) is Verdict.FAILED

    def test_the_uncommitted_view_does_not_count(self) -> None:
        dirty = audit({("invoices@read_uncommitted", Anomaly.DUPLICATE): 5})
        assert verdict_of(cell(expectation(duplicates="none")), record(), dirty) is Verdict.AS_EXPECTED

    def test_a_type_that_cannot_occur_at_a_place_is_no_gap(self) -> None:
        everywhere = cell(expectation(sink_duplicate="none"))
        assert verdict_of(everywhere, record(), audit()) is Verdict.AS_EXPECTED


class TestFenced:
    """No anomaly, and can be asked for: how often the apps that write a place were fenced."""

    ZOMBIE = replace(record(), fenced={"processor": 2})

    def test_it_is_counted_where_the_app_writes(self) -> None:
        asked = cell(expectation("invoices", fenced="some", duplicates="none"))
        written = replace(asked, places=tuple(replace(place, writers=("processor",)) for place in asked.places))
        judged = judge_repeat(written, self.ZOMBIE, audit())
        assert judged.verdict is Verdict.AS_EXPECTED
        assert {check.word: check.count for check in judged.checks} == {"fenced": 2, "duplicates": 0}
        assert verdict_of(written, record(), audit()) is Verdict.FAILED, "nobody was"
        others = replace(asked, places=tuple(replace(place, writers=("sink",)) for place in asked.places))
        assert verdict_of(others, self.ZOMBIE, audit()) is Verdict.FAILED, "not those who write it"

    def test_it_may_be_forbidden_and_is_legal_where_nobody_asks(self) -> None:
        asked = cell(expectation(fenced="none"))
        written = replace(asked, places=tuple(replace(place, writers=("processor",)) for place in asked.places))
        assert verdict_of(written, self.ZOMBIE, audit()) is Verdict.FAILED
        assert verdict_of(cell(expectation(duplicates="none")), self.ZOMBIE, audit()) is Verdict.AS_EXPECTED


class TestCause:
    FOUND = audit({("rows", Anomaly.SINK_DUPLICATE): 5}, causes={"sent-again": 3, "reprocessed": 2})

    def test_only_findings_with_the_cause_count(self) -> None:
        only = audit({("rows", Anomaly.SINK_DUPLICATE): 3}, causes={"sent-again": 3})
        expected = cell(expectation("rows", cause="sent-again", duplicates="some"))
        assert verdict_of(expected, record(), only) is Verdict.AS_EXPECTED

    def test_another_cause_is_not_named_and_so_must_be_absent(self) -> None:
        judged = judge_repeat(cell(expectation("rows", cause="sent-again", duplicates="some")), record(), self.FOUND)
        assert judged.verdict is Verdict.FAILED
        assert [check.count for check in judged.failures] == [2]

    def test_a_cause_that_was_not_seen_is_absent(self) -> None:
        judged = judge_repeat(cell(expectation("rows", cause="zombie", duplicates="some")), record(), self.FOUND)
        assert judged.verdict is Verdict.FAILED


class TestProvenDespiteEverything:
    """A proven violation stays one when the fault did not bite; an absence proves nothing then."""

    NO_BITE = FaultOutcome(fault="crash sink", fired=1, bit=False, healed=True, why="it was gone already")

    def test_a_forbidden_anomaly_is_a_failure(self) -> None:
        judged = judge_repeat(
            cell(expectation("rows", duplicates="none")), record(faults=[self.NO_BITE]), audit(ONE_ROW_TWICE)
        )
        assert judged.verdict is Verdict.FAILED
        assert judged.reasons == ("fault did not bite: crash sink: it was gone already",)

    def test_unless_the_audit_is_incomplete(self) -> None:
        found = audit(ONE_ROW_TWICE, problems=["rows: cut off"])
        assert verdict_of(cell(expectation("rows", duplicates="none")), record(), found) is Verdict.INCONCLUSIVE

    def test_a_missing_one_is_inconclusive(self) -> None:
        expected = cell(expectation("rows", duplicates="some"))
        assert verdict_of(expected, record(faults=[self.NO_BITE]), audit()) is Verdict.INCONCLUSIVE


class TestStalled:
    LATE = audit({("rows", Anomaly.STALLED): 1})

    def test_unexpected_it_is_a_reason(self) -> None:
        judged = judge_repeat(cell(expectation("rows", duplicates="none")), record(), self.LATE)
        assert judged.verdict is Verdict.INCONCLUSIVE
        assert judged.reasons == ("rows: 1 stalled: late, not lost",)

    def test_expected_it_is_as_expected(self) -> None:
        expected = cell(expectation("rows", duplicates="none", stalled="some"))
        assert verdict_of(expected, record(), self.LATE) is Verdict.AS_EXPECTED

    def test_forbidden_by_name_it_is_a_failure(self) -> None:
        expected = cell(expectation("rows", duplicates="none", stalled="none"))
        assert verdict_of(expected, record(), self.LATE) is Verdict.FAILED


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (FaultOutcome(fault="f", fired=0, bit=False, healed=True), "fault never fired: f"),
        (FaultOutcome(fault="f", fired=1, bit=False, healed=True, why="w"), "fault did not bite: f: w"),
        (FaultOutcome(fault="f", fired=1, bit=True, healed=False, why="w"), "fault did not heal: f: w"),
    ],
)
def test_a_fault_that_did_not_work_is_named(fault: FaultOutcome, reason: str) -> None:
    judged = judge_repeat(cell(expectation("rows", duplicates="none")), record(faults=[BIT, fault]), audit())
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert judged.reasons == (reason,)


@given(
    wanted=st.dictionaries(
        st.sampled_from(["duplicates", "losses", "disorder"]), st.sampled_from(Quantifier), min_size=1
    ),
    duplicates=st.integers(0, 3),
    fired=st.integers(0, 2),
    healed=st.booleans(),
)
def test_a_repeat_whose_fault_did_not_bite_is_never_as_expected(
    wanted: dict[str, Quantifier], duplicates: int, fired: int, healed: bool
) -> None:
    fault = FaultOutcome(fault="f", fired=fired, bit=False, healed=healed)
    found = audit({("rows", Anomaly.SINK_DUPLICATE): duplicates})
    expected = cell(expectation("rows", **{word: q.value for word, q in wanted.items()}))
    judged = judge_repeat(expected, record(faults=[fault]), found)
    assert judged.verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE)
    assert judged.reasons
