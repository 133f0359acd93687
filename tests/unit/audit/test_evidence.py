"""The rules of evidence, one by one (docs/ledger.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.audit import audit
from harness.errors import ExitCode
from harness.report.history import history_exit_code
from tests.unit.audit.histories import History, found


def topic(outcome: str | None = "ok", *, seen: int = 0, ack: bool = False, txn: str | None = None) -> History:
    """One send of one record, and how often it stands there."""
    history = History()
    history.topic("orders", writers=["producer"])
    history.process("producer#1/1", None).batch({"orders": ["a"]}, ack=["a"] if ack else [], outcome=outcome, txn=txn)
    for _ in range(seen):
        history.see("orders", ["a"])
    return history


class TestOutcomes:
    """1. An operation ends ok, failed or unknown; one that never ended is unknown."""

    @pytest.mark.parametrize(("outcome", "lost"), [("ok", 1), ("failed", 0), ("unknown", 0), (None, 0)])
    def test_only_what_is_ok_can_be_lost(self, outcome: str | None, lost: int, tmp_path: Path) -> None:
        history = topic(outcome, txn="t/1")
        history.processes[0].batch({"orders": ["b"]}, ack=["b"])
        history.see("orders", ["b"])
        assert found(history.audit(tmp_path)) == ({("orders", "lost-write"): 1} if lost else {})


class TestUnknown:
    """2. Unknown is never accused: missing it is not lost, present no phantom; present twice it is a duplicate."""

    @pytest.mark.parametrize(("times", "duplicates"), [(0, 0), (1, 0), (2, 1)])
    def test_however_often_it_stands_there(self, times: int, duplicates: int, tmp_path: Path) -> None:
        expected = {("orders", "duplicate"): 1} if duplicates else {}
        assert topic("unknown", seen=times).audited(tmp_path) == expected


class TestReturned:
    """3. What polls returned was returned, whatever became of them; what failed sends claim counts for nothing."""

    @pytest.mark.parametrize("outcome", ["ok", "failed", "unknown"])
    def test_a_poll_of_any_outcome_is_evidence(self, outcome: str, tmp_path: Path) -> None:
        history = History()
        history.topic("x", writers=["client"], final_read=False)
        history.process("client#1/1").both({"x": {"a": 0}})
        history.process("client#2/1").poll("x", {"a": 0})
        history.process("client#3/1").poll("x", {"a": 3}, outcome=outcome)
        assert history.audited(tmp_path) == {("x", "duplicate"): 1}

    def test_where_a_failed_send_says_it_stands_it_does_not(self, tmp_path: Path) -> None:
        history = History()
        history.topic("x", writers=["client"], final_read=False)
        history.process("client#1/1").both({"x": {"a": 0}})
        history.process("client#2/1").both({"x": {"b": 0}}, outcome="failed", txn="t/1")
        history.process("client#3/1").poll("x", {"a": 0})
        assert history.audited(tmp_path) == {}


def test_times_prove_nothing(tmp_path: Path) -> None:
    """4. Positions and identities prove, never clocks."""
    history = topic(ack=True, seen=1)
    for line in history.processes[0].lines:
        line["at"] = -(2**63)
    assert history.audited(tmp_path) == {}


def test_holes_in_the_offsets_are_normal(tmp_path: Path) -> None:
    """5. Control records, aborted data and compaction leave them."""
    history = topic(ack=True, seen=1)
    history.sources["orders"].next[0] = 2**62
    history.processes[0].batch({"orders": ["b"]}, ack={"b": 2**62})
    history.see("orders", ["b"])
    reader = history.process("reader#1/1")
    reader.assign("orders")
    reader.poll("orders", {"a": 0})
    reader.poll("orders", {"b": 2**62})
    assert history.audited(tmp_path) == {}


class TestTotal:
    """6. Every input gives findings or a reason why not; nothing sent is inconclusive."""

    def empty(self, *, failed: bool = False) -> History:
        history = History()
        history.topic("orders", writers=["producer"])
        process = history.process("producer#1/1", None)
        if failed:
            process.batch({"orders": ["a"]}, outcome="failed")
        return history

    @pytest.mark.parametrize("failed", [False, True])
    def test_a_run_in_which_nothing_was_sent_is_inconclusive(self, failed: bool, tmp_path: Path) -> None:
        result = self.empty(failed=failed).audit(tmp_path)
        assert found(result) == {("orders", "empty-history"): 1}
        assert "nothing was sent" in result.problems[0]
        assert history_exit_code(result) == ExitCode.INCONCLUSIVE

    def test_one_of_two_places_without_records_is_no_empty_history(self, tmp_path: Path) -> None:
        history = topic(ack=True, seen=1)
        history.topic("others", writers=["producer"])
        assert history.audited(tmp_path) == {}

    def test_a_history_of_polls_alone_is_not_empty_but_inconclusive(self, tmp_path: Path) -> None:
        history = self.empty()
        history.process("reader#1/1").poll("orders", {"a": 0})
        result = history.audit(tmp_path)
        assert found(result) == {}
        assert history_exit_code(result) == ExitCode.INCONCLUSIVE


def test_a_finding_names_its_records_positions_and_operations(tmp_path: Path) -> None:
    """7. With an exact count."""
    (finding,) = topic("unknown", seen=3).audit(tmp_path).findings
    assert finding.count == 1
    assert finding.samples[0]["id"] == "a"
    assert finding.samples[0]["positions"] == [[0, 0], [0, 1], [0, 2]]
    assert finding.samples[0]["operations"] == ["producer#1/1:1"]


class TestLegal:
    """Detection apart from judgement: what a configuration may show is reported, and fails nothing by itself."""

    @pytest.mark.parametrize(("how", "legal"), [("assign", 0), ("subscribe", 1), (None, 1)])
    def test_a_skip_is_legal_unless_the_partition_was_assigned(
        self, how: str | None, legal: int, tmp_path: Path
    ) -> None:
        history = History()
        history.topic("x", writers=["client"], final_read=False)
        for number, id_ in enumerate("abc"):
            history.process(f"client#{number}/1").both({"x": {id_: number}})
        history.process("client#8/1").poll("x", {"a": 0, "b": 1, "c": 2})
        reader = history.process("client#9/1")
        if how:
            reader.assign("x", how=how)
        reader.poll("x", {"a": 0})
        reader.poll("x", {"c": 2})
        (finding,) = history.audit(tmp_path).findings
        assert (finding.type, finding.count, finding.legal) == ("poll-skip", 1, legal)

    def test_cycles_are_searched_only_when_asked_for_and_are_legal(self, tmp_path: Path) -> None:
        history = History()
        history.topic("x", writers=["client"], final_read=False)
        history.process("client#1/1").both({"x": {"a": 0, "c": 2}})
        history.process("client#2/1").both({"x": {"b": 1}})
        history.process("client#3/1").poll("x", {"a": 0, "b": 1, "c": 2})
        folder = history.write(tmp_path)
        assert audit(folder).counts["x"]["G0"] is None
        legal = {finding.type: finding.legal for finding in audit(folder, cycles=True).findings}
        assert legal == {"G0": 1, "int-send-skip": 1}
