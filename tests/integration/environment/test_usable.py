"""A cluster that `open_environment` gives out does what every run relies on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from faults import HopClient
from harness.environment import Environment, Lane
from harness.environment.usable import Usability
from harness.errors import EnvironmentFailedError

PARTITIONS = 3


@pytest.fixture
def topic(environment: Environment, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"usable.{request.node.name}"
    with closing(KafkaAdminClient(bootstrap_servers=environment.bootstrap_direct)) as admin:
        admin.create_topics([NewTopic(name, PARTITIONS, 3)])
        yield name
        admin.delete_topics([name])


@pytest.fixture
def lane(environment: Environment) -> Iterator[Lane]:
    with leased(environment) as lane:
        yield lane


@contextmanager
def leased(environment: Environment) -> Iterator[Lane]:
    lane = environment.lease_lane()
    try:
        yield lane
    finally:
        environment.release_lane(lane)


def send_to_every_partition(bootstrap: str, topic: str, value: bytes = b"x") -> None:
    with closing(KafkaProducer(bootstrap_servers=bootstrap, acks="all")) as producer:
        for future in [producer.send(topic, value, partition=number) for number in range(PARTITIONS)]:
            future.get(20)


def bytes_through(environment: Environment) -> Callable[[str], int]:
    """A reading of all hops' counters: prefix of their names → bytes that passed."""
    hops = HopClient(environment.proxy_url).hops()
    return lambda prefix: sum(hop.bytes_up + hop.bytes_down for hop in hops if hop.name.startswith(prefix))


def test_records_go_in_and_come_out_through_a_lane(environment: Environment, lane: Lane, topic: str) -> None:
    before = bytes_through(environment)
    send_to_every_partition(lane.bootstrap, topic, b"hello")
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=lane.bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    with closing(consumer):
        got = [next(consumer).value for _ in range(PARTITIONS)]
    assert got == [b"hello"] * PARTITIONS
    after = bytes_through(environment)
    for name in lane.hop_names:
        assert after(name) > before(name), "every broker leads a partition, so every hop of the lane was used"


def test_brokers_reach_one_another_through_the_directed_hops(environment: Environment, lane: Lane, topic: str) -> None:
    before = bytes_through(environment)
    send_to_every_partition(lane.bootstrap, topic, b"y" * 10_000)
    after = bytes_through(environment)
    nodes = environment.topology.node_ids
    for source, target in [(a, b) for a in nodes for b in nodes if a != b]:
        name = f"link/{source}-{target}/INTERNAL"
        assert after(name) > before(name) + 10_000, "a follower fetched the record's bytes from its leader"
    assert all(after(f"link/{node}-") > 0 for node in nodes)
    assert any(after(f"link/{a}-{b}/CONTROLLER") for a in nodes for b in nodes), "so does the quorum"


def test_lanes_do_not_mix(environment: Environment, lane: Lane, topic: str) -> None:
    with leased(environment) as other:
        assert other.index != lane.index
        before = bytes_through(environment)
        send_to_every_partition(lane.bootstrap, topic)
        after = bytes_through(environment)
        assert after(f"{lane.name}/") > before(f"{lane.name}/")
        assert after(f"{other.name}/") == before(f"{other.name}/")


def test_direct_passes_no_hop(environment: Environment, topic: str) -> None:
    before = bytes_through(environment)
    send_to_every_partition(environment.bootstrap_direct, topic)
    assert bytes_through(environment)("lane-") == before("lane-")


def test_every_lane_can_be_leased_once(environment: Environment) -> None:
    lanes = []
    try:
        with pytest.raises(EnvironmentFailedError, match="lanes are leased"):
            while True:
                lanes.append(environment.lease_lane())
        assert len({lane.name for lane in lanes}) == len(lanes) > 1
    finally:
        for lane in lanes:
            environment.release_lane(lane)


def test_the_database_answers(environment: Environment) -> None:
    with psycopg.connect(environment.postgres_dsn) as connection:
        assert connection.execute("select current_database(), current_user").fetchone() == ("eos", "eos")
        assert connection.execute("show fsync").fetchone() == ("off",)


def test_components_are_known_by_pid_and_start(environment: Environment) -> None:
    for component in ("broker 1", "broker 2", "broker 3", "postgres", "proxy"):
        pid, created = environment.process(component)
        assert psutil.Process(pid).create_time() == pytest.approx(created, abs=0.1)
    with pytest.raises(EnvironmentFailedError, match="no 'broker 4'"):
        environment.process("broker 4")


def test_what_it_is_can_be_written_down(environment: Environment) -> None:
    told = json.loads(json.dumps(environment.describe()))
    assert told["cluster_id"] == environment.cluster_id
    assert told["versions"]["kafka"] == "4.4.0"
    assert told["brokers"]["1"]["process.roles"] == "broker,controller"


def test_a_foreign_cluster_at_our_addresses_is_refused(environment: Environment) -> None:
    """Plausible false results came from leftover brokers once."""
    with pytest.raises(EnvironmentFailedError, match="not for ours"):
        Usability(environment.topology, "AAAAAAAAAAAAAAAAAAAAAA", lambda: None).wait_usable(20)


def test_a_killed_broker_is_missed_unless_a_fault_did_it_and_comes_back(environment: Environment) -> None:
    pid, _ = environment.process("broker 3")
    environment.mark_down("broker 3")
    psutil.Process(pid).kill()
    _wait_gone(pid)
    environment.check()
    environment.mark_up("broker 3")
    with pytest.raises(EnvironmentFailedError, match=rf"broker 3 \(pid {pid}\) was killed by SIGKILL"):
        environment.check()
    environment.start_broker(3)
    environment.check()
    assert environment.process("broker 3")[0] != pid


def test_a_broker_that_runs_is_not_started_again(environment: Environment) -> None:
    with pytest.raises(EnvironmentFailedError, match="broker 2 runs already"):
        environment.start_broker(2)


def test_everything_listens_on_loopback_alone(environment: Environment) -> None:
    pids = [environment.process(name)[0] for name in ("broker 1", "postgres", "proxy")]
    sockets = [socket for pid in pids for socket in psutil.Process(pid).net_connections("tcp")]
    hosts = [s.laddr.ip.removeprefix("::ffff:") for s in sockets if s.status == psutil.CONN_LISTEN]
    assert len(hosts) > len(pids)
    assert [host for host in hosts if not host.startswith(f"127.{environment.topology.block}.")] == []


def test_postgres_does_not_run_as_root(environment: Environment) -> None:
    pid, _ = environment.process("postgres")
    uid = Path(f"/proc/{pid}").stat().st_uid
    assert uid != 0
    assert uid == os.geteuid() or os.geteuid() == 0


def _wait_gone(pid: int) -> None:
    """The keeper reaps it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(10)
