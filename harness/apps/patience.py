"""How often the same may fail in a row before a successor is asked for."""

from __future__ import annotations

import time

from harness.apps.errors import AppError, RestartNeededError

TRIES = 10
_PAUSES_S = (0.05, 0.1, 0.2, 0.5)


class Patience:
    """Counts failures in a row; between them it waits, a little longer each time.

    Args:
        what: What is tried.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, error: AppError) -> None:
        """Waits at most half a second.

        Raises:
            RestartNeededError: It was the tenth failure in a row.
        """
        self._failures += 1
        if self._failures == TRIES:
            raise RestartNeededError(f"{self._what} failed {TRIES} times in a row: {error}") from error
        time.sleep(_PAUSES_S[min(self._failures, len(_PAUSES_S)) - 1])
