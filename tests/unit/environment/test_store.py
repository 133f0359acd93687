"""Every entry of the cache appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.environment.store import (
    content_key,
    install_folder,
    open_to_all,
    replace_file,
    work_folder,
    writing,
)
from harness.errors import EnvironmentFailedError

PARTS = st.lists(st.binary(max_size=8), max_size=4)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EOS_CHAOS_HOME", str(tmp_path))
    return tmp_path / "cache"


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.name != ".lock")


@given(PARTS, PARTS)
def test_a_key_tells_contents_apart(one: list[bytes], other: list[bytes]) -> None:
    assert (content_key(one) == content_key(other)) == (one == other)


def test_text_and_its_bytes_have_the_same_key() -> None:
    assert content_key(["a", "b"]) == content_key([b"a", b"b"])
    assert len(content_key(["a"])) == 12


def test_an_entry_appears_when_it_is_filled(cache: Path) -> None:
    with writing(print):
        with install_folder(cache / "jars") as target:
            (target / "a.jar").write_text("a")
            assert not (cache / "jars").exists()
        assert (cache / "jars" / "a.jar").read_text() == "a"
    assert entries(cache) == ["jars"]


def test_a_new_entry_takes_the_place_of_the_old(cache: Path) -> None:
    with writing(print):
        for name in ("old", "new"):
            with install_folder(cache / "jars") as target:
                (target / name).touch()
    assert [path.name for path in (cache / "jars").iterdir()] == ["new"]


def test_half_an_entry_leaves_the_old_one_alone(cache: Path) -> None:
    with writing(print):
        with install_folder(cache / "jars") as target:
            (target / "old").touch()
        with pytest.raises(OSError, match="disk full"), install_folder(cache / "jars") as target:
            (target / "new").touch()
            raise OSError("disk full")
    assert [path.name for path in (cache / "jars").iterdir()] == ["old"]
    assert entries(cache) == ["jars"]


def test_what_a_killed_setup_left_is_removed_by_the_next(cache: Path) -> None:
    with writing(print):
        left = work_folder()
        path = left.__enter__()
        (path / "half").touch()
    with writing(print):
        assert not path.exists()


def test_a_work_folder_is_gone_afterwards(cache: Path) -> None:
    with writing(print), work_folder() as work:
        (work / "x").touch()
    assert entries(cache) == []


def test_entries_can_be_read_by_every_user(cache: Path) -> None:
    with writing(print), install_folder(cache / "tool") as target:
        (target / "bin").mkdir(mode=0o700)
        (target / "bin" / "run").touch(mode=0o700)
        (target / "data").touch(mode=0o600)
        (target / "link").symlink_to("/nowhere")
    modes = {path.name: path.lstat().st_mode & 0o777 for path in (cache / "tool").rglob("*") if not path.is_symlink()}
    assert modes == {"bin": 0o755, "run": 0o755, "data": 0o644}


def test_a_single_file_can_be_opened_to_all(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.touch(mode=0o600)
    open_to_all(path)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for text in ("old", "new"):
        replace_file(path, text)
        assert path.read_text() == text
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(EnvironmentFailedError, match=r"cannot be written .*\n  let its owner run"), writing(print):
        pytest.fail("there is no folder to write to")
