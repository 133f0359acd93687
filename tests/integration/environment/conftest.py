from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.environment import clean, setup
from harness.environment.home import cache_folder
from tests.runs import CommandLine


@pytest.fixture
def own_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """Clusters that nobody else sees, of this process and of its command line, on the shared cache."""
    setup(print)
    # Not pytest's tmp_path: that is closed to PostgreSQL's user, and every new pytest session closes it again.
    with tempfile.TemporaryDirectory(prefix="eos-chaos-test-") as folder:
        Path(folder).chmod(0o755)
        command_line = CommandLine(Path(folder) / "home", cache_folder().resolve())
        monkeypatch.setenv("EOS_CHAOS_HOME", str(command_line.home))
        yield command_line
        clean()
        assert command_line.leftovers() == []
