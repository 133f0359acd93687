"""Reading JSON lines and ledger files: whatever is in them, the reader goes on and says where it is wrong.

A writer may be killed while it writes, so the last line may be a part of one: that is a note, not a problem.
Everything else that cannot be understood is a located problem, and the file is then not *whole*: what it does
not say proves nothing any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from harness.errors import HistoryError, Problem
from harness.ledger.format import FOLDER, HEADER, LEDGER_SCHEMA, line_fault
from harness.ledger.shapes import Fault, Shape

_PROBLEMS_MAX = 20
_SOURCE_MAX = 160


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: its number from 1, its bytes, and the object that it holds."""

    number: int
    raw: bytes
    data: dict[str, Any]


class JsonLines:
    """The JSON objects of a file, one a line; iterate it once.

    Args:
        path: The file.
        tail_may_break: Whether a broken last line is expected, because the writer may have been killed.

    Attributes:
        problems: Located, at most 20 of a file; complete after the iteration.
        notes: What was tolerated, in words.
        whole: Whether all of it was understood so far.

    Raises:
        HistoryError: From the iteration: the file cannot be read at all.
    """

    def __init__(self, path: Path, *, tail_may_break: bool = False) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.whole = True
        self._tail_may_break = tail_may_break
        self._unreported = 0

    def __iter__(self) -> Iterator[Line]:
        try:
            with self.path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    if line := self._parse(number, raw):
                        yield line
        except OSError as error:
            raise HistoryError([Problem(f"cannot be read: {error.strerror}", str(self.path))]) from error
        if self._unreported:
            self.problems.append(Problem(f"and {self._unreported} more problems", str(self.path)))

    def _parse(self, number: int, raw: bytes) -> Line | None:
        text = raw.strip()
        if not text:
            return None
        try:
            data = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if self._tail_may_break and not raw.endswith(b"\n"):
                self.notes.append(f"{self.path}:{number}: the writer was killed while it wrote this line")
            else:
                self.report(number, raw, f"not JSON: {error.msg}", column=error.colno)
            return None
        if type(data) is not dict:
            self.report(number, raw, "a line must be a JSON object")
            return None
        return Line(number, text, data)

    def report(self, number: int, raw: bytes, message: str, *, column: int = 1, hint: str = "") -> None:
        """Note a problem of one line; the file is not whole from now on."""
        self.whole = False
        if len(self.problems) >= _PROBLEMS_MAX:
            self._unreported += 1
            return
        source = raw.decode("utf-8", "replace").rstrip("\r\n")[:_SOURCE_MAX]
        # A caret beyond the shown part of a long line would point at nothing.
        shown = source if column <= len(source) else ""
        self.problems.append(Problem(message, str(self.path), number, column, shown, hint))

    def report_fault(self, line: Line, fault: Fault) -> None:
        """The same, pointing at the field that is wrong."""
        at = line.raw.find(f'"{fault.field}"'.encode()) if fault.field else 0
        before = line.raw[: max(at, 0)].decode("utf-8", "replace")
        self.report(line.number, line.raw, fault.message, column=len(before) + 1)

    def report_field(self, line: Line, field: str, message: str) -> None:
        """The same, for a field whose value is wrong beyond its shape."""
        self.report_fault(line, Fault(field, message))

    def report_unless(self, line: Line, shape: Shape) -> bool:
        """Whether the line has the shape; what is wrong with it is reported."""
        fault = shape.fault(line.data)
        if fault is not None:
            self.report_fault(line, fault)
        return fault is None


@dataclass(frozen=True, slots=True)
class Header:
    """Who wrote a ledger file. `at` and `wall`: one moment on the monotonic and on the wall clock, in ns."""

    process: str
    app: str
    instance: int
    incarnation: int
    client: str | None
    isolation: str | None
    at: int
    wall: int


@dataclass(slots=True)
class _Numbers:
    """Which operations of a file have begun and ended, to find numbers that are used twice."""

    begun: set[int] = field(default_factory=set)
    ended: dict[int, int] = field(default_factory=dict)  # number → line


class LedgerFile:
    """One ledger file: its header at once, its well-formed lines by iterating once.

    Attributes:
        header: None when the file has none: an empty file of a writer killed at its start, or not a ledger.
        unreadable: The problem, when the file is of a schema that this version does not know.
        whole: Whether all that was written was understood; final after the iteration.
    """

    def __init__(self, path: Path) -> None:
        self._file = JsonLines(path, tail_may_break=True)
        self._lines = iter(self._file)
        self._numbers = _Numbers()
        self.path = path
        self.unreadable: Problem | None = None
        self.header = self._read_header()

    @property
    def problems(self) -> list[Problem]:
        return self._file.problems

    @property
    def notes(self) -> list[str]:
        return self._file.notes

    @property
    def whole(self) -> bool:
        return self._file.whole

    def __iter__(self) -> Iterator[Line]:
        if self.header is None:
            return
        for line in self._lines:
            if self._understood(line):
                yield line
        for number in sorted(self._numbers.ended.keys() - self._numbers.begun):
            where = self._numbers.ended[number]
            self._file.report(where, b"", f"operation {number} ended but never began", column=0)

    def _read_header(self) -> Header | None:
        line = next(self._lines, None)
        if line is None or not self._file.whole:
            # The first readable line of a file with a broken first line is not its header.
            if line is not None:
                self._file.report(1, b"", "a ledger starts with its header", column=0)
            return None
        schema = line.data.get("ledger")
        if schema != LEDGER_SCHEMA:
            known = f"this version reads schema {LEDGER_SCHEMA} (docs/ledger.md)"
            if "ledger" in line.data:
                self._file.report(line.number, line.raw, f"ledger schema {schema!r} is not known", hint=known)
                self.unreadable = self.problems[-1]
            else:
                self._file.report(line.number, line.raw, "a ledger starts with its header", hint=known)
            return None
        if not self._file.report_unless(line, HEADER):
            return None
        return Header(
            **{name: line.data.get(name) for name in Header.__dataclass_fields__}  # type: ignore[arg-type]
        )

    def _understood(self, line: Line) -> bool:
        fault = line_fault(line.data)
        if fault is None:
            fault = self._used_twice(line)
        if fault is not None:
            self._file.report_fault(line, fault)
        return fault is None

    def _used_twice(self, line: Line) -> Fault | None:
        if "begin" in line.data:
            number = line.data["begin"]
            if number in self._numbers.begun:
                return Fault("begin", f"operation {number} began twice")
            self._numbers.begun.add(number)
        elif "end" in line.data:
            number = line.data["end"]
            if number in self._numbers.ended:
                return Fault("end", f"operation {number} ended twice")
            self._numbers.ended[number] = line.number
        return None


def ledger_files(repeat_folder: Path) -> list[Path]:
    """The ledger files of one repeat, sorted by name; empty when there are none."""
    return sorted((repeat_folder / FOLDER).glob("*.jsonl"))


class AckCounter:
    """Counts what an app had acknowledged so far, over its instances and incarnations, while it still writes.

    Args:
        folder: The ledger folder of the repeat (`<repeat>/ledger`); need not exist yet.
        app: Name of the app.
        instance: Only this one, from 1.
        place: Only what was acknowledged there.
    """

    def __init__(self, folder: Path, app: str, *, instance: int | None = None, place: str | None = None) -> None:
        self._folder = folder
        self._place = place
        number = r"\d+" if instance is None else str(instance)
        self._name = re.compile(rf"{re.escape(app)}-{number}-\d+\.jsonl")
        self._read_to: dict[Path, int] = {}
        self._acked = 0

    def poll(self) -> int:
        """Records acknowledged until now; reads only what was appended since the last call."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if self._name.fullmatch(path.name):
                    self._acked += self._count_new(path)
        return self._acked

    def _count_new(self, path: Path) -> int:
        with path.open("rb") as file:
            file.seek(self._read_to.get(path, 0))
            text = file.read()
        complete = text.rfind(b"\n") + 1
        self._read_to[path] = self._read_to.get(path, 0) + complete
        return sum(_acked_in(line, self._place) for line in text[:complete].splitlines() if b'"ack"' in line)


def _acked_in(raw: bytes, place: str | None) -> int:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return 0  # the audit reports it
    if type(line) is not dict or line_fault(line) is not None:
        return 0
    acks = [step for step in line.get("do", ()) if "ack" in step and place in (None, step["ack"])]
    return sum(len(step["id"]) for step in acks)
