"""The real eosproxy, with a lane of its own for each test."""

from __future__ import annotations

import itertools
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from faults import Detour, EventStream, HopClient, LaneDetour, Toxics
from harness.environment.proxy_build import ensure_proxy, proxy_path
from harness.environment.store import writing
from tests.integration.faults.kafka_clients import ACK_S, in_sync
from tests.integration.faults.peers import Broker, Lane, make_lane, until

if TYPE_CHECKING:
    from harness.environment import Environment
    from harness.environment import Lane as LaneOfCluster

_lanes = itertools.count(1)


@dataclass(frozen=True)
class EosProxy:
    """A running eosproxy."""

    url: str
    process: subprocess.Popen[bytes]


StartProxy = Callable[..., EosProxy]


@pytest.fixture(scope="session")
def program() -> Path:
    if named := os.environ.get("EOSPROXY"):
        return Path(named)
    if not proxy_path().is_file():
        with writing(print):
            ensure_proxy(print)
    return proxy_path()


@contextmanager
def running(program: Path, *options: str, api: str = "127.0.0.1:0") -> Iterator[EosProxy]:
    command = [str(program), "-api", api, "-exit-on-stdin-eof", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            started = orjson.loads(process.stdout.readline())
            yield EosProxy(f"http://{started['listening']}", process)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def eosproxy(program: Path) -> Iterator[EosProxy]:
    """Shared by all tests that leave it as it was, their own hops aside."""
    with running(program) as proxy:
        yield proxy


@pytest.fixture
def start_proxy(program: Path) -> Iterator[StartProxy]:
    """For those that do not."""
    started = []

    def start(*options: str, api: str = "127.0.0.1:0") -> EosProxy:
        started.append(running(program, *options, api=api))
        return started[-1].__enter__()

    yield start
    for proxy in started:
        proxy.__exit__(None, None, None)


@pytest.fixture
def hops(eosproxy: EosProxy) -> HopClient:
    return HopClient(eosproxy.url)


@pytest.fixture
def events(hops: HopClient) -> Iterator[EventStream]:
    with EventStream(hops) as events:
        yield events


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.close()


@pytest.fixture
def lane(hops: HopClient, broker: Broker) -> Iterator[Lane]:
    lane = make_lane(hops, f"lane-{next(_lanes)}", broker)
    yield lane
    hops.patch_hop(lane.hop, enabled=False)


@pytest.fixture
def other_lane(hops: HopClient, broker: Broker) -> Iterator[Lane]:
    lane = make_lane(hops, f"lane-{next(_lanes)}", broker)
    yield lane
    hops.patch_hop(lane.hop, enabled=False)


# -- on the shared cluster ---------------------------------------------------------------------------------------


@pytest.fixture
def app(environment: Environment) -> Iterator[LaneOfCluster]:
    """A lane of the cluster."""
    lane = environment.lease_lane()
    yield lane
    environment.release_lane(lane)


@pytest.fixture
def admin(environment: Environment) -> AdminClient:
    return AdminClient({"bootstrap.servers": environment.bootstrap_direct})


@pytest.fixture
def topic(admin: AdminClient) -> Iterator[str]:
    """One partition, three replicas, all in sync."""
    name = f"faults-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(name, 1, 3, config={"min.insync.replicas": "1"})])[name].result(ACK_S)
    assert until(lambda: len(in_sync(admin, name)) == 3, ACK_S)
    yield name
    admin.delete_topics([name])[name].result(ACK_S)


@pytest.fixture
def helper() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as helper:
        yield helper


@pytest.fixture
def detour(environment: Environment, app: LaneOfCluster) -> Iterator[LaneDetour]:
    """The lane's hops to brokers and services, led through Toxiproxy."""
    topology = environment.topology
    hops = [(topology.lane_hop(app.index, node), topology.toxic_address(app.index, node)) for node in topology.node_ids]
    ways = [Detour(hop=hop.name, listen=str(listen), upstream=str(hop.upstream)) for hop, listen in hops]
    client = HopClient(environment.proxy_url)
    detour = LaneDetour(client, Toxics(environment.proxy_url), app.name, ways)
    detour.prepare()
    yield detour
    detour.remove()
