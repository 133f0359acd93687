"""What the writer writes is what the reader reads, and a writer killed at any byte leaves a ledger that can be read."""

from __future__ import annotations

import resource
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.format import OUTCOMES
from harness.ledger.reader import LedgerFile
from harness.ledger.writer import LedgerWriter

numbers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=8)
ids = st.none() | texts


def columns(**kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, list[Any]]]:
    """Lists of one common length."""
    rows = st.lists(st.fixed_dictionaries(kinds), max_size=4)
    return rows.map(lambda rows: {name: [row[name] for row in rows] for name in kinds})


def step(word: str, value: st.SearchStrategy[Any], more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(value, more).map(lambda pair: {word: pair[0], **pair[1]})


spots = st.lists(st.tuples(texts, numbers, numbers).map(list), max_size=3)
partitions = st.lists(st.tuples(texts, numbers).map(list) | st.tuples(texts).map(list), max_size=3)
sends = step("send", texts, columns(id=ids, key=ids, seq=st.none() | numbers))
acks = step("ack", texts, columns(id=ids, part=st.none() | numbers, pos=st.none() | numbers))
polls = step("poll", texts, st.tuples(numbers, columns(pos=numbers, id=ids)).map(lambda p: {"part": p[0], **p[1]}))
commits = step("commit", texts, st.fixed_dictionaries({"offsets": spots}))
assigns = step(
    "assign", partitions, st.fixed_dictionaries({"how": st.sampled_from(["subscribe", "assign", "rebalance"])})
)
steps = st.lists(sends | acks | polls | commits | assigns, max_size=4)
operations = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["batch", "poll", "assign"]),
        "do": steps,
        "txn": ids,
        "outcome": st.sampled_from([*OUTCOMES, None, "recorded"]),
        "end": steps,
        "error": ids,
    }
)


def begin(path: Path) -> LedgerWriter:
    return LedgerWriter(path, process="app#1/2", app="app", instance=1, incarnation=2, isolation="read_committed")


def write(path: Path, operations: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """Writes them; returns what the lines must say, without their times."""
    lines: list[Mapping[str, Any]] = []
    with begin(path) as ledger:
        for operation in operations:
            if operation["outcome"] == "recorded":
                number = ledger.record(operation["kind"], operation["do"])
                lines.append({"begin": number, "kind": operation["kind"], "do": operation["do"]})
                lines.append({"end": number, "outcome": "ok"})
                continue
            number = ledger.begin(operation["kind"], operation["do"], txn=operation["txn"])
            told = {"begin": number, "kind": operation["kind"], "do": operation["do"], "txn": operation["txn"]}
            lines.append({key: value for key, value in told.items() if value is not None})
            if operation["outcome"] is not None:
                ledger.end(number, operation["outcome"], operation["end"], operation["error"])
                told = {"end": number, "outcome": operation["outcome"], "do": operation["end"] or None}
                told["error"] = operation["error"]
                lines.append({key: value for key, value in told.items() if value is not None})
        ledger.note("exit", code=0)
    return [*lines, {"note": "exit", "code": 0}]


def read(path: Path) -> tuple[LedgerFile, list[dict[str, Any]]]:
    file = LedgerFile(path)
    return file, [{key: value for key, value in line.data.items() if key != "at"} for line in file]


@given(st.lists(operations, max_size=5))
def test_what_is_written_is_read(operations: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app-1-2.jsonl"
        expected = write(path, operations)
        file, lines = read(path)
    assert lines == expected
    assert file.header
    assert (file.header.process, file.header.app, file.header.instance, file.header.incarnation) == (
        "app#1/2",
        "app",
        1,
        2,
    )
    assert (file.whole, file.problems, file.notes) == (True, [], [])


SEND = {"send": "orders", "id": ["a", "é"], "key": ["k", None], "seq": [0, None]}


@pytest.fixture
def torn(tmp_path: Path) -> tuple[Path, bytes]:
    path = tmp_path / "app-1-2.jsonl"
    with begin(path) as ledger:
        ledger.record("poll", [])
        ledger.begin("batch", [SEND], txn="t/1")
    return path, path.read_bytes()


def test_a_writer_killed_at_any_byte_of_its_last_line(torn: tuple[Path, bytes]) -> None:
    """The line is there or it is not; what was before it is always there, and nothing is a problem."""
    path, full = torn
    last = full.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(full) + 1):
        path.write_bytes(full[:cut])
        file, lines = read(path)
        complete = cut >= len(full) - 1  # only its newline is missing
        assert [line.get("begin") for line in lines] == [1, None] + ([2] if complete else [])
        assert (file.whole, file.problems) == (True, [])
        assert len(file.notes) == (last < cut < len(full) - 1)


def test_a_writer_killed_while_it_wrote_its_header(torn: tuple[Path, bytes]) -> None:
    path, full = torn
    for cut in range(full.index(b"\n") - 1):
        path.write_bytes(full[:cut])
        file, lines = read(path)
        assert (file.header, lines, file.problems) == (None, [], [])


def test_a_torn_line_anywhere_else_is_damage(torn: tuple[Path, bytes]) -> None:
    path, full = torn
    lines = full.splitlines(keepends=True)
    for number in range(len(lines)):
        for cut in (1, len(lines[number]) // 2, len(lines[number]) - 2):
            damaged = [*lines[:number], lines[number][:cut] + b"\n", *lines[number + 1 :]]
            path.write_bytes(b"".join(damaged))
            file, _ = read(path)
            assert not file.whole
            assert file.problems[0].line == number + 1


class TestTheWriter:
    def test_every_line_is_in_the_kernel_when_the_call_returns(self, tmp_path: Path) -> None:
        ledger = begin(tmp_path / "a.jsonl")
        number = ledger.begin("batch", [SEND])
        assert orjson.loads((tmp_path / "a.jsonl").read_bytes().splitlines()[-1])["begin"] == number
        ledger.end(number, "ok")
        assert (tmp_path / "a.jsonl").read_bytes().endswith(b"\n")
        ledger.close()

    def test_two_incarnations_never_share_a_file(self, tmp_path: Path) -> None:
        begin(tmp_path / "a.jsonl").close()
        with pytest.raises(FileExistsError):
            begin(tmp_path / "a.jsonl")

    def test_a_write_that_fails_is_never_swallowed(self, tmp_path: Path) -> None:
        """An app whose evidence is lost must stop."""
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            ledger = begin(tmp_path / "a.jsonl")
            room = (tmp_path / "a.jsonl").stat().st_size + 10
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))
            with pytest.raises(OSError, match=r"only 10 of \d+ bytes of a ledger line could be written") as raised:
                ledger.begin("batch", [SEND])
            assert raised.value.filename == str(tmp_path / "a.jsonl")
            with pytest.raises(OSError, match="File too large"):
                ledger.note("exit")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            signal.signal(signal.SIGXFSZ, ignored)
