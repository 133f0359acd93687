"""The components of a cluster as child processes, and what to say of one that died."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import spawning

_TAIL_BYTES = 32768
_STACK_FRAME = re.compile(r"\s+(at |\.\.\. \d+ more)")

UNPRIVILEGED = "nobody"


@dataclass(slots=True)
class Child:
    """One component of a cluster.

    Args:
        component: `proxy`, `postgres`, `broker 1` …
        created: Its start, seconds since the epoch as psutil tells it; with the pid it is the process's identity.
        logs: Where it writes, the one that tells most first.
    """

    component: str
    process: subprocess.Popen[bytes]
    created: float
    logs: tuple[Path, ...]

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process.poll() is None


def spawn(
    component: str,
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    logs: tuple[Path, ...],
    user: str | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start a program in a session of its own; its output is appended to the last of `logs`.

    Args:
        user: The OS user to run as, with that user's group alone; None for our own.
        death_signal: What the kernel sends it when we die.

    Raises:
        OSError: It cannot be started.
    """
    process = spawning.spawn(argv, log=logs[-1], cwd=cwd, user=user, death_signal=death_signal)
    return Child(component, process, psutil.Process(process.pid).create_time(), logs)


def unprivileged_user() -> str | None:
    """The OS user for programs that refuse to run as root; None when we are not root."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def reachable_by_all(path: Path) -> bool:
    """Whether every OS user may reach and read `path`."""
    if not path.exists():
        return False
    real = path.resolve()
    return bool(real.stat().st_mode & 0o004) and all(parent.stat().st_mode & 0o001 for parent in real.parents)


def last_lines(logs: Sequence[Path], count: int = 12) -> str:
    """The ends of those of `logs` that say anything, indented and without stack frames; a remark where none does."""
    ends = []
    for log in logs:
        try:
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            continue
        lines = [line for line in text.splitlines() if line.strip() and not _STACK_FRAME.match(line)]
        if lines:
            ends.append(f"the end of {log.name}:\n" + "\n".join(f"    {line}" for line in lines[-count:]))
    return "\n  ".join(ends) or "its logs are empty"


def how_it_ended(returncode: int | None) -> str:
    if returncode is None:
        return "is gone"
    if returncode < 0:
        return f"was killed by {signal.Signals(-returncode).name}"
    return f"exited with code {returncode}"
