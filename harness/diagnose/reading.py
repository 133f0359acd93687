"""Topics → sightings, partition by partition, each to the end offset that was taken at the start."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import orjson

from harness.collect.batches import Batch, UnreadableBatchError
from harness.collect.cluster import Cluster, LogChangedError
from harness.collect.collecting import SIGHTINGS
from harness.collect.files import SCHEMA
from harness.collect.log import Deadline, raw_log
from harness.collect.status import Fates, Settled
from harness.collect.topics import marker_line, run_lines
from harness.diagnose.identity import Identity
from harness.diagnose.progress import PartitionProgress, Progress

Tell = Callable[[str], None]

_SAVE_S = 2.0
_HEADER_BYTES = 1024


def read_topics(cluster: Cluster, progress: Progress, by: Identity, tell: Tell) -> None:
    """Writes the sightings of every topic; what was read before is not read again.

    Raises:
        BrokerAwayError: A leader does not answer any more; what was read is kept.
    """
    for topic in dict.fromkeys(each.topic for each in progress.partitions):
        own = [each for each in progress.partitions if each.topic == topic]
        path = progress.folder / SIGHTINGS / f"{topic}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            _write_header(file, progress, topic, whole=False)
            for state in own:
                state.bytes = state.bytes or max([_HEADER_BYTES, *(each.bytes for each in own)])
                if not state.done and not state.broken:
                    _Reading(cluster, progress, state, by, file, tell).read()
            # What was deleted or compacted away was there once: absence proves nothing then.
            whole = all(each.done and not each.low and not each.missing for each in own)
            _write_header(file, progress, topic, whole=whole)


def _write_header(file: IO[bytes], progress: Progress, topic: str, *, whole: bool) -> None:
    """Always as long, so that it can be written again when it is known whether everything was read."""
    header = {
        "sightings": SCHEMA,
        "place": topic,
        "kind": "topic",
        "cluster_id": progress.cluster_id,
        "whole": whole,
    }
    file.seek(0)
    file.write(orjson.dumps(header).ljust(_HEADER_BYTES - 1) + b"\n")


class _Reading:
    """One partition."""

    def __init__(
        self, cluster: Cluster, progress: Progress, state: PartitionProgress, by: Identity, file: IO[bytes], tell: Tell
    ) -> None:
        self._cluster, self._progress, self._state, self._by = cluster, progress, state, by
        self._file, self._tell = file, tell
        self._next = state.next
        self._saved_at = time.monotonic()
        self._since = (self._saved_at, state.next)

    def read(self) -> None:
        state = self._state
        self._file.truncate(state.bytes)  # beyond it is what was written after progress was saved last
        self._file.seek(state.bytes)
        with closing(Fates(self._progress.folder)) as fates:
            try:
                for batch in self._batches(fates):
                    self._write(fates.settle(batch))
                    self._next = batch.next
                    if time.monotonic() - self._saved_at >= _SAVE_S:
                        self._save(fates)
                self._missing(state.high)
                self._write(fates.rest(state.stable))
                self._next, state.done = state.high, True
            except (LogChangedError, UnreadableBatchError) as error:
                state.broken = f"{state.name} could not be read whole: {error}"
            self._save(fates if state.broken else None)

    def _batches(self, fates: Fates) -> Iterator[Batch]:
        """Those that were not read yet; of the others, what still waits for the end of its transaction waits again."""
        state = self._state
        partition = state.topic, state.part
        start = min([state.next, *state.unfinished.values()])
        for batch in raw_log(self._cluster, partition, start, state.high, Deadline(math.inf)):
            if batch.next > state.next:
                self._missing(batch.first)
                yield batch
            elif batch.first >= state.unfinished.get(batch.producer, math.inf):
                list(fates.settle(batch))

    def _missing(self, first: int) -> None:
        self._state.missing += max(first - self._next, 0)

    def _write(self, settled: Iterator[Settled]) -> None:
        state = self._state
        for status, batch in settled:
            if status is None:
                self._line(marker_line(state.part, batch))
                continue
            found, ids = self._by.of(batch)
            told: dict[str, list[Any]] = {"pos": found.pos, "id": ids, "at": found.at}
            inside = 0
            for line in run_lines(state.part, status, batch, state.ends, told):
                self._line(line)
                inside += len(line["pos"])
                state.unnamed += line["id"].count(None) if status != "aborted" else 0
            state.records[status] = state.records.get(status, 0) + inside
            state.missing += min(batch.next, state.high) - max(batch.first, state.low) - inside
            if status == "open" and all(producer != batch.producer for producer, *_ in state.open):
                state.open.append([batch.producer, batch.epoch, batch.first, batch.at])

    def _line(self, line: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _save(self, fates: Fates | None) -> None:
        state = self._state
        self._file.flush()
        state.next, state.bytes = self._next, self._file.tell()
        state.unfinished = dict(fates.unfinished) if fates else {}
        self._progress.save()
        self._saved_at = time.monotonic()
        began, first = self._since
        rate = (state.next - first) / max(self._saved_at - began, 0.001)
        share = 100 * (state.next - state.low) // max(state.high - state.low, 1)
        self._tell(f"{state.name}: offset {state.next} of {state.high} ({share} %), {rate:,.0f} offsets/s")


def sightings_of(folder: Path, place: str) -> Path:
    return folder / SIGHTINGS / f"{place}.jsonl"
