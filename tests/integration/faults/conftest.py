"""The real eosproxy, with a lane of its own for each test."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from faults import EventStream, HopClient
from harness.environment.proxy_build import ensure_proxy, proxy_path
from harness.environment.store import writing
from tests.integration.faults.peers import Broker, Lane, make_lane

_lanes = itertools.count(1)


@dataclass(frozen=True)
class EosProxy:
    """A running eosproxy."""

    url: str
    process: subprocess.Popen[bytes]


StartProxy = Callable[..., EosProxy]


@pytest.fixture(scope="session")
def program() -> Path:
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
