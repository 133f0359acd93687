"""The two consoles: the result goes to stdout, all else to stderr."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console

_UNBOUNDED = 10_000


class _ResultConsole(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Rich would exit with 1, which means FAILED here; `harness.cli.main` knows better."""
        raise BrokenPipeError


def result_console() -> Console:
    """Without a terminal a table is as wide as its content: a log or a pipe has no width."""
    console = _ResultConsole()
    if not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def progress_console() -> Console:
    return Console(stderr=True)
