"""events.jsonl: the event stream of a run, as it happens."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from harness.events import Event


class EventLog:
    """A listener that appends every event as one JSON line.

    Each line is written at once and unbuffered, so that what is there after a crash ends where the run ended.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def __call__(self, event: Event) -> None:
        self._file.write(orjson.dumps(event.to_json(), default=str) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
