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
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.environment import rpc
from harness.environment.children import Child, how_it_ended, last_lines, spawn, unprivileged_user
from harness.environment.home import clusters_folder, make_reachable
from harness.environment.installation import Installation
from harness.environment.node import broker_argv, new_kafka_id, server_log, write_node
from harness.environment.ownership import (
    Identity,
    Owned,
    death_signal,
    end_children,
    new_cluster_folder,
    remove_folder,
)
from harness.environment.ports import allowed_blocks, claim_block
from harness.environment.postgres import copy_data, postgres_argv, require_reachable
from harness.environment.proxy import answers, make_hops, proxy_argv
from harness.environment.spec import ClusterSpec
from harness.errors import EnvironmentFailedError, EosChaosError

_PROXY_S = 10.0


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


class Cluster:
    """The processes of one cluster and the folder that they live in."""

    def __init__(self, spec: ClusterSpec, installation: Installation, *, keep: bool) -> None:
        self.spec = spec
        self.installation = installation
        self.keep = keep
        self.cluster_id = new_kafka_id()
        self.children: dict[str, Child] = {}
        make_reachable(clusters_folder())
        require_reachable(clusters_folder())
        self.topology, self._block = claim_block(spec.nodes, spec.lanes, allowed_blocks())
        self.folder, self._lock = new_cluster_folder()
        self._record()

    def start(self, pause: Callable[[], None]) -> None:
        """Start everything; what takes a broker long to become usable is the harness's to wait for.

        Args:
            pause: Called while waiting; raises when the start is to be given up.
        """
        self._spawn("proxy", proxy_argv(self.installation.proxy, self.topology.proxy_api))
        # Its thousand files before the brokers start: these leave no other process a processor for seconds.
        self._postgres_data().parent.mkdir(mode=0o755)
        copy_data(Path(self.installation.postgres_data), self._postgres_data())
        for node in self.topology.node_ids:
            write_node(
                self.topology,
                node,
                self._node_folder(node),
                cluster_id=self.cluster_id,
                format_template=self.installation.format_template,
                overrides=self.spec.broker,
            )
        deadline = time.monotonic() + _PROXY_S
        while not answers(self.topology.proxy_api):
            pause()
            if not self.children["proxy"].running() or time.monotonic() > deadline:
                raise EnvironmentFailedError(f"eosproxy did not start: {self._obituary('proxy')}")
        make_hops(self.topology)
        for node in self.topology.node_ids:
            self.start_component(f"broker {node}")
        self.start_component("postgres")

    def start_component(self, component: str) -> None:
        """Start a broker or PostgreSQL, for the first time or after its end.

        Raises:
            EnvironmentFailedError: There is no such component, or it runs.
        """
        present = self.children.get(component)
        if present and present.running():
            raise EnvironmentFailedError(f"{component} runs already (pid {present.pid})")
        if component == "postgres":
            argv = postgres_argv(Path(self.installation.postgres_bin), self._postgres_data(), self.topology.postgres)
            self._spawn(component, argv, user=unprivileged_user())
            return
        for node in self.topology.node_ids:
            if component == f"broker {node}":
                folder = self._node_folder(node)
                self._spawn(component, broker_argv(self.installation, folder), cwd=folder, log=server_log(folder))
                return
        raise EnvironmentFailedError(f"this cluster has no {component!r}")

    def info(self) -> dict[str, Any]:
        return {
            "keeper": os.getpid(),
            "cluster_id": self.cluster_id,
            "folder": str(self.folder),
            "block": self.topology.block,
            "spec": self.spec.to_json(),
            "installation": self.installation.to_json(),
            "keep": self.keep,
            "processes": {name: self._state(child) for name, child in self.children.items()},
        }

    def reap(self) -> None:
        for child in self.children.values():
            child.running()

    def end(self) -> None:
        end_children(self.children)
        remove_folder(self.folder)
        self._lock.close()
        self._block.close()

    def _spawn(
        self,
        component: str,
        argv: list[str],
        *,
        cwd: Path | None = None,
        log: Path | None = None,
        user: str | None = None,
    ) -> None:
        output = (cwd or self.folder) / f"{component.replace(' ', '-')}.out"
        try:
            self.children[component] = spawn(
                component,
                argv,
                cwd=cwd or self.folder,
                logs=(log, output) if log else (output,),
                user=user,
                death_signal=death_signal(component),
            )
        except OSError as error:
            raise EnvironmentFailedError(f"{component} could not be started: {argv[0]}: {error.strerror}") from error
        self._record()

    def _record(self) -> None:
        Owned(
            keeper=os.getpid(),
            keep=self.keep,
            block=self.topology.block,
            spec=self.spec.to_json(),
            processes={name: Identity(child.pid, child.created) for name, child in self.children.items()},
        ).write(self.folder)

    def _state(self, child: Child) -> dict[str, Any]:
        running = child.running()
        obituary = "" if running else self._obituary(child.component)
        return {"pid": child.pid, "created": child.created, "running": running, "obituary": obituary}

    def _obituary(self, component: str) -> str:
        child = self.children[component]
        return f"{component} (pid {child.pid}) {how_it_ended(child.process.poll())}; {last_lines(child.logs)}"

    def _node_folder(self, node: int) -> Path:
        return self.folder / f"broker-{node}"

    def _postgres_data(self) -> Path:
        return self.folder / "postgres" / "data"


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
