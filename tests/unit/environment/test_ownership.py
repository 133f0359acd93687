"""Who owns a folder, judged by its lock alone."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.environment.ownership import (
    Identity,
    Owned,
    cluster_folders,
    new_cluster_folder,
    orphans,
    owner_alive,
    remove_folder,
    scavenge,
)

IDENTITIES = st.builds(Identity, pid=st.integers(1, 1 << 22), created=st.floats(0, 4e9))
RECORDS = st.builds(
    Owned,
    keeper=st.integers(1, 1 << 22),
    keep=st.booleans(),
    block=st.integers(16, 239),
    spec=st.fixed_dictionaries({"nodes": st.integers(1, 9), "lanes": st.integers(0, 16), "broker": st.just({})}),
    processes=st.dictionaries(st.text(max_size=9), IDENTITIES, max_size=4),
)


@pytest.fixture(autouse=True)
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EOS_CHAOS_HOME", str(tmp_path))
    folder = tmp_path / "clusters"
    folder.mkdir()
    return folder


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, record: Owned) -> None:
    folder = tmp_path_factory.mktemp("record")
    record.write(folder)
    assert Owned.read(folder) == record
    assert [path.name for path in folder.iterdir()] == ["owned.json"], "no draft stays"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"keeper": 1}', "null", '{"keeper": 1, "processes": {"a": 1}}'])
def test_half_a_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "owned.json").write_text(text)
    assert Owned.read(tmp_path) is None
    assert Owned.read(tmp_path / "nowhere") is None


def test_a_folder_is_owned_for_as_long_as_its_lock_is_held(clusters: Path) -> None:
    folder, lock = new_cluster_folder()
    assert folder.parent == clusters
    assert owner_alive(folder)
    assert orphans() == []
    assert list(scavenge()) == []
    lock.close()
    assert not owner_alive(folder)
    assert orphans() == [folder]
    assert list(scavenge()) == [f"removed what a dead run left: {folder}"]
    assert cluster_folders() == []


def test_a_folder_whose_owner_died_before_it_locked_it(clusters: Path) -> None:
    (clusters / "4711-beef").mkdir()
    assert orphans() == [clusters / "4711-beef"]


def test_what_is_no_folder_is_nobodys(clusters: Path) -> None:
    (clusters / "notes.txt").write_text("mine")
    assert cluster_folders() == orphans() == []


def test_without_any_run_yet(clusters: Path) -> None:
    clusters.rmdir()
    assert cluster_folders() == orphans() == list(scavenge()) == []
    assert not clusters.exists(), "looking changes nothing"


def test_a_process_is_its_pid_and_its_start() -> None:
    me = Identity(os.getpid(), psutil.Process().create_time())
    assert me.alive()
    assert not Identity(me.pid, me.created - 60).alive(), "its pid was used again"
    assert not Identity((1 << 22) + 1, me.created).alive()


def test_a_folder_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    deep = tmp_path / "gone/a/b"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    assert remove_folder(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
    assert remove_folder(tmp_path / "gone"), "it is not there, which is what was wanted"
