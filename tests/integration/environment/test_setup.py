"""A cache that is incomplete or damaged is completed; what dead runs left does not slow a start down."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from harness.environment import ClusterSpec, open_environment
from harness.environment.home import cache_folder
from harness.environment.ownership import Identity, Owned
from harness.errors import EnvironmentFailedError
from tests.runs import CommandLine, finish

SMALL = ClusterSpec(nodes=1, lanes=1)
KILLS = 4
SETUP_S = 200.0
STALE = 200
MADE_HERE = ("classes-", "format-", "postgres")
"""What `setup` makes of what it has fetched: in seconds, where fetching takes minutes and a network."""


@pytest.fixture
def own_cache(own_home: CommandLine) -> Path:
    """A cache of the test's own with what was fetched, and nothing of what is made of it."""
    shared = cache_folder().resolve()
    cache = own_home.home / "cache"
    cache.unlink()
    cache.mkdir()
    for entry in shared.iterdir():
        if not entry.name.startswith((*MADE_HERE, ".")):
            (cache / entry.name).symlink_to(entry)
    return cache


@pytest.mark.timeout(600)
def test_a_setup_that_is_killed_again_and_again_is_finished_by_the_next(own_home: CommandLine, own_cache: Path) -> None:
    chance = random.Random(11)
    for number in range(KILLS):
        process = own_home.start("setup")
        time.sleep(1 + 5 * (number + chance.random()) / KILLS)
        process.kill()
        process.communicate()
    done = finish(own_home.start("setup"), SETUP_S)
    assert done.returncode == 0, done.stderr
    assert [entry.name for entry in own_cache.iterdir() if entry.name.startswith(".unfinished")] == []
    assert own_home.leftovers() == [], "not even a broker in training"
    looked = own_home.run("doctor")
    assert looked.returncode == 0, looked.stdout
    damage_the_class_archive(own_home, own_cache)


def damage_the_class_archive(own_home: CommandLine, cache: Path) -> None:
    """Found by whoever comes next, and made again."""
    (archive,) = [path for path in cache.glob("classes-*") if path.suffix != ".json"]
    size = archive.stat().st_size
    archive.chmod(0o644)
    os.truncate(archive, size // 2)
    assert "not made" in own_home.run("doctor").stdout
    made = finish(own_home.start("setup"), SETUP_S)
    assert made.returncode == 0, made.stderr
    assert "training the JVM's class archive" in made.stderr
    assert archive.stat().st_size > size // 2
    with open_environment(SMALL) as environment:
        environment.check()


def test_a_damaged_cache_of_another_user_is_refused_clearly(
    own_home: CommandLine, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot mend it is told who can."""
    from harness.environment import store

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store, "make_reachable", refuse)
    with (
        pytest.raises(EnvironmentFailedError, match=r"cannot be written \(Permission denied\) and is incomplete"),
        open_environment(SMALL),
    ):
        pytest.fail("the cache is incomplete")


def test_two_hundred_dead_runs_are_cleared_away_in_a_moment(own_home: CommandLine, tmp_path: Path) -> None:
    clusters = own_home.home / "clusters"
    for number in range(STALE):
        folder = clusters / f"{number + 2}-dead"
        (folder / "broker-1" / "data" / "orders-0").mkdir(parents=True)
        (folder / "broker-1" / "data" / "orders-0" / "0.log").write_bytes(b"x" * 10_000)
        (folder / "owner.lock").touch()
        gone = Identity(os.getpid(), time.time() - 1e6)  # a pid that is used again: ours
        Owned(2, False, 239, SMALL.to_json(), {"broker 1": gone}).write(folder)
    shutil.rmtree(clusters / "3-dead" / "broker-1")
    (clusters / "4-dead" / "owned.json").write_text("{")
    began = time.monotonic()
    said: list[str] = []
    with open_environment(SMALL, progress=said.append) as environment:
        removed_s = time.monotonic() - began - environment.seconds
        environment.check()
        assert len(list(clusters.iterdir())) == 1, "the new one alone"
    assert len([line for line in said if line.startswith("removed what a dead run left")]) == STALE
    assert removed_s < 5, "for hangs: it takes a fraction of a second"
