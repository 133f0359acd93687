"""Process faults: crash, stop, pause and resume, on Linux.

A process is identified by its pid *and* its start time, and signalled through a pidfd, so that a recycled
pid is never signalled. None of the faults raises because a process is gone already: that is evidence, with
`bit=False`.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from faults.errors import ProcessError
from faults.evidence import Evidence

_BOOT_TIME_JITTER_S = 1.5
"""psutil adds the boot time in whole seconds, which may flip by one between readers while NTP slews."""

_CPU_TICKS_S = 0.05
"""How much of a stopped process's CPU time may be an artefact of how the kernel scales it."""

_POLL_S = 0.005

_STOPPED = {"T"}
_DEAD = {"Z", "X"}


class ProcessHandle:
    """One process, ours or not.

    Every fault raises ProcessError when this user may not signal the process.

    Args:
        pid: Its pid.
        started: Its `psutil.Process(pid).create_time()`: seconds since the epoch.
        reap: For a child of this process: called once its exit was seen, returns its exit code as
            `Popen.wait` does (negative = died by that signal). Without it a child stays a zombie until its
            owner waits for it.
    """

    def __init__(self, pid: int, started: float, reap: Callable[[], int | None] | None = None) -> None:
        self.pid = pid
        self.started = started
        self._reap = reap
        self._process = _identified(pid, started)
        self._paused: dict[str, Any] = {}

    @classmethod
    def of(cls, pid: int, reap: Callable[[], int | None] | None = None) -> ProcessHandle:
        """The process that has this pid now.

        Raises:
            ProcessError: There is none.
        """
        try:
            return cls(pid, psutil.Process(pid).create_time(), reap)
        except psutil.NoSuchProcess as error:
            raise ProcessError(f"there is no process {pid}") from error

    def alive(self) -> bool:
        """Whether it runs; a zombie does not, a stopped process does."""
        # States first: had they been those of a recycled pid, the identity would not hold afterwards.
        states = _states(self.pid)
        return bool(states - _DEAD) and self._process is not None and self._process.is_running()

    def crash(self, wait_s: float = 10.0) -> Evidence:
        """SIGKILL, and wait until it is gone. It bit if the process died by that signal."""
        return self._end(signal.SIGKILL, wait_s)

    def stop(
        self,
        wait_s: float = 30.0,
        signalled: Callable[[], None] | None = None,
        by: signal.Signals = signal.SIGTERM,
    ) -> Evidence:
        """SIGTERM, and wait until it is gone. It bit if the process got it and ended within `wait_s`.

        Args:
            by: Another signal that means the same to it.
            signalled: Called between the signal and the wait: where what the process waits for is to be let go, such
                as a frame that is held, since in good order it cannot end before.
        """
        return self._end(by, wait_s, signalled)

    def pause(self, wait_s: float = 5.0) -> Evidence:
        """SIGSTOP. It bit once /proc shows every thread stopped."""
        facts: dict[str, Any] = {"signal": "SIGSTOP", "pid": self.pid}
        try:
            with self._pidfd() as fd:
                facts["signalled_ns"] = _send(fd, signal.SIGSTOP)
                _wait(lambda: _live_states(self.pid) in (_STOPPED, set()), wait_s)
        except ProcessLookupError:
            return self._gone(facts)
        stopped = _live_states(self.pid) == _STOPPED
        facts |= {"stopped_ns": time.monotonic_ns(), "cpu_s": _cpu_seconds(self.pid)}
        self._paused = facts
        why = ""
        if not self.alive():
            why = f"process {self.pid} ended before SIGSTOP could stop it"
        elif not stopped:
            why = f"process {self.pid} was not stopped {wait_s:g} s after SIGSTOP"
        return Evidence(fired=1, bit=not why, facts=dict(facts), why=why)

    def resume(self, wait_s: float = 5.0) -> Evidence:
        """SIGCONT, checked in /proc. Its evidence covers the whole pause.

        It bit if the process was stopped until now without using the CPU, and runs again. Does no harm to a process
        that is not stopped, and may be called twice.
        """
        paused, self._paused = self._paused, {}
        fired = int(bool(paused))
        facts: dict[str, Any] = {**paused, "pid": self.pid, "signal": "SIGSTOP, SIGCONT"}
        cpu_before = facts.pop("cpu_s", 0.0)
        try:
            with self._pidfd() as fd:
                still_stopped = _live_states(self.pid) == _STOPPED
                used = round(_cpu_seconds(self.pid) - cpu_before, 3)
                facts["resumed_ns"] = _send(fd, signal.SIGCONT)
                runs = _wait(lambda: not _live_states(self.pid) & _STOPPED, wait_s)
        except ProcessLookupError:
            return self._gone(facts, fired)
        if not paused:
            return Evidence(fired=0, bit=False, facts=facts, why=f"process {self.pid} was not paused")
        facts["cpu_s_while_stopped"] = used
        facts["stopped_ms"] = (facts["resumed_ns"] - facts["stopped_ns"]) // 1_000_000
        why = ""
        if not still_stopped:
            why = f"process {self.pid} was not stopped any more at the end of its pause"
        elif used > _CPU_TICKS_S:
            why = f"process {self.pid} used the CPU for {used} s during its pause: somebody let it run in between"
        elif not runs:
            why = f"process {self.pid} is still stopped {wait_s:g} s after SIGCONT"
        return Evidence(fired=fired, bit=not why, facts=facts, why=why)

    def _end(self, number: signal.Signals, wait_s: float, signalled: Callable[[], None] | None = None) -> Evidence:
        facts: dict[str, Any] = {"signal": number.name, "pid": self.pid}
        try:
            with self._pidfd() as fd:
                facts["signalled_ns"] = _send(fd, number)
                if signalled:
                    signalled()
                if not _exit_seen(fd, wait_s):
                    why = f"process {self.pid} is still there {wait_s:g} s after {number.name}"
                    return Evidence(fired=1, bit=False, facts=facts, why=why)
                facts["exited_ns"] = time.monotonic_ns()
                code = _exit_code_of_child(fd)
        except ProcessLookupError:
            return self._gone(facts)
        if self._reap is not None:
            reaped = self._reap()
            code = code if reaped is None else reaped
        facts["exit_code"] = code
        if number == signal.SIGKILL and code not in (None, -number):
            why = f"process {self.pid} had ended by itself (exit code {code}) before SIGKILL reached it"
            return Evidence(fired=1, bit=False, facts=facts, why=why)
        return Evidence(fired=1, bit=True, facts=facts)

    @contextmanager
    def _pidfd(self) -> Iterator[int]:
        """A descriptor of exactly this process.

        The identity is checked after opening: what the descriptor refers to can no longer change then.

        Raises:
            ProcessLookupError: It does not run any more.
            ProcessError: This system has no pidfds.
        """
        try:
            fd = os.pidfd_open(self.pid)
        except OSError as error:
            if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):  # the last two: now the id of a thread
                raise ProcessLookupError(self.pid) from error
            raise ProcessError(
                f"process {self.pid} cannot be addressed safely ({error.strerror}): pidfd_open of Linux 5.3 or newer"
                " is needed; a container may forbid it by its seccomp profile"
            ) from error
        try:
            if not self.alive():
                raise ProcessLookupError(self.pid)
            yield fd
        finally:
            os.close(fd)

    def _gone(self, facts: dict[str, Any], fired: int = 0) -> Evidence:
        why = f"process {self.pid} was gone before it could be signalled"
        return Evidence(fired=fired, bit=False, facts=facts, why=why)


def _send(fd: int, number: signal.Signals) -> int:
    """The time just before the signal was sent."""
    now = time.monotonic_ns()
    try:
        signal.pidfd_send_signal(fd, number)
    except PermissionError as error:
        raise ProcessError(
            f"{number.name} is not permitted: the process is another user's; run as that user or as root"
        ) from error
    return now


def _identified(pid: int, started: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < _BOOT_TIME_JITTER_S
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def _states(pid: int) -> set[str]:
    """The state letters of its threads (proc(5)); empty when the process is gone.

    The state of the first thread alone would not do: in a JVM others may still be on their way to a stop.
    """
    states = set()
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            # The name is in parentheses and may hold anything, so the state is what follows the last one.
            states.add(task.read_text().rpartition(")")[2].split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return states


def _live_states(pid: int) -> set[str]:
    return _states(pid) - _DEAD


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _exit_seen(fd: int, wait_s: float) -> bool:
    """A pidfd becomes readable when its process has exited, whosever child it is."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(wait_s * 1000))


def _exit_code_of_child(fd: int) -> int | None:
    """As `Popen.returncode`, without reaping; None for a process that is no child of ours."""
    try:
        status = os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return None
    if status is None:
        return None
    return status.si_status if status.si_code == os.CLD_EXITED else -status.si_status


def _wait(condition: Callable[[], bool], wait_s: float) -> bool:
    deadline = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
