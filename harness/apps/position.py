"""How far a producer has come, kept as a real one would keep it: in its own state folder, or in Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import orjson

from harness.apps.clients.base import ConsumerClient
from harness.apps.transactions import InputOffsets

_PART = 0


class Position(Protocol):
    """The number of records of this instance that are acknowledged."""

    def read(self) -> int:
        """0 when nothing was saved yet."""

    def inside(self, acknowledged: int) -> InputOffsets | None:
        """What is committed together with the records that lead to it; None where it is saved afterwards."""

    def save(self, acknowledged: int) -> None: ...

    def close(self) -> None: ...


class PositionFile:
    """In the state folder: a crash between an acknowledgement and its saving makes the successor send again.

    Written beside and renamed, without fsync: rename is atomic to every reader, and the page cache survives
    the death of the process. Only the machine's own crash could lose it, which is no fault of ours to inject.
    """

    def __init__(self, state: Path, app: str, instance: int) -> None:
        self._path = state / f"{app}-{instance}.position.json"

    def read(self) -> int:
        try:
            return int(orjson.loads(self._path.read_bytes())["acknowledged"])
        except FileNotFoundError:
            return 0

    def inside(self, acknowledged: int) -> None:
        return None

    def save(self, acknowledged: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_bytes(orjson.dumps({"acknowledged": acknowledged}))
        beside.replace(self._path)

    def close(self) -> None:
        """Nothing is open."""


class PositionInKafka:
    """As an offset that a group of the producer's own commits, inside the transaction of the records themselves.

    The group has no members, and nothing is read at that offset: Kafka keeps the number, whatever it means.

    Args:
        consumer: Of that group; it subscribes to nothing.
    """

    def __init__(self, consumer: ConsumerClient, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    def read(self) -> int:
        """To be called after `init_transactions`, which ends what a predecessor left open."""
        return self._consumer.committed(self._topic, _PART) or 0

    def inside(self, acknowledged: int) -> InputOffsets:
        offsets: Mapping[int, int] = {_PART: acknowledged}
        return InputOffsets(self._topic, offsets, self._consumer.group_metadata)

    def save(self, acknowledged: int) -> None:
        """It is saved."""

    def close(self) -> None:
        self._consumer.close()


def position_group(transactional_id: str) -> str:
    return f"{transactional_id}.position"
