"""A second opinion: the same findings from the same files, by dictionaries and sets, without a line of SQL.

It is written from docs/ledger.md and from nothing else, as simply as possible; it is slow, and tells neither causes
nor evidence. It takes well-formed folders only.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]
Counts = dict[str, dict[str, int | None]]


def lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class Oracle:
    def __init__(self, folder: Path) -> None:
        self.places = {p["name"]: p for p in json.loads((folder / "places.json").read_text())["places"]}
        self.ledgers = [lines(path) for path in sorted((folder / "ledger").glob("*.jsonl"))]
        self.headers: dict[str, Line] = {}
        self.log: dict[str, list[Line]] = defaultdict(list)
        for path in (folder / "sightings").glob("*.jsonl"):
            header, *batches = lines(path)
            self.headers[header["place"]] = header
            self.log[header["place"]] = [r for batch in batches if "marker" not in batch for r in records(batch)]
        self.stable: dict[tuple[str, int], int] = {}
        self.committed: dict[tuple[str, str, int], int | None] = {}
        for line in lines(folder / "positions.jsonl"):
            self.stable[line["place"], line["part"]] = line["stable"]
            if line.get("group"):
                self.committed[line["place"], line["group"], line["part"]] = line["committed"]
        self.sends = [send for ledger in self.ledgers for send in sends(ledger)]
        self.apps = {ledger[0]["app"] for ledger in self.ledgers}

    def counts(self) -> Counts:
        return {name: self.at(name) for name in self.places}

    # -- what there is -----------------------------------------------------------------------------------------------

    def whole(self, place: str) -> bool:
        return bool(self.headers[source(place)]["whole"])

    def known(self, place: str) -> bool:
        writers = set(self.places[place]["writers"])
        return bool(writers) and writers <= self.apps

    def shown(self, place: str) -> list[Line]:
        """What a consumer of the place's isolation level gets, now or later."""
        dirty = self.places[place].get("isolation") != "read_committed"
        return [r for r in self.log[source(place)] if dirty or r["status"] != "aborted"]

    def visible(self, place: str) -> list[Line]:
        if self.places[place].get("isolation") != "read_committed":
            return self.shown(place)
        return [
            r
            for r in self.shown(place)
            if r["status"] != "open" and r["pos"] < self.stable.get((source(place), r["part"]), 2**63)
        ]

    def offset(self, place: str, part: int) -> int | None:
        me = self.places[place]
        return self.committed.get((source(me["upstream"]), me["group"], part))

    def passed(self, place: str, record: Line) -> bool:
        offset = self.offset(place, record["part"])
        return offset is not None and record["pos"] < offset

    def input_of(self, place: str, record: Line) -> str | None:
        upstream = source(self.places[place]["upstream"])
        fed = {r["id"] for r in self.log[upstream]} | {s["id"] for s in self.sends if s["place"] == upstream}
        if record["id"] is not None and record["id"] in fed:
            return str(record["id"])
        if record["src"] and record["src"][0] == upstream:
            for candidate in self.log[upstream]:
                if [candidate["part"], candidate["pos"]] == record["src"][1:] and candidate["id"] is not None:
                    return str(candidate["id"])
        return record["id"]  # type: ignore[no-any-return]

    # -- what is wrong -----------------------------------------------------------------------------------------------

    def at(self, name: str) -> dict[str, int | None]:
        place, whole, known = self.places[name], self.whole(name), self.known(name)
        topic, fed = place["kind"] == "topic", "upstream" in place
        complete = whole and fed and self.whole(place["upstream"])
        judged = {
            "duplicate": (topic, whole, self.repeated),
            "sink-duplicate": (not topic, whole, self.repeated),
            "lost-write": (topic, whole and known, self.lost_writes),
            "phantom": (True, whole and known, self.phantoms),
            "G1a": (topic, whole and self.polled(name), self.aborted_reads),
            "duplicate-processing": (topic and fed, complete, self.processed_again),
            "lost-processing": (topic and fed, complete, self.lost),
            "sink-loss": (not topic and fed, complete, self.lost),
            "stalled": (
                fed and place.get("isolation") != "read_uncommitted",
                fed and self.whole(place["upstream"]),
                self.late,
            ),
        }
        counts: dict[str, int | None] = {}
        for kind, (possible, provable, find) in judged.items():
            count = find(name) if possible else 0
            counts[kind] = count or (0 if possible and provable else None)
        return counts

    def repeated(self, name: str) -> int:
        times = Counter(r["id"] for r in self.visible(name) if r["id"] is not None)
        return sum(count > self.places[name]["most"] for count in times.values())

    def lost_writes(self, name: str) -> int:
        confirmed = {s["id"] for s in self.sends if s["place"] == source(name) and s["outcome"] == "ok"}
        there = {r["id"] for r in self.shown(name)}
        return len(confirmed - there - {None}) if self.whole(name) else 0

    def phantoms(self, name: str) -> int:
        tried = {s["id"] for s in self.sends if s["place"] == source(name)}
        untried = [r["id"] for r in self.visible(name) if r["id"] not in tried]
        return len({i for i in untried if i is not None}) + untried.count(None) if self.known(name) else 0

    def polls(self, name: str) -> Iterator[tuple[int, int, str | None]]:
        for ledger in self.ledgers:
            if (ledger[0].get("isolation") or "read_uncommitted") != self.places[name]["isolation"]:
                continue
            ok = {line["end"] for line in ledger if line.get("outcome") == "ok"}
            for line in ledger[1:]:
                for step in line["do"] if line.get("end", line.get("begin")) in ok else ():
                    if step.get("poll") == source(name):
                        yield from ((step["part"], p, i) for p, i in zip(step["pos"], step["id"], strict=True))

    def polled(self, name: str) -> bool:
        return self.places[name]["kind"] == "topic" and any(True for _ in self.polls(name))

    def aborted_reads(self, name: str) -> int:
        aborted = {(r["part"], r["pos"], r["id"]) for r in self.log[source(name)] if r["status"] == "aborted"}
        outcomes: dict[str, set[str]] = defaultdict(set)
        for send in self.sends:
            if send["place"] == source(name) and send["id"] is not None:
                outcomes[send["id"]].add(send["outcome"])
        failed = {i for i, seen in outcomes.items() if seen == {"failed"}} if self.known(name) else set()
        wrong = {poll for poll in self.polls(name) if poll in aborted or poll[2] in failed}
        return len({i for _, _, i in wrong if i is not None}) + sum(i is None for _, _, i in wrong)

    def processed_again(self, name: str) -> int:
        place = self.places[name]
        by_id: dict[str, list[Any]] = defaultdict(list)
        for record in self.visible(name):
            made_from = self.input_of(name, record)
            if made_from is not None:
                named = record["src"] and record["src"][0] == source(place["upstream"])
                by_id[made_from].append(tuple(record["src"][1:]) if named else None)
        inputs = Counter(r["id"] for r in self.visible(place["upstream"]))
        count = 0
        for made_from, spots in by_id.items():
            of_one = max(Counter(spot for spot in spots if spot).values(), default=0)
            too_many = self.whole(place["upstream"]) and len(spots) > place["most"] * max(inputs[made_from], 1)
            count += len(spots) > 1 and (of_one > place["most"] or too_many)
        return count

    def lost(self, name: str) -> int:
        place = self.places[name]
        due: dict[str, list[bool]] = defaultdict(list)
        for record in self.visible(place["upstream"]):
            if record["id"] is not None:
                due[record["id"]].append(self.passed(name, record))
        made = Counter(self.input_of(name, record) for record in self.shown(name))
        short = [i for i, passed in due.items() if all(passed) and made[i] < place["least"]]
        return len(short) if self.whole(name) else 0

    def late(self, name: str) -> int:
        late = [r["id"] for r in self.visible(self.places[name]["upstream"]) if not self.passed(name, r)]
        return len({i for i in late if i is not None}) + late.count(None)


def source(place: str) -> str:
    return place.removesuffix("@read_uncommitted")


def records(batch: Line) -> Iterator[Line]:
    positions: list[int] = batch["pos"] if "pos" in batch else batch["row"]
    for n, (pos, id_) in enumerate(zip(positions, batch["id"], strict=True)):
        src = batch["src"][n] if "src" in batch else None
        yield {"part": batch.get("part", 0), "pos": pos, "id": id_, "src": src, "status": batch.get("status", "plain")}


def sends(ledger: list[Line]) -> Iterator[Line]:
    ends = {line["end"]: line for line in ledger if "end" in line}
    for line in ledger:
        if "begin" not in line:
            continue
        end = ends.get(line["begin"], {"outcome": "unknown", "do": []})
        acked = {(step["ack"], i) for step in end["do"] if "ack" in step for i in step["id"]}
        tried = {(step["send"], i) for step in line["do"] if "send" in step for i in step["id"]}
        for place, id_ in tried | acked:
            if "txn" in line:
                outcome = end["outcome"]
            elif (place, id_) in acked:
                outcome = "ok" if end["outcome"] != "failed" else "unknown"
            else:
                outcome = "failed" if end["outcome"] == "failed" else "unknown"
            yield {"place": place, "id": id_, "outcome": outcome}
