"""The database and the services of a cluster: started, reached through lanes, killed, found again."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from contextlib import closing

import psutil
import psycopg
import pytest
import requests

from faults import HopClient
from faults.process import ProcessHandle
from harness.environment import ClusterSpec, Environment, clean, open_environment
from harness.environment.ownership import Owned, cluster_folders
from harness.environment.usable import wait_for_service
from harness.errors import EnvironmentFailedError
from harness.services import Resources, ServiceGoneError
from harness.topology import SERVICES
from tests.runs import CommandLine, wait_until

SMALL = ClusterSpec(nodes=1, lanes=1)
GONE_S = 30.0

_OPEN_AND_WAIT = """
import json
from harness.environment import ClusterSpec, open_environment
with open_environment(ClusterSpec(nodes=1, lanes=1)) as environment:
    environment.start("rest")
    environment.start("smtp")
    print(json.dumps([environment.process(name)[0] for name in ("rest", "smtp")]), flush=True)
    input()
"""


def kill(environment: Environment, component: str) -> int:
    pid, created = environment.process(component)
    environment.mark_down(component)
    ProcessHandle(pid, created).crash(10)
    return pid


def passed(environment: Environment) -> dict[str, int]:
    return {hop.name: hop.bytes_up for hop in HopClient(environment.proxy_url).hops()}


def test_services_are_reached_through_the_lane_s_own_hops(environment: Environment) -> None:
    environment.start("rest")
    environment.start("smtp")
    lane, other = environment.lease_lane(), environment.lease_lane()
    try:
        before = passed(environment)
        with psycopg.connect(lane.postgres_dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert requests.get(lane.rest_url, timeout=5).json() == {"service": "rest", "cluster": environment.cluster_id}
        host, _, port = lane.smtp.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=5) as client:
            assert client.noop()[0] == 250
        after = passed(environment)
        for service in SERVICES:
            assert after[lane.service_hops[service]] > before[lane.service_hops[service]]
            assert after[other.service_hops[service]] == before[other.service_hops[service]]
    finally:
        environment.release_lane(lane)
        environment.release_lane(other)


def test_who_needs_none_pays_for_none(own_home: CommandLine) -> None:
    with open_environment(SMALL) as environment:
        with pytest.raises(EnvironmentFailedError, match="no 'rest'"):
            environment.process("rest")
        began = time.monotonic()
        environment.start("rest")
        pid = environment.process("rest")[0]
        environment.start("rest")
        assert environment.process("rest")[0] == pid
        assert time.monotonic() - began < 20
        with pytest.raises(EnvironmentFailedError, match="no 'ftp'"):
            environment.start("ftp")
        with pytest.raises(EnvironmentFailedError, match="postgres runs already"):
            environment.start("postgres")


@pytest.mark.parametrize("service", ["rest", "smtp"])
def test_a_killed_service_is_missed_and_comes_back_with_what_it_knew(environment: Environment, service: str) -> None:
    environment.start(service)
    resources = Resources(environment.rest_url if service == "rest" else environment.mail_url)
    name = f"kept-{service}-{environment.process(service)[0]}"
    resources.create(name)
    pid = kill(environment, service)
    with pytest.raises(ServiceGoneError, match="does not answer"):
        list(resources.read(name))
    environment.mark_up(service)
    with pytest.raises(EnvironmentFailedError, match=rf"{service} \(pid {pid}\) was killed by SIGKILL"):
        environment.check()
    environment.start(service)
    environment.check()
    assert list(resources.read(name)) == []
    resources.delete(name)


def test_a_killed_database_comes_back_with_what_was_committed(environment: Environment) -> None:
    """Killed while it is busy: its backends are in the next one's way for a moment."""
    with closing(psycopg.connect(environment.postgres_dsn)) as busy:
        busy.execute("DROP TABLE IF EXISTS eos_kept")
        busy.execute("CREATE TABLE eos_kept AS SELECT 7 AS n")
        busy.commit()
        busy.execute("INSERT INTO eos_kept SELECT generate_series(1, 100000)")
        kill(environment, "postgres")
    environment.start("postgres")
    environment.mark_up("postgres")
    environment.check()
    with psycopg.connect(environment.postgres_dsn, autocommit=True) as connection:
        assert connection.execute("SELECT n FROM eos_kept").fetchall() == [(7,)]
        connection.execute("DROP TABLE eos_kept")


def test_another_cluster_s_service_is_refused(environment: Environment) -> None:
    environment.start("rest")
    with pytest.raises(EnvironmentFailedError, match=r"answers for cluster .* not for ours"):
        wait_for_service(environment.rest_url, "another", 5, lambda: None)


def test_they_die_with_their_owner_and_are_found_when_it_could_not_end_them(own_home: CommandLine) -> None:
    pipe = subprocess.PIPE
    harness = subprocess.Popen([sys.executable, "-c", _OPEN_AND_WAIT], text=True, stdin=pipe, stdout=pipe, stderr=pipe)
    assert harness.stdout is not None
    pids = json.loads(harness.stdout.readline())
    (folder,) = cluster_folders()
    owned = Owned.read(folder)
    assert owned is not None
    assert [owned.processes[name].pid for name in ("rest", "smtp")] == pids, "known by name, to be ended by the next"
    os.kill(pids[0], signal.SIGSTOP)
    os.kill(owned.keeper, signal.SIGKILL)
    harness.kill()
    harness.communicate()
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "the services' end", GONE_S)
    clean()
    assert own_home.leftovers() == []


def test_a_service_whose_address_is_taken_is_told(own_home: CommandLine) -> None:
    """By whoever came after the block was claimed."""
    with open_environment(SMALL) as environment:
        address = environment.topology.rest
        with (
            socket.create_server((address.host, address.port)),
            pytest.raises(EnvironmentFailedError, match=r"(?s)rest \(pid \d+\) exited.*Address already in use"),
        ):
            environment.start("rest")
        environment.mark_down("rest")
        environment.start("rest")
