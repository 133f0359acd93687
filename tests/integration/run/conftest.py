from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.environment import setup
from harness.environment.home import cache_folder
from tests.runs import CommandLine


@pytest.fixture
def command_line() -> Iterator[CommandLine]:
    """The command line with a home of its own, so that what it leaves behind cannot be another's.

    Not in pytest's temporary folder, which is closed to others: PostgreSQL's user must be able to pass.
    """
    setup(print)
    with tempfile.TemporaryDirectory(prefix="eos-chaos-") as folder:
        Path(folder).chmod(0o755)
        command_line = CommandLine(Path(folder) / "home", cache_folder().resolve())
        yield command_line
        command_line.run("clean")
