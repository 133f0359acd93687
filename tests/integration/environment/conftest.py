from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from harness.environment import clean, setup
from harness.environment.home import cache_folder
from tests.runs import CommandLine


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """Clusters that nobody else sees, of this process and of its command line, on the shared cache."""
    setup(print)
    folder = tmp_path_factory.mktemp("own")
    if os.geteuid() == 0:  # PostgreSQL's user must be able to pass
        for part in (folder, *folder.parents):
            if part.stat().st_mode & 0o77 == 0:
                part.chmod(0o755)
    command_line = CommandLine(folder / "home", cache_folder().resolve())
    monkeypatch.setenv("EOS_CHAOS_HOME", str(command_line.home))
    yield command_line
    clean()
    assert command_line.leftovers() == []
