"""The process that owns a cluster: `python -m harness.environment.keeper`, started by `local.open_environment`.

It is its own process so that a cluster may outlive a run, and so that somebody is left to clear away when the harness
is killed. Standard input is the line to that harness (see `rpc`): its first message says what to start, and its end,
however it comes, ends the cluster, unless it is to be kept. A keeper that is killed itself takes its children along
(`children`); its folder is found by the next start (`ownership`).

One thread does everything: children die with the thread that started them, and so nothing here can race.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from typing import Any

from harness.environment import rpc
from harness.environment.cluster import Cluster
from harness.environment.home import clusters_folder
from harness.environment.installation import Installation
from harness.environment.spec import ClusterSpec
from harness.errors import EnvironmentFailedError, EosChaosError


class OwnerGoneError(Exception):
    """The harness hung up."""


class ToldToEndError(Exception):
    """By the harness, or by a signal."""


class Client:
    """The keeper's end of the line to one harness."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self._received = b""

    def fileno(self) -> int:
        return self.connection.fileno()

    def receive(self) -> list[dict[str, Any]]:
        """The requests that arrived whole. Raises OwnerGoneError at the line's end."""
        try:
            data = self.connection.recv(1 << 20)
        except BlockingIOError:
            return []
        except OSError as error:
            raise OwnerGoneError from error
        if not data:
            raise OwnerGoneError
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def send(self, message: dict[str, Any]) -> None:
        self.connection.setblocking(True)
        with contextlib.suppress(OSError):  # it is gone: the next receive says so
            self.connection.sendall(rpc.encode(message))
        self.connection.setblocking(False)


_Source = Client | socket.socket


class Keeper:
    """Serves one harness at a time until the cluster is to end."""

    def __init__(self, first: Client) -> None:
        self._client: Client | None = first
        self._listener: socket.socket | None = None
        self._wakeup, ours = socket.socketpair()
        self._wakeup.setblocking(False)
        ours.setblocking(False)
        self._told_to_end = False
        signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
        self._ours = ours  # closed with us
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_end)

    def run(self) -> None:
        cluster: Cluster | None = None
        try:
            request = self._first_request()
            cluster = Cluster(
                ClusterSpec.from_json(request["spec"]),
                Installation.from_json(request["installation"]),
                keep=request["keep"],
            )
            if cluster.keep:
                self._listener = rpc.listen(cluster.folder)
            cluster.start(self._pause)
            self._answer({"ok": cluster.info()})
            self._serve(cluster)
        except (OwnerGoneError, ToldToEndError):
            pass
        except EosChaosError as error:
            self._end(cluster)
            self._answer({"error": str(error)})
        except OSError as error:
            self._end(cluster)
            self._answer({"error": f"the cluster's files cannot be written in {clusters_folder()}: {error}"})
        finally:
            self._end(cluster)

    def _end(self, cluster: Cluster | None) -> None:
        if self._listener:
            self._listener.close()
        if cluster:
            cluster.end()

    def _first_request(self) -> dict[str, Any]:
        while True:
            assert self._client
            self._wait_for([self._client, self._wakeup])
            for request in self._client.receive():
                return request

    def _serve(self, cluster: Cluster) -> None:
        while True:
            ready = self._wait_for([s for s in (self._client, self._listener, self._wakeup) if s])
            cluster.reap()
            if self._client and self._client in ready:
                self._serve_client(cluster, self._client)
            if self._listener in ready:  # after the former client's end, which may have come at the same time
                self._accept()

    def _serve_client(self, cluster: Cluster, client: Client) -> None:
        try:
            for request in client.receive():
                self._answer(self._handle(cluster, request))
        except OwnerGoneError:
            if not cluster.keep:
                raise
            client.connection.close()  # the harness, if it waits, knows by this that we know
            self._client = None

    def _handle(self, cluster: Cluster, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"call": "info"}:
                return {"ok": cluster.info()}
            case {"call": "start", "component": component}:
                try:
                    cluster.start_component(component)
                except EnvironmentFailedError as error:
                    return {"error": str(error)}
                return {"ok": cluster.info()}
            case {"call": "shutdown"}:
                raise ToldToEndError
            case _:
                return {"error": f"the keeper does not know the request {request}"}

    def _accept(self) -> None:
        assert self._listener
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if self._client is None:
            self._client = Client(connection)
            return
        Client(connection).send({"error": "busy: another run uses this cluster"})
        connection.close()

    def _pause(self) -> None:
        """Wait a moment during the start; notices a dead harness at once."""
        assert self._client
        if self._client in self._wait_for([self._client, self._wakeup], 0.01):
            self._client.receive()

    def _wait_for(self, sources: list[_Source], timeout_s: float | None = None) -> list[_Source]:
        ready, _, _ = select.select(sources, [], [], timeout_s)
        self._check_told()
        return ready

    def _check_told(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakeup.recv(4096)
        if self._told_to_end:
            raise ToldToEndError

    def _answer(self, message: dict[str, Any]) -> None:
        if self._client:
            self._client.send(message)

    def _on_end(self, *_: object) -> None:
        self._told_to_end = True


def main() -> None:
    # Once more, so that the keeper is nobody's child: whoever started it owes it no wait, and it leaves no zombie.
    if os.fork():
        os._exit(0)
    Keeper(Client(socket.socket(fileno=0))).run()
    os._exit(0)  # at once: the end of the line, which somebody may be waiting for, says that we are gone


if __name__ == "__main__":
    main()
