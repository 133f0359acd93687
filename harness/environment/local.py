"""A running local cluster as the harness holds it: opened, worked with, and given back.

The cluster itself belongs to a keeper process (`keeper.py`); this end of the line knows its addresses, leases its
lanes and watches over its components.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from faults import FaultError, HopClient
from harness.environment import rpc
from harness.environment.installation import Installation
from harness.environment.node import broker_properties
from harness.environment.ownership import Owned, cluster_folders, owner_alive, scavenge
from harness.environment.ports import allowed_blocks
from harness.environment.postgres import dsn
from harness.environment.provisioning import setup
from harness.environment.proxy import remove_toxiproxies
from harness.environment.spec import ClusterSpec
from harness.environment.store import Progress
from harness.environment.usable import Usability, wait_for_postgres
from harness.errors import EnvironmentFailedError
from harness.topology import Topology, lane_name

USABLE_S = 60.0
BROKER_BACK_S = 30.0
REUSED_S = 20.0


@dataclass(frozen=True, slots=True)
class Lane:
    """One way into the cluster, for one app instance.

    Args:
        name: `lane-3`, as the hops' events and rules call it.
        bootstrap: `bootstrap.servers` for whoever is to use it.
        hop_names: Its hops, one per broker.
    """

    name: str
    index: int
    bootstrap: str
    hop_names: tuple[str, ...]


class Environment:
    """A usable cluster with its database and its proxy.

    Attributes:
        topology: Its addresses.
        cluster_id: What every answer of its brokers must carry.
        postgres_dsn: libpq's connection string.
        seconds: How long it took to become usable.
        reused: Whether it was running already.
    """

    def __init__(
        self, line: rpc.Line, info: dict[str, Any], installation: Installation, *, began: float, reused: bool
    ) -> None:
        spec = ClusterSpec.from_json(info["spec"])
        self.topology = Topology(info["block"], spec.nodes, spec.lanes)
        self.cluster_id: str = info["cluster_id"]
        self.postgres_dsn = dsn(self.topology.postgres)
        self.reused = reused
        self._line = line
        self._spec = spec
        self._installation = installation
        self._folder = Path(info["folder"])
        self._down: set[str] = set()
        self._lock = threading.Lock()
        self._free = deque(self.topology.lane_indexes)
        self._usability = Usability(self.topology, self.cluster_id, self.check)
        deadline_s = REUSED_S if reused else USABLE_S
        self._usability.wait_usable(deadline_s)
        wait_for_postgres(self.topology, deadline_s, self.check)
        self.seconds = round(time.monotonic() - began, 3)

    @property
    def proxy_url(self) -> str:
        return self.topology.proxy_url

    @property
    def bootstrap_direct(self) -> str:
        """Past every hop: for the harness's own reading and administration, never for an app."""
        return self.topology.bootstrap_direct

    def lease_lane(self) -> Lane:
        """A lane that nobody else has until it is released.

        Raises:
            EnvironmentFailedError: All are leased.
        """
        with self._lock:
            if not self._free:
                raise EnvironmentFailedError(
                    f"all {self.topology.lanes} lanes are leased: every app instance needs one of its own"
                )
            index = self._free.popleft()
        return Lane(lane_name(index), index, self.topology.bootstrap_lane(index), self.topology.lane_hop_names(index))

    def release_lane(self, lane: Lane) -> None:
        """Give it back, to be leased again after all that are free now."""
        with self._lock:
            assert lane.index not in self._free, f"{lane.name} is not leased"
            self._free.append(lane.index)

    def process(self, component: str) -> tuple[int, float]:
        """Process id and start (seconds since the epoch) of `broker 1`, `postgres`, `proxy`.

        Raises:
            EnvironmentFailedError: There is no such component, or it does not run.
        """
        state = self._line.call("info")["processes"].get(component)
        if state is None:
            raise EnvironmentFailedError(f"this cluster has no {component!r}")
        if not state["running"]:
            raise EnvironmentFailedError(state["obituary"])
        return state["pid"], state["created"]

    def mark_down(self, component: str) -> None:
        """A fault is about to end or to stop it: `check` does not mind until `mark_up`."""
        with self._lock:
            self._down.add(component)

    def mark_up(self, component: str) -> None:
        with self._lock:
            self._down.discard(component)

    def start_broker(self, node: int) -> None:
        """Start a broker that has ended; returns when it is part of the cluster again.

        Raises:
            EnvironmentFailedError: It did not come back; carries the end of its log.
        """
        component = f"broker {node}"
        self._line.call("start", component=component)
        self._usability.wait_registered(node, BROKER_BACK_S, lambda: self._require(component))

    def check(self) -> None:
        """
        Raises:
            EnvironmentFailedError: A component has ended that no fault ended, or the keeper is gone; carries the end
                of its log.
        """
        states = self._line.call("info")["processes"]
        with self._lock:
            down = set(self._down)
        for name, state in states.items():
            if not state["running"] and name not in down:
                raise EnvironmentFailedError(state["obituary"])

    def describe(self) -> dict[str, Any]:
        """What it is, JSON-ready: versions, addresses and the brokers' effective properties."""
        made = self._installation
        topology = self.topology
        return {
            "kind": "local",
            "cluster_id": self.cluster_id,
            "reused": self.reused,
            "usable_after_s": self.seconds,
            "versions": {
                "kafka": made.kafka_version,
                "java": made.java_version,
                "postgres": made.postgres_version,
                "python": sys.version.split()[0],
            },
            "spec": self._spec.to_json(),
            "addresses": {
                "direct": topology.bootstrap_direct,
                "proxy": topology.proxy_url,
                "postgres": str(topology.postgres),
                "lanes": {lane_name(lane): topology.bootstrap_lane(lane) for lane in topology.lane_indexes},
            },
            "brokers": {
                str(node): broker_properties(topology, node, self._folder / f"broker-{node}", self._spec.broker)
                for node in topology.node_ids
            },
        }

    def _require(self, component: str) -> None:
        state = self._line.call("info")["processes"][component]
        if not state["running"]:
            raise EnvironmentFailedError(state["obituary"])


@contextmanager
def open_environment(
    spec: ClusterSpec | None = None, *, keep: bool = False, progress: Progress | None = None
) -> Iterator[Environment]:
    """A usable local cluster: one that an earlier run kept and nobody uses, else a new one.

    What dead runs left behind is removed first; what `setup` has not made yet is made.

    Args:
        keep: Leave it running at the end; a later call, also of another process, finds it. One that an earlier run
            kept stays kept.
        progress: Called with one line before each step that takes time.

    Raises:
        EnvironmentFailedError: It did not become usable; carries the last log lines of what failed.
        UsageError: EOS_CHAOS_BLOCKS is wrong.
    """
    allowed_blocks()  # the keeper's to use; the person's mistake is better told before anything is done
    spec = spec or ClusterSpec()
    progress = progress or (lambda _: None)
    installation = setup(progress)
    for line in scavenge():
        progress(line)
    environment_line = None
    try:
        environment, environment_line = _reused(spec, installation, progress) or _started(
            spec, installation, keep, progress
        )
        yield environment
    finally:
        if environment_line is not None:
            environment_line.hang_up()
            for line in scavenge():  # nothing, unless its keeper was killed
                progress(line)


def end_kept_clusters() -> Iterator[str]:
    """End every cluster that was kept and that nobody uses; says what, one line each."""
    for folder, owned in kept_clusters():
        line = rpc.connect(folder)
        if line is None:
            continue
        try:
            line.call("info")
        except EnvironmentFailedError as busy:
            yield f"left alone: the cluster in {folder} ({busy})"
            line.close()
        else:
            line.end_cluster()
            yield f"ended the kept cluster in block {owned.block} ({folder})"


def kept_clusters() -> list[tuple[Path, Owned]]:
    """Those whose keeper lives."""
    records = [(folder, Owned.read(folder)) for folder in cluster_folders()]
    return [(folder, owned) for folder, owned in records if owned and owned.keep and owner_alive(folder)]


def _reused(spec: ClusterSpec, installation: Installation, progress: Progress) -> tuple[Environment, rpc.Line] | None:
    """A kept cluster of this spec, from this installation, that nobody uses and that is whole."""
    for folder, owned in kept_clusters():
        if owned.spec != spec.to_json() or (line := rpc.connect(folder)) is None:
            continue
        began = time.monotonic()
        try:
            info = line.call("info")
        except EnvironmentFailedError:  # another run uses it
            line.close()
            continue
        progress(f"using the kept cluster in block {owned.block} again")
        try:
            if Installation.from_json(info["installation"]) != installation:
                raise EnvironmentFailedError("it was started from another installation")
            _as_new(Topology(info["block"], spec.nodes, spec.lanes))
            return Environment(line, info, installation, began=began, reused=True), line
        except (EnvironmentFailedError, FaultError) as error:
            progress(f"replacing the kept cluster: {str(error).splitlines()[0]}")
            line.end_cluster()
    return None


def _as_new(topology: Topology) -> None:
    """Undo what a run that died left in the proxy: its rules, its closed hops and gates, its toxics."""
    hops = HopClient(topology.proxy_url)
    for rule in hops.rules():
        hops.remove_rule(rule.id)
    upstreams = {hop.name: str(hop.upstream) for hop in topology.hops()}
    for hop in hops.hops():
        if hop.name in upstreams:
            hops.patch_hop(hop.name, enabled=True, upstream=upstreams[hop.name], requests="pass", replies="pass")
    remove_toxiproxies(topology)


def _started(
    spec: ClusterSpec, installation: Installation, keep: bool, progress: Progress
) -> tuple[Environment, rpc.Line]:
    progress("starting brokers, proxy and database")
    began = time.monotonic()
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as words, theirs:
        # Its own session, so that a terminal's Ctrl-C reaches the harness alone; it forks and is nobody's child.
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.environment.keeper"],
            stdin=theirs.fileno(),
            stdout=words,
            stderr=words,
            start_new_session=True,
        )
        theirs.close()
        line = rpc.Line(ours)
        try:
            process.wait(BROKER_BACK_S)
            request = {"spec": spec.to_json(), "installation": installation.to_json(), "keep": keep}
            info = line.call("open", **request)
            return Environment(line, info, installation, began=began, reused=False), line
        except BaseException as error:
            line.end_cluster()
            if isinstance(error, EnvironmentFailedError) and (said := _said(words)):
                raise EnvironmentFailedError(f"{error}\n  the keeper said:\n{said}") from error
            raise


def _said(words: IO[bytes]) -> str:
    with suppress(OSError):
        words.seek(0)
        lines = words.read().decode(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-12:])
    return ""
