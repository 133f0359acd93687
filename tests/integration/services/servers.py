"""A REST service or mail server as a process of its own, without a cluster."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from harness.services import Resources, ServiceGoneError
from harness.spawning import spawn

CLUSTER = "a-cluster"
START_S = 20.0


class Server:
    """One server; killed and started again it keeps its addresses and its store.

    Attributes:
        api: `http://host:port` of its HTTP side.
        smtp: (host, port) of the mail server's other side.
    """

    def __init__(self, service: str, folder: Path) -> None:
        self.service = service
        self._folder = folder
        addresses = _free(2)
        self.api = f"http://127.0.0.1:{addresses[0]}"
        self.smtp = "127.0.0.1", addresses[1]
        self.resources = Resources(self.api)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        api = self.api.removeprefix("http://")
        listen = [api] if self.service == "rest" else [f"127.0.0.1:{self.smtp[1]}"]
        store = self._folder / f"{self.service}.sqlite"
        more = [] if self.service == "rest" else [api]
        argv = [sys.executable, "-m", f"harness.services.{self.service}", *listen, store, CLUSTER, *more]
        self.process = spawn(argv, log=self.log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline, f"{self.service} does not answer: {self.log.read_text()}"
            time.sleep(0.02)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    @property
    def log(self) -> Path:
        return self._folder / f"{self.service}.log"

    def rows(self, resource: str) -> list[dict[str, Any]]:
        """What was accepted, one mapping a call."""
        pages = self.resources.read(resource)
        return [dict(zip(page, row, strict=True)) for page in pages for row in zip(*page.values(), strict=True)]

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.resources.cluster() == CLUSTER
        except ServiceGoneError:
            return False


@contextmanager
def serving(service: str, folder: Path) -> Iterator[Server]:
    server = Server(service, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def post(
    server: Server, resource: str, body: object, key: str | None = None, headers: Mapping[str, str] | None = None
) -> requests.Response:
    sent = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key is not None else {})}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(f"{server.api}/{resource}", data=data, headers={**sent, **(headers or {})}, timeout=20)


def ids(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [row["id"] for row in rows]


def _free(count: int) -> list[int]:
    """Ports that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
