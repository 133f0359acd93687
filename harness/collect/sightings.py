"""Every record of a place, written down as it stands: batches with their producers, markers, and rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson
import psycopg
from psycopg import sql

from harness.collect.cluster import Cluster, Ends, Partition
from harness.collect.status import Entry, Marker, Status, resolve
from harness.model import Place

SCHEMA = 1
_ROWS_A_LINE = 500
_HEADERS = ("eos.id", "eos.seq", "eos.src", "eos.txn", "eos.sum")

Line = dict[str, Any]


class SightingsFile:
    """One place's file. It is not whole until `finish()`: a file that breaks off says nothing about absence."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        self._final = folder / f"{header['place']}.jsonl"
        self._partial = self._final.with_suffix(".partial")
        self._header = header
        self._file: IO[bytes] = self._partial.open("wb")
        self._whole = False

    def write(self, line: Line) -> None:
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def finish(self) -> None:
        """Everything there is has been written."""
        self._whole = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        head = {"sightings": SCHEMA, **self._header, "whole": self._whole}
        with self._final.open("wb") as final, self._partial.open("rb") as partial:
            final.write(orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE))
            while chunk := partial.read(1 << 20):
                final.write(chunk)
        self._partial.unlink()


def read_partition(cluster: Cluster, leader: int, partition: Partition, ends: Ends) -> Iterator[tuple[Line, int]]:
    """Every batch and marker of a partition from its beginning to its high watermark.

    Yields:
        A line of a sightings file, and how many records of it a read_committed consumer gets.
    """
    batches = _batches(cluster, leader, partition, ends)
    for status, (batch, marker) in resolve(map(_entry, batches)):
        if status is None:
            yield _marker(batch, marker, partition[1]), 0
        else:
            line = _batch(batch, partition[1], status)
            visible = status in ("plain", "committed")
            yield line, sum(pos < ends.stable for pos in line["pos"]) if visible else 0


def _batches(cluster: Cluster, leader: int, partition: Partition, ends: Ends) -> Iterator[Any]:
    """The batches below the high watermark that was read beforehand."""
    offset = ends.low
    while offset < ends.high:
        fetched = cluster.fetch(leader, partition, offset)
        for batch in fetched.batches:
            if batch.next_offset <= offset:
                continue
            if batch.base_offset >= ends.high:
                return
            offset = batch.next_offset
            yield batch


def _entry(batch: Any) -> Entry[tuple[Any, Marker | None]]:
    marker: Marker | None = None
    if batch.is_control_batch:
        marker = "commit" if next(iter(batch)).commit else "abort"
    return Entry(batch.producer_id, batch.is_transactional, marker, (batch, marker))


def _marker(batch: Any, marker: Marker | None, part: int) -> Line:
    return {
        "part": part,
        "marker": marker,
        "pos": batch.base_offset,
        "producer": batch.producer_id,
        "epoch": batch.producer_epoch,
    }


def _batch(batch: Any, part: int, status: Status) -> Line:
    line: Line = {
        "part": part,
        "producer": batch.producer_id,
        "epoch": batch.producer_epoch,
        "bseq": batch.base_sequence,
        "transactional": batch.is_transactional,
        "status": status,
    }
    columns: dict[str, list[Any]] = {name: [] for name in ("pos", "id", "key", "seq", "src", "txn", "intact", "at")}
    for record in batch:
        headers = {name: value for name, value in record.headers if name in _HEADERS}
        columns["pos"].append(record.offset)
        columns["id"].append(_text(headers.get("eos.id")))
        columns["key"].append(_text(record.key))
        columns["seq"].append(_number(headers.get("eos.seq")))
        columns["src"].append(_source(headers.get("eos.src")))
        columns["txn"].append(_text(headers.get("eos.txn")))
        columns["intact"].append(_intact(record.value, headers.get("eos.sum")))
        columns["at"].append(record.timestamp)
    return line | columns


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="replace")


def _number(raw: bytes | None) -> int | None:
    text = _text(raw)
    return int(text) if text and text.isdecimal() and len(text) <= 18 else None


def _source(raw: bytes | None) -> list[Any] | None:
    """`orders/0/17` → ["orders", 0, 17]; None for what is not of that form."""
    place, _, rest = (_text(raw) or "").rpartition("/")
    place, _, part = place.rpartition("/")
    if not place or not part.isdecimal() or not rest.isdecimal() or len(rest) > 18 or len(part) > 9:
        return None
    return [place, int(part), int(rest)]


def _intact(value: bytes | None, checksum: bytes | None) -> bool | None:
    if checksum is None:
        return None
    return f"{zlib.crc32(value or b''):08x}".encode() == checksum


def read_table(connection: psycopg.Connection[Any], place: Place, places: Mapping[str, str]) -> Iterator[Line]:
    """Every row in the order of insertion.

    Args:
        places: physical topic → place.
    """
    table = sql.Identifier(*place.resource.split("."))
    query = sql.SQL("SELECT n, id, key, seq, src_topic, src_part, src_pos, writer FROM {} ORDER BY n").format(table)
    with connection.transaction(), connection.cursor(name="eos_collect") as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_ROWS_A_LINE):
            numbers, ids, keys, seqs, topics, parts, positions, writers = (
                list(column) for column in zip(*rows, strict=True)
            )
            sources = [
                [places.get(topic, topic), part, pos] for topic, part, pos in zip(topics, parts, positions, strict=True)
            ]
            yield {"row": numbers, "id": ids, "key": keys, "seq": seqs, "src": sources, "writer": writers}
