"""Taking a local cluster and giving it back: one that was kept, or a new one. `local.py` is what one then holds."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from faults import FaultError, HopClient
from harness.environment import rpc
from harness.environment.installation import Installation
from harness.environment.local import Environment, Info
from harness.environment.ownership import Owned, cluster_folders, owner_alive, scavenge
from harness.environment.ports import allowed_blocks
from harness.environment.provisioning import setup
from harness.environment.proxy import remove_toxiproxies
from harness.environment.spec import ClusterSpec
from harness.environment.store import Progress
from harness.errors import EnvironmentFailedError
from harness.topology import Topology

STARTED_S = 30.0
T = TypeVar("T")


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
    environment = None
    try:
        environment = _reused(spec, installation, progress) or _new(spec, installation, keep, progress)
        yield environment
    finally:
        if environment is not None:
            environment.close()
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


def _reused(spec: ClusterSpec, installation: Installation, progress: Progress) -> Environment | None:
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
            start = partial(_start, spec, installation, True)
            return Environment(line, info, installation, start, began=began, reused=True)
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


def _new(spec: ClusterSpec, installation: Installation, keep: bool, progress: Progress) -> Environment:
    progress("starting brokers, proxy and database")
    began = time.monotonic()
    start = partial(_start, spec, installation, keep)
    return start(lambda line, info: Environment(line, info, installation, start, began=began, reused=False))


def _start(spec: ClusterSpec, installation: Installation, keep: bool, use: Callable[[rpc.Line, Info], T]) -> T:
    """Start a cluster's processes; `use` waits until it is usable, and returns what we return."""
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
            process.wait(STARTED_S)
            request = {"spec": spec.to_json(), "installation": installation.to_json(), "keep": keep}
            return use(line, line.call("open", **request))
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
