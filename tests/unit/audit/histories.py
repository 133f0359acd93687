"""Histories written by hand, in a few words each: what apps wrote down, and what stands where in the end.

::

    h = History()
    h.topic("orders", writers=["producer"])
    h.process("producer#1/1").batch({"orders": ["a", "b"]}, ack={"a": 0, "b": 1})
    h.see("orders", ["a", "b"])
    assert h.audited(tmp_path) == {}

Several histories fit into one folder, since nothing joins places, processes or groups of different names: one audit
then judges them all, which makes thousands of trials affordable.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.audit import audit
from harness.model import Audit

Line = dict[str, Any]
Found = dict[tuple[str, str], int]
"""(place, type) → count, for all that is above 0."""


@dataclass
class Process:
    """The ledger of one incarnation; `name` is `<app>#<instance>/<incarnation>`."""

    history: History
    name: str
    isolation: str | None = "read_committed"
    lines: list[Line] = field(default_factory=list)
    operations: int = 0

    def header(self) -> Line:
        app, _, rest = self.name.partition("#")
        instance, _, incarnation = rest.partition("/")
        return {
            "ledger": 1,
            "process": self.name,
            "app": app,
            "instance": int(instance),
            "incarnation": int(incarnation),
            "isolation": self.isolation,
            "at": 1,
            "wall": 1,
        }

    def batch(
        self,
        sends: Mapping[str, Sequence[str | None]] | None = None,
        *,
        ack: Mapping[str, int | tuple[int, int]] | Sequence[str] = (),
        commit: Mapping[str, int] | None = None,
        outcome: str | None = "ok",
        txn: str | None = None,
        offsets_first: bool = False,
    ) -> int:
        """One operation of sends and offsets; returns its number.

        Args:
            sends: Place → ids, announced.
            ack: Id → offset, or (partition, offset); or just the ids.
            commit: Place → offset, committed in partition 0 by the process's app as group.
            outcome: None: it never ended.
            offsets_first: The offsets are committed before the sends, as an at-most-once processor does.
        """
        name, sends = self.history.name, sends or {}
        steps: list[Line] = [{"send": name(place), "id": list(ids)} for place, ids in sends.items()]
        if commit:
            offsets = [[name(place), 0, offset] for place, offset in commit.items()]
            step = {"commit": self.header()["app"], "offsets": offsets}
            steps = [step, *steps] if offsets_first else [*steps, step]
        at = dict(ack) if isinstance(ack, Mapping) else dict.fromkeys(ack, -1)
        acked = []
        for place, ids in sends.items():
            spots = [(id_, at[id_]) for id_ in ids if id_ is not None and id_ in at]
            full = [(id_, *(spot if isinstance(spot, tuple) else (0, spot))) for id_, spot in spots]
            if full:
                columns = [list(column) for column in zip(*full, strict=True)]
                acked.append({"ack": name(place), **dict(zip(("id", "part", "pos"), columns, strict=True))})
        return self.operation(steps, acked, outcome=outcome, txn=txn and name(txn))

    def poll(
        self,
        place: str,
        spots: Mapping[str, int] | Sequence[tuple[str | None, int]],
        outcome: str = "ok",
        *,
        part: int = 0,
    ) -> int:
        """What a poll returned from a partition: id → offset."""
        return self.operation([], [self.polled(place, spots, part=part)], outcome=outcome, kind="poll")

    def polled(self, place: str, spots: Mapping[str, int] | Sequence[tuple[str | None, int]], *, part: int = 0) -> Line:
        """A step: what one poll returned from a partition."""
        pairs = list(spots.items()) if isinstance(spots, Mapping) else list(spots)
        return {
            "poll": self.history.name(place),
            "part": part,
            "pos": [pos for _, pos in pairs],
            "id": [i for i, _ in pairs],
        }

    def assigned(self, *places: str, how: str = "assign", part: int | None = 0) -> Line:
        """A step: what the process reads from then on; part: None for all partitions."""
        return {"assign": [[self.history.name(p), *([] if part is None else [part])] for p in places], "how": how}

    def assign(self, *places: str, how: str = "assign", outcome: str | None = "ok", part: int | None = 0) -> int:
        return self.operation([self.assigned(*places, how=how, part=part)], outcome=outcome, kind="assign")

    def both(
        self,
        sends: Mapping[str, Mapping[str, int]],
        *steps: Line,
        outcome: str | None = "ok",
        txn: str | None = None,
    ) -> int:
        """One operation that sends (place → id → offset) and polls or is rebalanced (`steps`)."""
        name = self.history.name
        begin = [{"send": name(place), "id": list(ids)} for place, ids in sends.items()]
        acked = [
            {"ack": name(place), "id": list(ids), "part": [0] * len(ids), "pos": list(ids.values())}
            for place, ids in sends.items()
        ]
        return self.operation(begin, [*acked, *steps], outcome=outcome, txn=txn and name(txn))

    def operation(
        self,
        begin: Sequence[Line],
        end: Sequence[Line] = (),
        *,
        outcome: str | None = "ok",
        txn: str | None = None,
        kind: str = "batch",
    ) -> int:
        self.operations += 1
        self.lines.append(
            {"begin": self.operations, "kind": kind, "at": 2, "do": list(begin)} | ({"txn": txn} if txn else {})
        )
        if outcome is not None:
            self.lines.append({"end": self.operations, "outcome": outcome, "at": 3, "do": list(end)})
        return self.operations


@dataclass
class Source:
    """What stands in one topic or table."""

    kind: str
    whole: bool = True
    lines: list[Line] = field(default_factory=list)
    next: dict[int, int] = field(default_factory=dict)
    first_open: dict[int, int] = field(default_factory=dict)
    writes: int = 0
    final_read: bool = True


class History:
    """The evidence of one pipeline.

    Args:
        prefix: Before every name, so that several pipelines can be judged together.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.places: list[Line] = []
        self.processes: list[Process] = []
        self.sources: dict[str, Source] = {}
        self.committed: dict[tuple[str, int], int | None] = {}
        self.transactions: list[Line] = []
        self.low: dict[tuple[str, int], int] = {}

    def name(self, name: str) -> str:
        return self.prefix + name

    # -- what is declared --------------------------------------------------------------------------------------------

    def topic(self, name: str, *, upstream: str | None = None, writers: Sequence[str] = (), **more: Any) -> None:
        """A topic as a read_committed consumer sees it, with one partition unless more are seen."""
        self._place(name, "topic", upstream, writers, more)
        self.sources[name] = Source("topic", next={0: 0}, final_read=more.get("final_read", True))

    def uncommitted(self, name: str) -> None:
        """The read_uncommitted view of a declared topic."""
        (place,) = [place for place in self.places if place["name"] == self.name(name)]
        view = {"name": f"{place['name']}@read_uncommitted", "isolation": "read_uncommitted"}
        self.places.append({**place, **view})

    def table(self, name: str, *, upstream: str, writers: Sequence[str] = (), **more: Any) -> None:
        self._place(name, "table", upstream, writers, more)
        self.sources[name] = Source("table", next={0: 1})

    def service(self, name: str, *, upstream: str, writers: Sequence[str] = (), **more: Any) -> None:
        self._place(name, "service", upstream, writers, more)
        self.sources[name] = Source("service", next={0: 1})

    def mailbox(self, name: str, *, upstream: str, writers: Sequence[str] = (), **more: Any) -> None:
        self._place(name, "mailbox", upstream, writers, more)
        self.sources[name] = Source("mailbox", next={0: 1})

    def _place(
        self, name: str, kind: str, upstream: str | None, writers: Sequence[str], more: Mapping[str, Any]
    ) -> None:
        place = {"name": self.name(name), "kind": kind, "writers": [self.name(app) for app in writers], **more}
        if kind == "topic":
            place["isolation"] = "read_committed"
        if upstream:
            place |= {"upstream": self.name(upstream), "group": self.name(f"{name}-group")}
        self.places.append(place)

    def process(self, name: str, isolation: str | None = "read_committed") -> Process:
        self.processes.append(Process(self, self.name(name), isolation))
        return self.processes[-1]

    # -- what stands where -------------------------------------------------------------------------------------------

    def see(
        self,
        place: str,
        ids: Sequence[str | None],
        *,
        part: int = 0,
        status: str = "plain",
        producer: int = 1,
        epoch: int = 0,
        bseq: int | None = None,
        key: Sequence[str | None] | None = None,
        seq: Sequence[int | None] | None = None,
        src: Sequence[int | tuple[str, int, int] | None] | None = None,
        txn: str | None = None,
        writer: str | None = None,
        marker: bool = False,
        intact: Sequence[bool | None] | None = None,
        idempotency_key: str | None = None,
        accepted: bool = True,
    ) -> list[int]:
        """Records of one batch, at the next positions; returns these.

        Args:
            bseq: Sequence of the first; by default it goes on as positions do.
            src: Of each: the offset in partition 0 of the place upstream, or the whole position.
            marker: Whether a control marker follows.
        """
        source = self.sources[place]
        first = source.next.setdefault(part, 0)
        positions = list(range(first, first + len(ids)))
        source.next[part] = first + len(ids) + marker
        line: Line = {"id": list(ids)}
        if key is not None:
            line |= {"key": list(key), "seq": list(seq or [])}
        if src is not None:
            upstream = next(p["upstream"] for p in self.places if p["name"] == self.name(place))
            line["src"] = [[upstream, 0, spot] if isinstance(spot, int) else spot and list(spot) for spot in src]
        if intact is not None:
            line["intact"] = list(intact)
        if source.kind != "topic":
            line |= {"row": positions, "writer": [writer and self.name(writer)] * len(ids)}
        if source.kind in ("service", "mailbox"):
            line["txn"] = [txn and self.name(txn)] * len(ids)
            line["idempotency_key"] = [idempotency_key] * len(ids)
            line["accepted"] = [accepted] * len(ids)
        if source.kind == "topic":
            transactional = status != "plain"
            line |= {"part": part, "pos": positions, "status": status, "transactional": transactional}
            line |= {"producer": producer, "epoch": epoch, "bseq": first if bseq is None else bseq}
            line["txn"] = [txn and self.name(txn)] * len(ids)
            if status == "open":
                source.first_open.setdefault(part, first)
        source.lines.append(line)
        if marker:
            source.lines.append(
                {"part": part, "marker": "abort" if status == "aborted" else "commit", "pos": first + len(ids)}
            )
        return positions

    def wrote(
        self,
        table: str,
        id_: str | None,
        seq: int | None,
        *,
        over: tuple[str | None, int | None] = (None, None),
        key: str = "k",
        writer: str = "sink#1/1",
    ) -> None:
        """A write in the history of a table whose rows are identified by key; over: id and sequence replaced."""
        source = self.sources[table]
        source.writes += 1
        source.lines.append(
            {
                "history": [source.writes],
                "id": [id_],
                "key": [key],
                "seq": [seq],
                "writer": [self.name(writer)],
                "over_id": [over[0]],
                "over_seq": [over[1]],
            }
        )

    def open(self, place: str, *, producer: int = 1, part: int = 0, **facts: Any) -> None:
        """A transaction that was open at the end."""
        self.transactions.append({"place": self.name(place), "part": part, "producer": producer, **facts})

    # -- files -------------------------------------------------------------------------------------------------------

    def positions(self) -> list[Line]:
        """Of every partition; a group is past everything unless `committed[place, partition]` says otherwise."""
        lines = []
        for name, source in self.sources.items():
            for part, high in source.next.items() if source.kind == "topic" and source.final_read else ():
                stable = source.first_open.get(part, high)
                low = self.low.get((name, part), 0)
                ends = {"place": self.name(name), "part": part, "low": low, "stable": stable, "high": high}
                lines.append(ends)
                for place in self.places:
                    if place.get("upstream") == self.name(name) and "@" not in place["name"]:
                        fed = place["name"].removeprefix(self.prefix)
                        committed = self.committed.get((fed, part), high)
                        lines.append({**ends, "group": place["group"], "committed": committed})
        return lines

    def write(self, folder: Path) -> Path:
        return write([self], folder)

    def audit(self, folder: Path) -> Audit:
        return audit(self.write(folder), threads=1)

    def audited(self, folder: Path) -> Found:
        """What is found; there must be no problems."""
        result = self.audit(folder)
        assert not result.problems, result.problems
        return found(result)


def write(histories: Iterable[History], folder: Path) -> Path:
    """The folder of one repeat with all of these pipelines."""
    every = list(histories)
    (folder / "ledger").mkdir(parents=True, exist_ok=True)
    (folder / "sightings").mkdir(exist_ok=True)
    places = [place for history in every for place in history.places]
    (folder / "places.json").write_text(json.dumps({"schema": 1, "places": places, "drained": True}))
    for history in every:
        for process in history.processes:
            stem = process.name.replace("#", "-").replace("/", "-")
            write_lines(folder / "ledger" / f"{stem}.jsonl", [process.header(), *process.lines])
        for name, source in history.sources.items():
            if not source.final_read:
                continue
            header = {"sightings": 1, "place": history.name(name), "kind": source.kind, "whole": source.whole}
            write_lines(folder / "sightings" / f"{history.name(name)}.jsonl", [header, *source.lines])
    write_lines(folder / "positions.jsonl", [line for history in every for line in history.positions()])
    write_lines(folder / "transactions.jsonl", [line for history in every for line in history.transactions])
    return folder


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def found(result: Audit, prefix: str = "") -> Found:
    return {
        (place.removeprefix(prefix), kind): count
        for place, counts in result.counts.items()
        if place.startswith(prefix)
        for kind, count in counts.items()
        if count
    }
