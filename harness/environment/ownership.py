"""Who owns what was started, written down where the next start finds it.

One folder per cluster. Its keeper holds a lock in it, which the kernel releases when the keeper ends, however it ends:
a folder whose lock is free is a dead run's, whatever pids and clocks say meanwhile. `owned.json` names every process
that the keeper started, by its pid *and* its start: pids are used again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from harness.environment.children import Child
from harness.environment.home import clusters_folder
from harness.environment.store import replace_file

_RECORD = "owned.json"
_LOCK = "owner.lock"
_SAME_START_S = 1.0
_GRACE_S = 2.0
_GONE_S = 5.0


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Args:
        created: Seconds since the epoch, as psutil tells it.
    """

    pid: int
    created: float

    def alive(self) -> bool:
        """Whether this very process still runs. A zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_START_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class Owned:
    """What `owned.json` holds.

    Args:
        keeper: The keeper's pid, for people.
        keep: Whether it was started to outlive its run.
        spec: Of the cluster, as JSON.
        processes: component → its identity.
    """

    keeper: int
    keep: bool
    block: int
    spec: Mapping[str, Any]
    processes: Mapping[str, Identity]

    def write(self, folder: Path) -> None:
        replace_file(folder / _RECORD, json.dumps({"schema": 1, **asdict(self)}))

    @classmethod
    def read(cls, folder: Path) -> Owned | None:
        """None where there is no record, or none that can be read."""
        try:
            data = json.loads((folder / _RECORD).read_text())
            return cls(
                keeper=data["keeper"],
                keep=data["keep"],
                block=data["block"],
                spec=data["spec"],
                processes={name: Identity(**identity) for name, identity in data["processes"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def new_cluster_folder() -> tuple[Path, IO[str]]:
    """A folder owned by this process, in the existing `clusters_folder()`.

    Returns:
        The folder, and its lock: owned for as long as it stays open.
    """
    with _judging():
        folder = clusters_folder() / f"{os.getpid()}-{secrets.token_hex(2)}"
        folder.mkdir()
        folder.chmod(0o711)  # PostgreSQL's user must be able to pass
        lock = (folder / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def cluster_folders() -> list[Path]:
    try:
        return sorted(path for path in clusters_folder().iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def owner_alive(folder: Path) -> bool:
    """Whether the keeper that made `folder` still runs."""
    try:
        lock = (folder / _LOCK).open()
    except FileNotFoundError:
        return False
    except OSError:  # another user's, who hides it: not ours to judge
        return True
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def orphans() -> list[Path]:
    """Folders whose owner is dead."""
    if not clusters_folder().is_dir():
        return []
    with _judging():
        return [folder for folder in cluster_folders() if not owner_alive(folder)]


def scavenge() -> Iterator[str]:
    """Kill and remove what dead owners left; says what, one line each."""
    for folder in orphans():
        owned = Owned.read(folder)
        processes = owned.processes if owned else {}
        killed = [name for name, identity in processes.items() if _kill(name, identity)]
        if remove_folder(folder):
            yield f"removed what a dead run left: {folder}" + (f", killed {', '.join(killed)}" if killed else "")
        else:
            yield f"{folder} was left by a dead run of another user and cannot be removed"


def end_children(children: Mapping[str, Child]) -> None:
    """End all of our own children now; the data they wrote is about to be removed."""
    for name, child in children.items():
        if child.running():
            child.process.send_signal(death_signal(name))
            child.process.send_signal(signal.SIGCONT)  # a paused process acts on no signal but SIGKILL
    deadline = time.monotonic() + _GRACE_S
    for child in children.values():
        while child.running() and time.monotonic() < deadline:
            time.sleep(0.01)
        if child.running():
            child.process.kill()
            child.process.wait(_GONE_S)


def remove_folder(folder: Path) -> bool:
    """Whether it is gone. Tried for a while: what was just killed may still be writing its last."""
    deadline = time.monotonic() + _GRACE_S
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists() and time.monotonic() > deadline:
            return False
        time.sleep(0.02 if folder.exists() else 0)
    return True


def death_signal(component: str) -> signal.Signals:
    """What ends a component at once. PostgreSQL's SIGQUIT, its immediate shutdown, gives shared memory back."""
    return signal.SIGQUIT if component == "postgres" else signal.SIGKILL


def _kill(component: str, identity: Identity) -> bool:
    """Whether it was alive and is dead now."""
    if not identity.alive():
        return False
    for number, patience in ((death_signal(component), _GRACE_S), (signal.SIGKILL, _GONE_S)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(identity.pid, number)
            os.kill(identity.pid, signal.SIGCONT)
        deadline = time.monotonic() + patience
        while identity.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        if not identity.alive():
            return True
    return False


@contextmanager
def _judging() -> Iterator[None]:
    """A folder that was just made and is not locked yet must not be taken for a dead run's."""
    descriptor = os.open(clusters_folder(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
