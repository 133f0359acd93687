"""Every error that a person may see, and the exit code each one ends with.

::

    EosChaosError                 70  anything we did not foresee is our own bug
    ├── UsageError                 2  the command line or a file is wrong
    │   ├── ScenarioError          2  a scenario does not say what to do; carries every located problem
    │   ├── HistoryError           2  a folder cannot be judged; carries every located problem
    │   └── PropertiesError        2  a client's properties file is wrong; carries every located problem
    ├── NothingSelectedError       5  the selection left no cell to run
    ├── EnvironmentFailedError     4  brokers, database or proxy are missing, do not start, or died
    │   └── MissingNeedError       4  a tool is missing or too old; carries the command that mends it
    └── InterruptedRunError      130  Ctrl-C

A message says what, where, and what now. A traceback is only for our own bugs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `eos-chaos`; the first of 70, 1, 130, 4, 3, 0 that applies wins."""

    AS_EXPECTED = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    ENVIRONMENT = 4
    NOTHING_SELECTED = 5
    INTERNAL = 70
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Problem:
    """One located mistake in a file.

    Args:
        message: What is wrong, on one line.
        file: The file as the person named it.
        line: From 1; 0 where the problem has no place in the file.
        column: From 1; 0 where there is none.
        source: The line of the file, without its newline; empty where there is none.
        hint: What to do now ("did you mean …", the valid keys); may be empty.
    """

    message: str
    file: str
    line: int = 0
    column: int = 0
    source: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = ":".join([self.file, *(str(n) for n in (self.line, self.column) if n)])
        text = f"{where}: {self.message}"
        if self.source:
            gutter = f"{self.line:>4} | "
            caret = " " * (len(gutter) - 2) + "| " + " " * max(self.column - 1, 0) + "^"
            text += f"\n{gutter}{self.source}\n{caret}"
            return text + (f" {self.hint}" if self.hint else "")
        return text + (f"\n     {self.hint}" if self.hint else "")


class EosChaosError(Exception):
    """Base of all; caught by name nowhere but at the edge (`harness.cli`)."""

    exit_code = ExitCode.INTERNAL


class UsageError(EosChaosError):
    """The command line or a file is wrong. Usual causes: a typing mistake, a file that is not there."""

    exit_code = ExitCode.USAGE


class LocatedError(UsageError):
    """Several located problems, all found in one pass."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ScenarioError(LocatedError):
    """A scenario does not say what to do. Read docs/scenarios.md next."""


class HistoryError(LocatedError):
    """A folder cannot be judged. Read docs/ledger.md next."""


class PropertiesError(LocatedError):
    """A client's properties file cannot be used. Read docs/diagnose.md next."""


class NothingSelectedError(EosChaosError):
    """`--only` left no cell. Usual cause: an axis value that the matrix does not have."""

    exit_code = ExitCode.NOTHING_SELECTED


class EnvironmentFailedError(EosChaosError):
    """Brokers, database or proxy did not start, or died in mid-run; the message shows their last log lines."""

    exit_code = ExitCode.ENVIRONMENT


class MissingNeedError(EnvironmentFailedError):
    """A tool is missing or too old; `mend` is the command that brings it."""

    def __init__(self, message: str, mend: str) -> None:
        self.mend = mend
        super().__init__(f"{message}\n  mend it with: {mend}")


class InterruptedRunError(EosChaosError):
    """Ctrl-C: once heals, collects and audits what there is; twice tears down at once."""

    exit_code = ExitCode.INTERRUPTED
