from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.environment import setup
from harness.environment.home import cache_folder
from tests.runs import CommandLine


@pytest.fixture
def command_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line with a home of its own, so that what it leaves behind cannot be another's."""
    setup(print)
    folder = tmp_path_factory.mktemp("own")
    for part in (folder, *folder.parents):  # PostgreSQL's user must be able to pass
        if part.stat().st_mode & 0o77 == 0:
            part.chmod(0o755)
    command_line = CommandLine(folder / "home", cache_folder().resolve())
    yield command_line
    command_line.run("clean")
