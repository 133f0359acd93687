"""Whoever is killed, whenever: what is left, the next start finds and removes."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import harness
from harness.environment import ClusterSpec, clean, doctor, open_environment
from harness.environment.home import cache_folder
from harness.environment.ownership import Identity, Owned, cluster_folders, scavenge
from harness.errors import EnvironmentFailedError
from harness.topology import Topology
from tests.runs import CommandLine, wait_until

SMALL = ClusterSpec(nodes=1, lanes=1)
KILLS = 5
LONGEST_S = 3.0
GONE_S = 30.0

_OPEN_AND_WAIT = """
import json, os, time
from harness.environment import ClusterSpec, open_environment
with open_environment(ClusterSpec(nodes=1, lanes=1)) as environment:
    facts = {"uid": os.geteuid(), "cluster_id": environment.cluster_id, "block": environment.topology.block}
    print(json.dumps(facts), flush=True)
    input()
"""


def start_harness(python: str = sys.executable, **options: Any) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([python, "-c", _OPEN_AND_WAIT], text=True, stdin=pipe, stdout=pipe, stderr=pipe, **options)


def test_a_killed_harness_leaves_nothing(own_home: CommandLine) -> None:
    """At moments from its first instant on, and once when its cluster is usable."""
    for seconds in (*_moments(KILLS - 1), None):
        process = start_harness()
        if seconds is None:
            _facts(process)
        else:
            time.sleep(seconds)
        process.kill()
        process.communicate()
        wait_until(lambda: not own_home.leftovers(), f"an empty machine after SIGKILL at {seconds} s", GONE_S)
    assert list(scavenge()) == []


def test_nothing_is_left_when_the_keeper_is_killed_with_its_harness(own_home: CommandLine) -> None:
    for seconds in _moments(3):
        process = start_harness()
        time.sleep(seconds)
        process.kill()
        for folder in cluster_folders():
            with suppress(ProcessLookupError):
                os.kill(int(folder.name.partition("-")[0]), signal.SIGKILL)
        process.communicate()
        said = f"no process after SIGKILL at {seconds:.2f} s"
        wait_until(lambda: not [left for left in own_home.leftovers() if "process" in left], said, GONE_S)
        clean()
        assert own_home.leftovers() == []
    with open_environment(SMALL) as environment:
        environment.check()


def test_a_killed_keeper_takes_everything_with_it(own_home: CommandLine) -> None:
    """Also a database that a fault has paused, which acts on no signal but the last one."""
    with open_environment(SMALL) as environment:
        (folder,) = cluster_folders()
        owned = Owned.read(folder)
        assert owned is not None
        os.kill(owned.processes["postgres"].pid, signal.SIGSTOP)
        os.kill(owned.keeper, signal.SIGKILL)
        alive = [name for name in owned.processes if name != "postgres"]
        wait_until(lambda: not any(owned.processes[name].alive() for name in alive), "the brokers' end", GONE_S)
        with pytest.raises(EnvironmentFailedError, match=r"keeper is gone|keeper does not answer"):
            environment.check()
        (leftovers,) = [need for need in doctor() if need.name == "leftovers"]
        assert leftovers.detail.startswith(folder.name)
    assert own_home.leftovers() == [], "closing removed what the keeper could not"
    assert owned.processes.keys() == {"proxy", "broker 1", "postgres"}


def test_what_a_dead_run_left_is_removed_before_anything_starts(own_home: CommandLine) -> None:
    """A process that no signal reached, an address, a folder: made here, as only a broken kernel could leave them."""
    listener = "import socket, time; socket.create_server(('127.239.1.1', 29092)); print(flush=True); time.sleep(60)"
    left = subprocess.Popen([sys.executable, "-c", listener], stdout=subprocess.PIPE)
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        assert left.stdout is not None
        left.stdout.readline()
        folder = own_home.home / "clusters" / "1-dead"
        folder.mkdir(parents=True)
        born = psutil.Process(left.pid).create_time()
        reused = Identity(innocent.pid, psutil.Process(innocent.pid).create_time() - 60)
        processes = {"broker 1": Identity(left.pid, born), "proxy": reused}
        Owned(keeper=1, keep=False, block=239, spec=SMALL.to_json(), processes=processes).write(folder)
        (own_home.home / "clusters" / "2-empty").mkdir()

        said = clean()

        assert sorted(line.rpartition("clusters/")[2] for line in said) == ["1-dead, killed broker 1", "2-empty"]
        assert left.wait(5) == -signal.SIGKILL
        assert innocent.poll() is None, "its pid was used again: another process, not ours to kill"
        socket.create_server((Topology(239).broker(1, "INTERNAL").host, 29092)).close()
    finally:
        for process in (left, innocent):
            process.kill()
            process.communicate()


def test_two_harnesses_at_once(own_home: CommandLine) -> None:
    both = [start_harness(), start_harness()]
    facts = [_facts(process) for process in both]
    assert facts[0]["cluster_id"] != facts[1]["cluster_id"]
    assert facts[0]["block"] != facts[1]["block"]
    assert clean() == [], "what living runs use is left alone"
    for process in both:
        process.communicate("\n", timeout=GONE_S)
        assert process.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_with_a_shared_cache(own_home: CommandLine) -> None:
    """With the system's Python on our packages: root's own may lie where nobody else can go."""
    python = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    packages = [str(Path(module).parents[1]) for module in (harness.__file__, psutil.__file__)]
    home = own_home.home / "ordinary"
    home.mkdir()
    (home / "cache").symlink_to(cache_folder().resolve())
    os.chown(home, 65534, 65534)
    env = {**os.environ, "HOME": str(home), "EOS_CHAOS_HOME": str(home), "PYTHONPATH": ":".join(packages)}
    options: dict[str, Any] = {"env": env, "cwd": "/", "user": 65534, "group": 65534, "extra_groups": []}
    argv = [python, "-c", "import harness.environment.local"]
    try:
        subprocess.run(argv, check=True, capture_output=True, **options)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"an ordinary user cannot run {python} with our packages")
    process = start_harness(python, **options)
    assert _facts(process)["uid"] == 65534
    process.communicate("\n", timeout=GONE_S)
    assert process.returncode == 0


def _moments(count: int) -> list[float]:
    """Seconds, spread over a start."""
    chance = random.Random(4)
    return [LONGEST_S * (number + chance.random()) / count for number in range(count)]


def _facts(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    facts: dict[str, object] = json.loads(line)
    return facts
