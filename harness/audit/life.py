"""The life of one record: who sent, read and committed it, what was done meanwhile, and where it was seen in the end.

It tells, it does not judge; times are of the machine's monotonic clock, in seconds since the first process began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from harness.audit.evidence import read_places
from harness.audit.schema import BATCH, ROWS
from harness.errors import HistoryError
from harness.ledger.reader import JsonLines, LedgerFile, ledger_files

_MOMENTS = ("exited_ns", "stopped_ns", "reset_ns", "injected_ns", "lost_ns", "refused_ns", "replaced_ns", "held_ns")


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: when (monotonic, ns), to whom, and what."""

    at: int
    who: str
    what: str


@dataclass(slots=True)
class Life:
    """What is known of one record.

    Args:
        record: Its id.
        moments: In the order they happened.
        sightings: Where it stands at the end, one line each.
        began: Monotonic time that moments are told from, ns.
    """

    record: str
    moments: list[Moment] = field(default_factory=list)
    sightings: list[str] = field(default_factory=list)
    began: int = 0


def life(folder: Path, record: str) -> Life | None:
    """The life of a record in one repeat; None where the evidence does not know it.

    Lines that cannot be understood are passed over: it is the audit that reports them.

    Raises:
        HistoryError: The folder is no history, a ledger is none, or a file cannot be read.
    """
    found = Life(record)
    spots = _sighted(folder, record, found)
    began = []
    for path in ledger_files(folder):
        file = LedgerFile(path)
        if file.header is None and file.problems:
            raise HistoryError(file.problems)
        if file.header is None:  # its writer was killed before it wrote a line
            continue
        began.append(file.header.at)
        found.moments += _of_process(file, record, spots)
    if not found.moments and not found.sightings:
        return None
    found.began = min(began, default=0)
    found.moments = sorted([*found.moments, *_faults(folder)], key=lambda moment: moment.at)
    return found


def render(life: Life) -> list[str]:
    """The life as lines of text."""
    lines = [life.record]
    width = max((len(moment.who) for moment in life.moments), default=0)
    for moment in life.moments:
        seconds = (moment.at - life.began) / 1e9
        lines.append(f"  {seconds:8.3f} s  {moment.who:<{width}}  {moment.what}")
    lines += [f"  at the end: {sighting}" for sighting in life.sightings or ["nowhere to be seen"]]
    return lines


@dataclass(slots=True)
class _Spots:
    """Positions that stand for the record: (place, partition, offset); and which places have rows instead."""

    of_record: set[tuple[str, int, int]] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)

    def named(self, place: str, part: int | None, pos: int | None) -> str:
        """Where an acknowledgement says it is; empty where it does not say."""
        if part is None or pos is None or pos < 0:
            return ""
        return f" as row {pos} of {place}" if place in self.tables else f" at {_spot((place, part, pos))}"

    def passed_by(self, offsets: list[list[Any]]) -> Iterator[tuple[str, int, int]]:
        for place, part, offset in offsets:
            for spot in sorted(self.of_record):
                if spot[:2] == (place, part) and spot[2] < offset:
                    yield spot


def _sighted(folder: Path, record: str, found: Life) -> _Spots:
    spots = _Spots()
    order = {name: index for index, name in enumerate(read_places(folder).places)}
    paths = (folder / "sightings").glob("*.jsonl")
    for path in sorted(paths, key=lambda path: (order.get(path.stem, len(order)), path.name)):
        file = JsonLines(path)
        lines = iter(file)
        header = next(lines, None)
        if header is None:
            continue
        place, is_table = str(header.data.get("place")), header.data.get("kind") != "topic"
        if is_table:
            spots.tables.add(place)
        for line in lines:
            if not file.report_unless(line, ROWS if is_table else BATCH):  # a control marker is none either
                continue
            for index in _indexes(line.data, record):
                found.sightings.append(_sighting(place, line.data, index))
                if not is_table:
                    spots.of_record.add((place, line.data["part"], line.data["pos"][index]))
    return spots


def _indexes(step: Mapping[str, Any], record: str) -> list[int]:
    """Where the record is in the columns of a step or of sightings."""
    if record not in step["id"]:  # nearly always
        return []
    return [index for index, id_ in enumerate(step["id"]) if id_ == record]


def _sighting(place: str, data: Mapping[str, Any], index: int) -> str:
    def of(column: str) -> Any:
        return (data.get(column) or [None] * (index + 1))[index]

    if "row" in data:
        parts = [f"row {of('row')} of {place}"]
        parts += [f"written by {of('writer')}"] if of("writer") else []
    else:
        parts = [f"{place}/{data['part']} at {of('pos')}: {data['status']}"]
        if data.get("producer", -1) >= 0:
            parts.append(f"producer id {data['producer']}, epoch {data.get('epoch', -1)}")
            parts += [f"sequence {data['bseq'] + index}"] if data.get("bseq", -1) >= 0 else []
    source = of("src")
    parts += [f"made from {_spot(source)}"] if source else []
    parts += [f"in transaction {of('txn')}"] if of("txn") else []
    parts += [f"idempotency key {of('idempotency_key')}"] if of("idempotency_key") else []
    parts += ["answered from an earlier call, without an effect"] if of("accepted") is False else []
    return ", ".join(parts)


def _spot(spot: tuple[str, int, int] | list[Any]) -> str:
    place, part, offset = spot
    return f"{place}/{part} at {offset}"


def _of_process(file: LedgerFile, record: str, spots: _Spots) -> Iterator[Moment]:
    assert file.header is not None
    who = file.header.process
    concerned: dict[int, str] = {}
    read: set[tuple[str, int, int]] = set()
    committed: set[tuple[str, int, int]] = set()
    for line in file:
        data = line.data
        if "begin" in data:
            told = list(_announced(data, record, read, committed, spots))
            within = f" in transaction {data['txn']}" if data.get("txn") else ""
            for what in told:
                concerned[data["begin"]] = what
                yield Moment(data["at"], who, f"{what}{within} (operation {data['begin']})")
        elif "end" in data:
            yield from (Moment(data["at"], who, what) for what in _ended(data, record, spots))
            if data["end"] in concerned:
                del concerned[data["end"]]
                error = f": {' '.join(str(data['error']).split())}" if data.get("error") else ""
                yield Moment(data["at"], who, f"operation {data['end']} ended {data['outcome']}{error}")
        last = data["at"]
        for step in data.get("do", ()):
            for index in _indexes(step, record) if "poll" in step else ():
                spot = (step["poll"], step["part"], step["pos"][index])
                read.add(spot)
                committed.discard(spot)  # it went back, and commits the offset past it again
                yield Moment(data["at"], who, f"reads it from {_spot(spot)}")
    for number in concerned:
        yield Moment(last, who, f"operation {number} never ended: the process was gone")


def _announced(
    data: Mapping[str, Any], record: str, read: set[tuple[str, int, int]], committed: set[Any], spots: _Spots
) -> Iterator[str]:
    for step in data["do"]:
        if "send" in step and record in step["id"]:
            yield f"begins to send it to {step['send']}"
        if "commit" in step:
            for spot in spots.passed_by(step["offsets"]):
                if spot in read and spot not in committed:
                    committed.add(spot)
                    yield f"begins to commit the offset past {_spot(spot)}"


def _ended(data: Mapping[str, Any], record: str, spots: _Spots) -> Iterator[str]:
    for step in data.get("do", ()):
        for index in _indexes(step, record) if "ack" in step else ():
            part, pos = (step.get(column, [None] * (index + 1))[index] for column in ("part", "pos"))
            yield f"gets it acknowledged{spots.named(step['ack'], part, pos)}"


def _faults(folder: Path) -> Iterator[Moment]:
    """What was done to the pipeline meanwhile, where the evidence tells the moment."""
    path = folder / "faults.jsonl"
    for raw in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            fault = orjson.loads(raw)
            evidence = fault["evidence"]
            # What was done to a process while a frame was held is told by the process.
            done = evidence.get("acts") or [evidence.get("frame") or {}]
            for fact in done:
                moments = [fact[key] for key in _MOMENTS if fact.get(key)]
                who = fact.get("process") or fact.get("hop") or "fault"
                yield from (Moment(at, who, f"— {fault['fault']}") for at in moments[:1])
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            continue  # whoever judges the faults says so
