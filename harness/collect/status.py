"""Which records a read_committed consumer may see, derived from the control markers of a log. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.collect.batches import Batch

Status = Literal["plain", "committed", "aborted", "open"]


def resolve(batches: Iterable[Batch], stable: int) -> Iterator[tuple[Status | None, Batch]]:
    """Every batch of one partition in its order, with its status; None for a control marker.

    A transaction's batches have the status of the next marker of their producer id in the same partition, whatever its
    epoch: the marker of a fenced producer's transaction carries the epoch of its successor. Without a marker they are
    open. Below the last stable offset nothing is open: there the marker was compacted away, which happens to what was
    aborted only after its records are gone. Batches behind an open transaction are held back until it ends, or until
    the log does.

    Args:
        stable: The last stable offset.
    """
    waiting: deque[_Slot] = deque()
    unfinished: dict[int, list[_Slot]] = {}
    for batch in batches:
        slot = _Slot(batch)
        waiting.append(slot)
        if batch.marker is not None:
            for ended in unfinished.pop(batch.producer, ()):
                ended.settle("committed" if batch.marker == "commit" else "aborted")
            slot.settle(None)
        elif batch.transactional:
            unfinished.setdefault(batch.producer, []).append(slot)
        else:
            slot.settle("plain")
        while waiting and waiting[0].settled:
            yield waiting[0].status, waiting.popleft().batch
    for slot in waiting:
        if not slot.settled:
            slot.settle("committed" if slot.batch.first < stable else "open")
        yield slot.status, slot.batch


@dataclass(slots=True)
class _Slot:
    batch: Batch
    status: Status | None = None
    settled: bool = False

    def settle(self, status: Status | None) -> None:
        self.status, self.settled = status, True
