"""One line per need; each that fails carries what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environment import Need, clean, doctor
from harness.environment.ownership import new_cluster_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without anything."""
    monkeypatch.setenv("EOS_CHAOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("EOS_CHAOS_BLOCKS", raising=False)
    return tmp_path / "home"


def needs() -> dict[str, Need]:
    found = doctor()
    assert len({need.name for need in found}) == len(found)
    return {need.name: need for need in found}


def test_what_is_missing_says_how_to_mend_it() -> None:
    found = needs()
    missing = {name for name, need in found.items() if not need.ok}
    assert missing == {"Java", "Maven", "brokers", "Go", "eosproxy", "PostgreSQL", "class archive"}
    for name in missing:
        assert found[name].detail
        assert found[name].mend.startswith("apt-get install maven" if name == "Maven" else "eos-chaos setup")
    assert all(not need.mend for need in found.values() if need.ok)
    assert "\n" not in "".join(need.detail + need.mend for need in found.values())


def test_a_tool_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'java version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert needs()["Java"].detail == f"{java} (PATH) is 11.0.2, Java 17+ is needed"


def test_leftovers_are_shown_and_cleaned(home: Path) -> None:
    assert needs()["leftovers"].detail == "none"
    left = home / "clusters" / "1-dead"
    left.mkdir(parents=True)
    living, lock = new_cluster_folder()
    found = needs()["leftovers"]
    assert found.ok
    assert found.detail == "1-dead; the next run or `eos-chaos clean` removes them"
    assert clean() == [f"removed what a dead run left: {left}"]
    assert needs()["leftovers"].detail == "none"
    assert living.exists(), "a living run's is left alone"
    lock.close()


def test_looking_changes_nothing(home: Path) -> None:
    needs()
    assert not home.exists()


def test_wrong_blocks_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOS_CHAOS_BLOCKS", "300")
    found = needs()["addresses"]
    assert not found.ok
    assert "'300'" in found.detail
    assert found.mend == "unset EOS_CHAOS_BLOCKS"


def test_cleaning_the_cache(home: Path) -> None:
    assert clean() == clean(cache=True) == []
    (home / "cache" / "jars").mkdir(parents=True)
    assert clean() == []
    (home / "clusters").mkdir()
    _, lock = new_cluster_folder()
    with lock:
        assert clean(cache=True) == [f"left alone: the cache {home / 'cache'}, which a running cluster uses"]
    assert clean(cache=True)[-1:] == [f"removed the cache {home / 'cache'}"]
    assert not (home / "cache").exists()


def test_a_shared_cache_is_not_ours_to_remove(home: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "jars").mkdir(parents=True)
    home.mkdir()
    (home / "cache").symlink_to(shared)
    assert clean(cache=True) == [f"removed the link {home / 'cache'}; what it points to is another's"]
    assert (shared / "jars").exists()
