"""Start a child that cannot outlive the thread that started it.

PR_SET_PDEATHSIG makes the kernel send SIGKILL to the child when the *thread* that forked it ends, so only the main
thread may spawn. A harness crash once left brokers running, and the next run's clients silently used them: plausible
false results.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> Callable[[], None]:
    """For `preexec_fn`: runs in the child, after its user was changed (a change of user clears the setting)."""

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and prctl: no signal will come
            os._exit(1)

    return tie


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, its output appended to `log`.

    Args:
        user: The OS user to run as; None for our own.

    Raises:
        OSError: The program cannot be started.
    """
    assert threading.current_thread() is threading.main_thread(), "children die with the thread that spawned them"
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=None if env is None else dict(env),
            cwd=cwd,
            user=user,
            start_new_session=True,
            preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509  the main thread alone spawns; no other way to set it
        )
