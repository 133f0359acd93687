"""Ends a process whose client hangs: kafka-python's commit_transaction() may wait for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK_S = 0.25


class Watchdog:
    """One daemon thread that calls `on_expiry(what)` when a bounded call takes too long.

    It counts its own ticks instead of reading a clock: a process that was stopped (SIGSTOP) and goes on must
    not be taken for one that hangs, or no pause fault could ever show what a zombie does.
    """

    def __init__(self, on_expiry: Callable[[str], None]) -> None:
        self._on_expiry = on_expiry
        self._lock = threading.Lock()
        self._what = ""
        self._ticks = 0
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def bound(self, what: str, seconds: float) -> Iterator[None]:
        """Bounds the calls inside the block; not re-entrant."""
        with self._lock:
            self._what, self._ticks = what, max(1, round(seconds / TICK_S))
        try:
            yield
        finally:
            with self._lock:
                self._what, self._ticks = "", 0

    def _watch(self) -> None:
        while True:
            time.sleep(TICK_S)
            with self._lock:
                if not self._ticks:
                    continue
                self._ticks -= 1
                expired, what = not self._ticks, self._what
            if expired:
                self._on_expiry(what)
