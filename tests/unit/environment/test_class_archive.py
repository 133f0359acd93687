"""Which class archive is taken for whole: a JVM may crash on one that is not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.environment.class_archive import archive_path, find_class_archive
from harness.environment.tools import Tool

Damage = Callable[[Path, Path], object]


@pytest.fixture
def java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tool:
    monkeypatch.setenv("EOS_CHAOS_HOME", str(tmp_path))
    (tmp_path / "cache").mkdir()
    program = tmp_path / "java"
    program.touch()
    return Tool(program, "17.0.15", "test")


def archive(java: Tool) -> tuple[Path, Path]:
    """The archive and its note, as `setup` leaves them."""
    path = archive_path(java, ())
    path.write_bytes(b"classes" * 1000)
    note = path.with_suffix(path.suffix + ".json")
    found = path.stat()
    note.write_text(json.dumps({"size": found.st_size, "mtime_ns": found.st_mtime_ns}))
    return path, note


def test_one_that_is_as_it_was_made_is_found(java: Tool) -> None:
    assert find_class_archive(java, ()) is None
    path, note = archive(java)
    assert find_class_archive(java, ()) == path
    note.write_text(json.dumps({"size": path.stat().st_size}))
    assert find_class_archive(java, ()) == path, "noted by an earlier version"


def _flip(path: Path, _: Path) -> None:
    """As long as before."""
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))  # whatever the clock's tick


@pytest.mark.parametrize(
    "damage",
    [
        lambda path, _: path.write_bytes(b""),
        lambda path, _: os.truncate(path, 6000),
        _flip,
        lambda path, _: path.unlink(),
        lambda _, note: note.unlink(),
        lambda _, note: note.write_text("{"),
        lambda _, note: note.write_text("[]"),
        lambda _, note: note.write_text("{}"),
        lambda _, note: note.write_text('{"size": null}'),
    ],
)
def test_one_that_was_touched_is_made_again(java: Tool, damage: Damage) -> None:
    damage(*archive(java))
    assert find_class_archive(java, ()) is None
