from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.environment.home import SYSTEM_HOME, home, make_reachable


@pytest.mark.parametrize(
    ("env", "root", "wanted"),
    [
        ({"EOS_CHAOS_HOME": "/srv/eos", "XDG_CACHE_HOME": "/x"}, True, Path("/srv/eos")),
        ({"EOS_CHAOS_HOME": "/srv/eos"}, False, Path("/srv/eos")),
        ({"HOME": "/root", "XDG_CACHE_HOME": "/x"}, True, SYSTEM_HOME),
        ({"HOME": "/home/ada"}, False, Path("/home/ada/.cache/eos-chaos")),
        ({"HOME": "/home/ada", "XDG_CACHE_HOME": "/x"}, False, Path("/x/eos-chaos")),
        ({"HOME": "/home/ada", "XDG_CACHE_HOME": ""}, False, Path("/home/ada/.cache/eos-chaos")),
    ],
)
def test_where_things_live(env: dict[str, str], root: bool, wanted: Path) -> None:
    assert home(env, root=root) == wanted


def test_a_relative_home_does_not_move_with_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert home({"EOS_CHAOS_HOME": "here"}) == tmp_path / "here"


def test_folders_are_reachable_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_reachable(tmp_path / "a/b")
    finally:
        os.umask(before)
    assert [(tmp_path / part).stat().st_mode & 0o777 for part in ("a", "a/b")] == [0o755, 0o755]
