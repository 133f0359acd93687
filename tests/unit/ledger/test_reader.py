"""Reading whatever is there: what is wrong is located, what is right is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HistoryError
from harness.ledger.reader import AckCounter, JsonLines, LedgerFile, ledger_files
from harness.ledger.writer import LedgerWriter

HEADER = {"ledger": 1, "process": "a#1/1", "app": "a", "instance": 1, "incarnation": 1, "at": 1, "wall": 1}
BEGIN = {"begin": 1, "kind": "batch", "at": 1, "do": []}
END = {"end": 1, "outcome": "ok", "at": 1}


def ledger(path: Path, *lines: Any) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def problems(path: Path) -> list[str]:
    file = LedgerFile(path)
    list(file)
    assert file.whole == (not file.problems)
    return [str(problem).removeprefix(f"{path}:") for problem in file.problems]


class TestLines:
    @pytest.mark.parametrize(
        ("line", "where", "what"),
        [
            ({"kind": "batch"}, "2:1", "a line has exactly one of 'begin', 'end' and 'note'"),
            ({**BEGIN, **END}, "2:50", "a line has exactly one of"),
            ({"begin": 1, "at": 1, "do": []}, "2:1", "'kind' is missing: it must be a string"),
            ({**BEGIN, "begin": "1"}, "2:2", "'begin' must be a whole number of 64 bits"),
            ({**BEGIN, "begin": True}, "2:2", "'begin' must be a whole number"),
            ({**BEGIN, "begin": 2**63}, "2:2", "'begin' must be a whole number"),
            ({**BEGIN, "do": {}}, "2:40", "'do' must be a list of objects"),
            ({**BEGIN, "txn": 1}, "2:", "'txn' must be a string, or null"),
            ({**BEGIN, "do": [{}]}, "2:", "a step has exactly one of send, ack, poll, commit, assign"),
            ({**BEGIN, "do": [{"send": "x", "ack": "x", "id": []}]}, "2:", "a step has exactly one of"),
            ({**BEGIN, "do": [{"send": "x"}]}, "2:", "'id' is missing: it must be a list of strings and nulls"),
            ({**BEGIN, "do": [{"send": "x", "id": [1]}]}, "2:", "'id' must be a list of strings and nulls"),
            ({**BEGIN, "do": [{"send": "x", "id": ["a"], "seq": []}]}, "2:", "differ in length (id: 1, seq: 0)"),
            ({**BEGIN, "do": [{"poll": "x", "part": 0, "pos": [None], "id": ["a"]}]}, "2:", "'pos' must be a list of"),
            ({**BEGIN, "do": [{"commit": "g", "offsets": [["x", 0]]}]}, "2:", "[place, partition, offset]"),
            ({**BEGIN, "do": [{"assign": [], "how": "luck"}]}, "2:", "'how' must be subscribe | assign | rebalance"),
            ({"note": "exit"}, "2:", "'at' is missing"),
            ("[1]", "2:1", "a line must be a JSON object"),
            ("nonsense", "2:1", "not JSON"),
            ('{"begin": 1, "kind": "batch", "at": 1, "do": [}', "2:47", "not JSON"),
            (END, "2", "operation 1 ended but never began"),
        ],
    )
    def test_what_is_wrong_is_said_where_it_is(self, tmp_path: Path, line: Any, where: str, what: str) -> None:
        (problem,) = problems(ledger(tmp_path / "a.jsonl", HEADER, line))
        assert problem.startswith(where)
        assert what in problem

    def test_a_number_belongs_to_one_operation(self, tmp_path: Path) -> None:
        told = problems(ledger(tmp_path / "a.jsonl", HEADER, BEGIN, END, BEGIN, END))
        assert ["operation 1 began twice" in told[0], "operation 1 ended twice" in told[1]] == [True, True]

    def test_what_is_right_is_kept(self, tmp_path: Path) -> None:
        path = ledger(tmp_path / "a.jsonl", HEADER, "nonsense", BEGIN, "", '{"begin": 2}', END)
        assert [line.number for line in LedgerFile(path)] == [3, 6]

    def test_problems_are_capped_and_counted(self, tmp_path: Path) -> None:
        told = problems(ledger(tmp_path / "a.jsonl", HEADER, *["nonsense"] * 1000))
        assert len(told) == 21
        assert "and 980 more problems" in told[-1]

    def test_a_very_long_line_is_not_shown_whole(self, tmp_path: Path) -> None:
        (problem,) = problems(ledger(tmp_path / "a.jsonl", HEADER, {**BEGIN, "kind": 1, "x": "y" * 10_000}))
        assert len(problem) < 500


class TestHeaders:
    def test_an_unknown_schema_is_told_from_damage(self, tmp_path: Path) -> None:
        file = LedgerFile(ledger(tmp_path / "a.jsonl", {**HEADER, "ledger": 2}))
        assert file.unreadable
        assert "ledger schema 2 is not known" in str(file.unreadable)

    @pytest.mark.parametrize("first", ["nonsense", {"begin": 1}, {**HEADER, "app": 1}, {**HEADER, "isolation": "none"}])
    def test_what_does_not_begin_with_a_header_is_no_ledger(self, tmp_path: Path, first: Any) -> None:
        file = LedgerFile(ledger(tmp_path / "a.jsonl", first, BEGIN, END))
        assert (file.header, file.unreadable, list(file)) == (None, None, [])
        assert file.problems[0].line == 1

    def test_an_empty_file_is_of_a_writer_killed_at_its_start(self, tmp_path: Path) -> None:
        file = LedgerFile(ledger(tmp_path / "a.jsonl"))
        assert (file.header, file.problems, file.whole) == (None, [], True)


def test_a_file_that_cannot_be_opened_is_an_error_of_the_history(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"nowhere\.jsonl: cannot be read"):
        list(JsonLines(tmp_path / "nowhere.jsonl"))


def test_other_files_may_not_end_in_mid_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a"')
    file = JsonLines(tmp_path / "a.jsonl")
    assert [line.data for line in file] == [{"a": 1}]
    assert not file.whole


def test_the_ledgers_of_a_repeat(tmp_path: Path) -> None:
    assert ledger_files(tmp_path) == []
    (tmp_path / "ledger").mkdir()
    for name in ("b.jsonl", "a.jsonl", "c.txt"):
        (tmp_path / "ledger" / name).touch()
    assert [path.name for path in ledger_files(tmp_path)] == ["a.jsonl", "b.jsonl"]


class TestCountingAcknowledgements:
    def open(self, folder: Path, name: str) -> LedgerWriter:
        return LedgerWriter(folder / name, process=name, app="a", instance=1, incarnation=1)

    def ack(self, writer: LedgerWriter, *ids: str) -> None:
        number = writer.begin("batch", [{"send": "orders", "id": list(ids)}])
        writer.end(number, "ok", [{"ack": "orders", "id": list(ids)}])

    def test_over_instances_and_incarnations_while_they_write(self, tmp_path: Path) -> None:
        counter = AckCounter(tmp_path / "ledger", "app")
        assert counter.poll() == 0
        (tmp_path / "ledger").mkdir()
        first = self.open(tmp_path / "ledger", "app-1-1.jsonl")
        self.ack(first, "a", "b")
        assert counter.poll() == 2
        assert counter.poll() == 2
        self.ack(self.open(tmp_path / "ledger", "app-2-1.jsonl"), "c")
        self.ack(self.open(tmp_path / "ledger", "app-1-2.jsonl"), "d")
        self.ack(first, "e")
        assert counter.poll() == 5

    def test_of_no_other_app(self, tmp_path: Path) -> None:
        for name in ("apple-1-1.jsonl", "my-app-1-1.jsonl", "app-1-1.jsonl.bak", "app-x-1.jsonl"):
            self.ack(self.open(tmp_path, name), "a")
        assert AckCounter(tmp_path, "app").poll() == 0

    def test_half_a_line_counts_once_it_is_whole(self, tmp_path: Path) -> None:
        self.ack(self.open(tmp_path, "app-1-1.jsonl"), "a", "b")
        text = (tmp_path / "app-1-1.jsonl").read_bytes()
        counter = AckCounter(tmp_path, "app")
        (tmp_path / "app-1-1.jsonl").write_bytes(text[:-5])
        assert counter.poll() == 0
        (tmp_path / "app-1-1.jsonl").write_bytes(text)
        assert counter.poll() == 2

    def test_damaged_lines_count_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "app-1-1.jsonl").write_text('{"ack": 1}\n["ack"]\n"ack" x\n{"end": 1, "do": [{"ack": "x"}]}\n')
        assert AckCounter(tmp_path, "app").poll() == 0
