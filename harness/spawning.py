"""Start a child that cannot outlive the thread that started it.

PR_SET_PDEATHSIG makes the kernel send a signal to the child when the *thread* that forked it ends, so only threads may
spawn that outlive their children: the main thread, and those that promise it. A harness crash once left brokers
running, and the next run's clients silently used them: plausible false results.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_outliving = threading.local()


@contextmanager
def outliving_its_children() -> Iterator[None]:
    """This thread promises to end every child that it spawns before it ends itself."""
    _outliving.promised = True
    try:
        yield
    finally:
        _outliving.promised = False


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    user: str | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, its output appended to `log`.

    Args:
        user: The OS user to run as, with that user's group alone; None for our own.
        death_signal: What the kernel sends it when we die.

    Raises:
        OSError: The program cannot be started.
    """
    on_main_thread = threading.current_thread() is threading.main_thread()
    assert on_main_thread or getattr(_outliving, "promised", False), "children die with the thread that spawned them"
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid(), death_signal),  # noqa: PLW1509  it calls nothing that needs a lock
        )


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    def tie() -> None:  # runs in the child, after its user was changed: that would clear the setting
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it died between fork and prctl: no signal will come
            os._exit(1)

    return tie
