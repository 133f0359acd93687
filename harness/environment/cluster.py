"""The processes of one cluster and the folder that they live in, as its keeper has them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from harness.errors import EnvironmentFailedError

_PROXY_S = 10.0
_SERVICES = {"rest": "harness.services.rest", "smtp": "harness.services.mail"}


class Cluster:
    """Owned by this process from its making to `end`.

    Raises:
        EnvironmentFailedError: No block of addresses is free, or PostgreSQL's user cannot reach the folder.
        OSError: The folder cannot be written.
    """

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
        """Start a broker, PostgreSQL, the REST service or the mail server, for the first time or after its end.

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
        if component in _SERVICES:
            self._spawn(component, self._service_argv(component))
            return
        for node in self.topology.node_ids:
            if component == f"broker {node}":
                folder = self._node_folder(node)
                self._spawn(component, broker_argv(self.installation, folder), cwd=folder, log=server_log(folder))
                return
        raise EnvironmentFailedError(f"this cluster has no {component!r}")

    def _service_argv(self, service: str) -> list[str]:
        """These serve what scenarios do not always want: they are started on demand."""
        topology = self.topology
        listen = {"rest": [topology.rest], "smtp": [topology.smtp]}[service]
        api = {"rest": [], "smtp": [topology.mail_api]}[service]
        store = self.folder / f"{service}.sqlite"
        arguments = [*listen, store, self.cluster_id, *api]
        return [sys.executable, "-m", _SERVICES[service], *map(str, arguments)]

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
