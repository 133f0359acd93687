"""Which records a read_committed consumer may see, derived from the control markers of a log. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Status = Literal["plain", "committed", "aborted", "open"]
Marker = Literal["commit", "abort"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One batch, or one control marker, of one partition.

    Args:
        producer: Its producer id; -1 when it has none.
        transactional: Whether the batch belongs to a transaction.
        marker: What it ends the producer's transaction with; None for a batch.
        content: Whatever the caller wants back.
    """

    producer: int
    transactional: bool
    marker: Marker | None
    content: T


def resolve(entries: Iterable[Entry[T]]) -> Iterator[tuple[Status | None, T]]:
    """Every content in its order, with its batch's status; None for a marker.

    A transaction's batches have the status of the next marker of their producer id in the same partition, whatever
    its epoch: the marker of a fenced producer's transaction carries the epoch of its successor. Without a marker
    they are open. Contents behind an open transaction are held back until it ends, or until the log does.
    """
    waiting: deque[_Slot[T]] = deque()
    unfinished: dict[int, list[_Slot[T]]] = {}
    for entry in entries:
        slot = _Slot(entry.content)
        waiting.append(slot)
        if entry.marker is not None:
            for batch in unfinished.pop(entry.producer, ()):
                batch.settle("committed" if entry.marker == "commit" else "aborted")
            slot.settle(None)
        elif entry.transactional:
            unfinished.setdefault(entry.producer, []).append(slot)
        else:
            slot.settle("plain")
        while waiting and waiting[0].settled:
            yield waiting[0].status, waiting.popleft().content
    for slot in waiting:
        yield slot.status if slot.settled else "open", slot.content


@dataclass(slots=True)
class _Slot(Generic[T]):
    content: T
    status: Status | None = None
    settled: bool = False

    def settle(self, status: Status | None) -> None:
        self.status, self.settled = status, True
