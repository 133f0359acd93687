"""Which records a read_committed consumer may see, derived from the control markers of a log.

Apart from the file that keeps what does not fit into memory, this is pure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Literal

from harness.collect.batches import Batch, read_batches

Status = Literal["plain", "committed", "aborted", "open"]
Settled = tuple[Status | None, Batch]
"""A batch and what became of it; None for a control marker."""

_MEMORY_BYTES = 64 << 20


def resolve(batches: Iterable[Batch], stable: int) -> Iterator[Settled]:
    """Every batch of one partition, with its status, as soon as that is known.

    Args:
        batches: In the order of the log.
        stable: The last stable offset.
    """
    with closing(Fates()) as fates:
        for batch in batches:
            yield from fates.settle(batch)
        yield from fates.rest(stable)


class Fates:
    """What becomes of the batches of one partition.

    A transaction's batches have the status of the next marker of their producer id in the same partition, whatever its
    epoch: the marker of a fenced producer's transaction carries the epoch of its successor. Only they wait for it; what
    stands behind an open transaction is told at once. However long a transaction is, memory is bounded.

    Args:
        folder: Where batches wait that are more than 64 MiB together; None for the system's temporary folder.
    """

    def __init__(self, folder: Path | None = None, memory_bytes: int = _MEMORY_BYTES) -> None:
        self._waiting: dict[int, list[Batch | tuple[int, int]]] = {}
        self._first: dict[int, int] = {}
        self._shelf = _Shelf(folder, memory_bytes)

    @property
    def unfinished(self) -> Mapping[int, int]:
        """producer id → offset of the first batch of its transaction that has no end yet"""
        return self._first

    def settle(self, batch: Batch) -> Iterator[Settled]:
        """Take the next batch of the log; those whose fate it decides, and itself if its own is known."""
        if batch.marker is not None:
            status: Status = "committed" if batch.marker == "commit" else "aborted"
            yield from self._ended(batch.producer, status)
            yield None, batch
        elif batch.transactional:
            self._first.setdefault(batch.producer, batch.first)
            self._waiting.setdefault(batch.producer, []).append(self._shelf.put(batch))
        else:
            yield "plain", batch

    def rest(self, stable: int) -> Iterator[Settled]:
        """At the end of the log: what has no marker.

        It is open, unless it stands below the last stable offset: there the marker was compacted away, which happens to
        what was aborted only after its records are gone.
        """
        for producer in sorted(self._first, key=self._first.__getitem__):
            for _, batch in self._ended(producer, "open"):
                yield ("committed" if batch.first < stable else "open"), batch

    def close(self) -> None:
        self._shelf.close()

    def _ended(self, producer: int, status: Status) -> Iterator[Settled]:
        self._first.pop(producer, None)
        for kept in self._waiting.pop(producer, ()):
            yield status, self._shelf.take(kept)


class _Shelf:
    """Where batches wait: in memory up to a size, the others in a file."""

    def __init__(self, folder: Path | None, memory_bytes: int) -> None:
        self._folder = folder
        self._room = memory_bytes
        self._file: IO[bytes] | None = None
        self._in_file = 0

    def put(self, batch: Batch) -> Batch | tuple[int, int]:
        """Returns what `take` needs to give it back."""
        size = len(batch.data)
        if size <= self._room:
            self._room -= size
            return batch
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  closed by close()
        begin = self._file.seek(0 if not self._in_file else self._file.seek(0, 2))
        self._file.write(batch.data)
        self._in_file += 1
        return begin, size

    def take(self, kept: Batch | tuple[int, int]) -> Batch:
        if isinstance(kept, Batch):
            self._room += len(kept.data)
            return kept
        assert self._file is not None
        begin, size = kept
        self._file.seek(begin)
        (batch,) = read_batches(self._file.read(size))
        self._in_file -= 1
        return batch

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
