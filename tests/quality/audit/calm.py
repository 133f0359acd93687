"""Histories in which nothing happened: pipelines of every shape, all ok. Most of their records are of no interest."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.unit.audit.histories import History, Process

Record = dict[str, Any]


class Calm:
    """A pipeline that ran without any bad luck.

    Attributes:
        history: What it left.
    """

    def __init__(self, chance: Random, prefix: str = "") -> None:
        self.chance = chance
        self.history = History(prefix)
        self.partitions = chance.randint(1, 2)
        self.records: dict[str, list[Record]] = {}
        self.numbers = 0
        self._origin("orders")
        for number in range(chance.randint(0, 3)):
            upstream = chance.choice([name for name in self.records if name in self.topics])
            self._feed(f"{chance.choice(['copies', 'splits', 'filters', 'rows', 'billing'])}{number}", upstream)
        for name in self.topics:
            if chance.random() < 0.3:
                self.history.uncommitted(name)

    @property
    def topics(self) -> list[str]:
        return [name for name in self.records if self.history.sources[name].kind == "topic"]

    def _origin(self, place: str) -> None:
        self.history.topic(place, writers=["producer"])
        keys = [f"k{n}" for n in range(4)]
        every: list[Record] = []
        for n in range(self.chance.randint(4, 40)):
            every.append({"id": f"{self.history.prefix}{n}", "key": self.chance.choice(keys), "seq": n, "src": None})
        self.records[place] = []
        instances = self.chance.randint(1, 2)
        own = [self.history.process(f"producer#{n + 1}/1", None) for n in range(instances)]
        txn = self.chance.random() < 0.3
        for batch in self._batches(every):
            self._write(place, self.chance.choice(own), batch, txn)

    def _feed(self, place: str, upstream: str) -> None:
        kind = place[:-1]
        app = f"app-{place}"
        fan_out = {"splits": {"least": 2, "most": 2}, "filters": {"least": 0, "most": 1}}.get(kind, {})
        if kind in ("rows", "billing"):
            declare = self.history.table if kind == "rows" else self.history.service
            declare(place, upstream=upstream, writers=[app])
        else:
            self.history.topic(place, upstream=upstream, writers=[app], **fan_out)
        txn = kind != "rows" and self.chance.random() < 0.5
        self.records[place] = []
        process, incarnation = self.history.process(f"{app}#1/1"), 1
        for part in range(self.partitions):
            for batch in self._batches([record for record in self.records[upstream] if record["part"] == part]):
                if self.chance.random() < 0.15:
                    incarnation += 1
                    process = self.history.process(f"{app}#1/{incarnation}")
                spots = {"poll": self.history.name(upstream), "part": part, "pos": [r["pos"] for r in batch]}
                process.operation([], [{**spots, "id": [r["id"] for r in batch]}], kind="poll")
                outputs = [out for record in batch for out in self._outputs(kind, record, upstream)]
                if outputs:
                    self._write(place, process, outputs, txn)

    def _outputs(self, kind: str, record: Record, upstream: str) -> list[Record]:
        src = (self.history.name(upstream), record["part"], record["pos"])
        copy = {**record, "src": src}
        if kind == "splits":
            return [{**copy, "id": f"{record['id']}/{n}", "seq": 2 * record["seq"] + n} for n in range(2)]
        return [] if kind == "filters" and self.chance.random() < 0.5 else [copy]

    def _batches(self, records: list[Record]) -> list[list[Record]]:
        batches = []
        while records:
            size = self.chance.randint(1, 6)
            batches.append(records[:size])
            records = records[size:]
        return batches

    def _write(self, place: str, process: Process, records: list[Record], transactional: bool) -> None:
        self.numbers += 1
        txn = f"{place}/{self.numbers}" if transactional else None
        is_topic = self.history.sources[place].kind == "topic"
        written: list[Record] = []
        for part in range(self.partitions if is_topic else 1):
            own = [{**r, "part": part} for r in records if not is_topic or int(r["key"][1:]) % self.partitions == part]
            if not own:
                continue
            status = {"status": "committed", "marker": True} if txn and is_topic else {}
            positions = self.history.see(
                place,
                [r["id"] for r in own],
                part=part,
                key=[r["key"] for r in own],
                seq=[r["seq"] for r in own],
                src=[r["src"] for r in own] if own[0]["src"] else None,
                txn=txn,
                writer=None if is_topic else process.name.removeprefix(self.history.prefix),
                **status,
            )
            written += [{**r, "pos": pos} for r, pos in zip(own, positions, strict=True)]
        self.records[place] += written
        ids = [r["id"] for r in records]
        spots = {r["id"]: (r["part"], r["pos"]) for r in written}
        process.batch({place: ids}, ack=spots if is_topic else ids, txn=txn)
