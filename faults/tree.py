"""Process faults of a process with all of its descendants: PostgreSQL's postmaster and its children, for one.

Parents are followed, not process groups or sessions: every child of PostgreSQL has a session of its own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from faults.evidence import Evidence
from faults.process import ProcessHandle

_ROUNDS = 10
"""How often new children are looked for while their parents are being stopped, each time fewer."""


class ProcessTree:
    """A process and all of its descendants, hit as one. Its evidence is the root's, with that of the others.

    Args:
        pid: Of the root.
        started: Its `psutil.Process(pid).create_time()`.
        reap: As for `ProcessHandle`.
    """

    def __init__(self, pid: int, started: float, reap: Callable[[], int | None] | None = None) -> None:
        self.root = ProcessHandle(pid, started, reap)
        self._paused: list[ProcessHandle] = []

    @classmethod
    def of(cls, pid: int, reap: Callable[[], int | None] | None = None) -> ProcessTree:
        """The process that has this pid now, with its descendants.

        Raises:
            ProcessError: There is none.
        """
        return cls(pid, ProcessHandle.of(pid).started, reap)

    def alive(self) -> bool:
        """Whether its root runs."""
        return self.root.alive()

    def crash(self, wait_s: float = 10.0) -> Evidence:
        """SIGKILL to all of them. It bit if the root died by that signal and none is left.

        They are stopped first, so that none is born, or ends in good order, while the others are killed.
        """
        found, _ = self._freeze(wait_s)
        ends = [self.root.crash(wait_s), *(child.crash(wait_s) for child in found)]
        return self._all(ends[0], found, self._left(found, wait_s))

    def stop(
        self,
        wait_s: float = 30.0,
        signalled: Callable[[], None] | None = None,
        by: signal.Signals = signal.SIGTERM,
    ) -> Evidence:
        """A signal to the root, which ends the others. It bit if none is left after `wait_s`.

        Args:
            signalled: See `ProcessHandle.stop`.
            by: SIGTERM; for PostgreSQL, which then waits for its clients, SIGINT does not.
        """
        deadline = time.monotonic() + wait_s
        found = self._descendants()
        end = self.root.stop(wait_s, signalled, by)
        return self._all(end, found, self._left(found, max(deadline - time.monotonic(), 0.0)))

    def pause(self, wait_s: float = 5.0) -> Evidence:
        """SIGSTOP to all of them. It bit once every thread of every one is stopped."""
        self._paused, stops = self._freeze(wait_s)
        root, *others = stops
        return self._all(root, self._paused, [stop.why for stop in others if stop.why and "was gone" not in stop.why])

    def resume(self, wait_s: float = 5.0) -> Evidence:
        """SIGCONT to all of them, the root last. It bit if each was stopped until now, and runs again."""
        paused, self._paused = self._paused, []
        others = [child.resume(wait_s) for child in paused]
        return self._all(self.root.resume(wait_s), paused, [other.why for other in others if other.why])

    def _freeze(self, wait_s: float) -> tuple[list[ProcessHandle], list[Evidence]]:
        """Stop the root, then its descendants, until no new one is found: a stopped process bears none."""
        stops, found = [self.root.pause(wait_s)], dict[int, ProcessHandle]()
        for _ in range(_ROUNDS):
            new = [child for child in self._descendants() if child.pid not in found]
            if not new:
                break
            stops += [child.pause(wait_s) for child in new]
            found |= {child.pid: child for child in new}
        return [child for child in found.values() if child.alive()], stops

    def _descendants(self) -> list[ProcessHandle]:
        if not self.root.alive():
            return []
        try:
            children = psutil.Process(self.root.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        found = []
        for child in children:
            try:
                found.append(ProcessHandle(child.pid, child.create_time()))
            except psutil.NoSuchProcess:
                continue
        return found

    def _left(self, found: Sequence[ProcessHandle], wait_s: float) -> list[str]:
        """Which of them are still there after so long, in words."""
        deadline = time.monotonic() + wait_s
        while (left := [child.pid for child in found if child.alive()]) and time.monotonic() < deadline:
            time.sleep(0.01)
        return [f"its descendant {pid} is still there" for pid in left]

    def _all(self, root: Evidence, found: Sequence[ProcessHandle], problems: Sequence[str]) -> Evidence:
        why = "; ".join([*([root.why] if root.why else []), *problems])
        facts: dict[str, Any] = {**root.facts, "descendants": [child.pid for child in found]}
        return Evidence(fired=root.fired, bit=not why, facts=facts, why=why)
