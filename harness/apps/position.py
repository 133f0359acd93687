"""How far a producer has come, kept as a real one would keep it: in its own state folder."""

from __future__ import annotations

from pathlib import Path

import orjson


class PositionFile:
    """The number of records of this instance that are acknowledged.

    Written beside and renamed, without fsync: rename is atomic to every reader, and the page cache survives
    the death of the process. Only the machine's own crash could lose it, which is no fault of ours to inject.
    """

    def __init__(self, state: Path, app: str, instance: int) -> None:
        self._path = state / f"{app}-{instance}.position.json"

    def read(self) -> int:
        """0 when nothing was saved yet."""
        try:
            return int(orjson.loads(self._path.read_bytes())["acknowledged"])
        except FileNotFoundError:
            return 0

    def save(self, acknowledged: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_bytes(orjson.dumps({"acknowledged": acknowledged}))
        beside.replace(self._path)
