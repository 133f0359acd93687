"""Which exit code wins when several apply."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import ExitCode

PRECEDENCE = (
    ExitCode.INTERNAL,
    ExitCode.FAILED,
    ExitCode.INTERRUPTED,
    ExitCode.ENVIRONMENT,
    ExitCode.INCONCLUSIVE,
    ExitCode.AS_EXPECTED,
)
"""A failure outranks an interruption: what was proven stays proven. 2 and 5 end before anything runs."""


def worst_exit_code(codes: Iterable[ExitCode]) -> ExitCode:
    """The first of 70, 1, 130, 4, 3, 0 among `codes`; 0 when there are none."""
    return min(codes, key=PRECEDENCE.index, default=ExitCode.AS_EXPECTED)
