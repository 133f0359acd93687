"""A second opinion: the same findings from the same files, by dictionaries and sets, without a line of SQL.

It is written from docs/ledger.md and from nothing else, as simply as possible; it is slow, and tells neither causes
nor evidence. It takes well-formed folders only.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

Line = dict[str, Any]
Counts = dict[str, dict[str, int | None]]
Spot = tuple[int, int, str | None]
"""Partition, position, id."""

ROWS = ("table", "service", "mailbox")
EFFECTS = ("service", "mailbox")


class Oracle:
    def __init__(self, folder: Path) -> None:
        declared = json.loads((folder / "places.json").read_text())["places"]
        self.places: dict[str, Line] = {place["name"]: {"least": 1, "most": 1, **place} for place in declared}
        self.ledgers = [Ledger(lines(path)) for path in sorted((folder / "ledger").glob("*.jsonl"))]
        self.headers: dict[str, Line] = {}
        self.log: dict[str, list[Line]] = defaultdict(list)
        self.writes: dict[str, list[Line]] = defaultdict(list)
        for path in (folder / "sightings").glob("*.jsonl"):
            header, *batches = lines(path)
            self.headers[header["place"]] = header
            for batch in batches:
                kind = self.writes if "history" in batch else self.log
                kind[header["place"]] += [] if "marker" in batch else list(records(batch))
        self.stable: dict[tuple[str, int], tuple[int, int]] = {}
        self.committed: dict[tuple[str, str, int], int | None] = {}
        for line in lines(folder / "positions.jsonl"):
            self.stable[line["place"], line["part"]] = line["stable"], line["high"]
            if line.get("group"):
                self.committed[line["place"], line["group"], line["part"]] = line["committed"]
        self.open = lines(folder / "transactions.jsonl")
        self.operations = [operation for ledger in self.ledgers for operation in ledger.operations]
        self.sends = [send for operation in self.operations for send in operation.sends]
        self.apps = {ledger.app for ledger in self.ledgers}
        self._occupied: dict[str, set[Spot]] = {}
        self._ranks: dict[str, dict[tuple[int, int], int]] = {}
        self._positions: dict[str, dict[str | None, list[tuple[int, int]]]] = {}

    def counts(self) -> Counts:
        return {name: self.at(name) for name in self.places}

    # -- what there is -----------------------------------------------------------------------------------------------

    def whole(self, place: str) -> bool:
        return bool(self.headers.get(source(place), {}).get("whole"))

    def final(self, place: str) -> bool:
        return bool(self.places[place].get("final_read", True))

    def known(self, place: str) -> bool:
        writers = set(self.places[place]["writers"])
        return bool(writers) and writers <= self.apps

    def shown(self, place: str) -> list[Line]:
        """What a consumer of the place's isolation level gets, now or later."""
        if not self.final(place):
            return [{"part": part, "pos": pos, "id": id_, **NOTHING} for part, pos, id_ in self.occupied(place)]
        dirty = self.places[place].get("isolation") != "read_committed"
        return [
            r for r in self.log[source(place)] if (dirty or r["status"] != "aborted") and r["accepted"] is not False
        ]

    def is_visible(self, place: str, record: Line) -> bool:
        if self.places[place].get("isolation") != "read_committed":
            return True
        stable, _ = self.stable.get((source(place), record["part"]), (2**63, 0))
        return record["status"] != "open" and record["pos"] < stable

    def visible(self, place: str) -> list[Line]:
        return [record for record in self.shown(place) if self.is_visible(place, record)]

    def offset(self, place: str, part: int) -> int | None:
        me = self.places[place]
        return self.committed.get((source(me["upstream"]), me["group"], part))

    def passed(self, place: str, record: Line) -> bool:
        offset = self.offset(place, record["part"])
        return offset is not None and record["pos"] < offset

    @cached_property
    def fed(self) -> dict[str, set[str | None]]:
        """Source → ids that stand there or were sent there."""
        ids: dict[str, set[str | None]] = defaultdict(set)
        for place, log in self.log.items():
            ids[place] |= {record["id"] for record in log}
        for send in self.sends:
            ids[send["place"]].add(send["id"])
        return ids

    def input_of(self, place: str, record: Line) -> str | None:
        upstream = source(self.places[place]["upstream"])
        if record["id"] is not None and record["id"] in self.fed[upstream]:
            return str(record["id"])
        if record["src"] and record["src"][0] == upstream:
            for candidate in self.log[upstream]:
                if [candidate["part"], candidate["pos"]] == record["src"][1:] and candidate["id"] is not None:
                    return str(candidate["id"])
        return record["id"]  # type: ignore[no-any-return]

    def reads(self, place: str, *outcomes: str) -> Iterator[tuple[Operation, Spot]]:
        """What the polls of readers of the place's isolation level returned; of any outcome if none is named."""
        for operation in self.operations:
            if operation.isolation == self.places[place].get("isolation") and (
                not outcomes or operation.outcome in outcomes
            ):
                yield from ((operation, spot) for spot in operation.polled(source(place)))

    @cached_property
    def sole(self) -> dict[tuple[str, str], Line]:
        """(source, id) → the only send of it that may have happened."""
        tried: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for send in self.sends:
            if send["outcome"] != "failed" and send["id"] is not None:
                tried[send["place"], send["id"]] += [send] * send["times"]
        return {key: sends[0] for key, sends in tried.items() if len(sends) == 1}

    @cached_property
    def durable(self) -> list[Line]:
        """Sends that must have happened."""
        records, operations = set(), set()
        for place in self.places:
            for _, (_, _, id_) in self.reads(place, "ok"):
                send = self.sole.get((source(place), id_ or "")) if id_ is not None else None
                if send and send["outcome"] == "unknown" and send["operation"].txn is None:
                    records.add((send["place"], send["id"]))
                elif send and send["outcome"] == "unknown" and self.places[place]["isolation"] == "read_committed":
                    operations.add(send["operation"].name)
        return [
            send
            for send in self.sends
            if send["outcome"] == "ok"
            or (send["outcome"] == "unknown" and send["operation"].name in operations)
            or (
                send["outcome"] == "unknown"
                and (send["place"], send["id"]) in records
                and self.sole.get((send["place"], send["id"])) is send
            )
        ]

    def occupied(self, place: str) -> set[Spot]:
        """What is known to stand, or to have stood, at a view of a topic."""
        if place not in self._occupied:
            self._occupied[place] = self._find_occupied(place)
        return self._occupied[place]

    def _find_occupied(self, place: str) -> set[Spot]:
        spots = {spot for _, spot in self.reads(place) if spot[1] >= 0}
        for send in self.durable:
            part, pos = send["spot"]
            if send["place"] == source(place) and part is not None and pos is not None and pos >= 0:
                spots.add((part, pos, send["id"]))
        if self.final(place):
            spots |= {(record["part"], record["pos"], record["id"]) for record in self.visible(place)}
        return spots

    # -- what is wrong -----------------------------------------------------------------------------------------------

    def at(self, name: str) -> dict[str, int | None]:
        place, whole, known = self.places[name], self.whole(name), self.known(name)
        kind = place["kind"]
        topic, fed = kind == "topic", "upstream" in place
        complete = whole and fed and self.whole(place["upstream"])
        unread = not self.final(name)
        polled = topic and any(True for _ in self.reads(name, "ok"))
        judged: dict[str, tuple[bool, bool, Callable[[str], int]]] = {
            "duplicate": (topic, whole or unread, self.repeated),
            "sink-duplicate": (kind == "table", whole, self.repeated),
            "repeated-effect": (kind in EFFECTS, whole, self.repeated),
            "lost-write": (topic, known and (whole or (unread and polled)), self.lost_writes),
            "unseen": (topic and unread, known, self.unseen),
            "phantom": (True, (whole or unread) and known, self.phantoms),
            "G1a": (topic, (whole or unread) and polled, self.aborted_reads),
            "precommitted-read": (topic, polled, self.own_reads),
            "inconsistent-offsets": (topic, whole or unread, self.inconsistent),
            "int-poll-skip": (topic, polled, lambda name: self.inside(name, "polled", skip=True)),
            "int-nonmonotonic-poll": (topic, polled, lambda name: self.inside(name, "polled", skip=False)),
            "int-send-skip": (topic, known, lambda name: self.inside(name, "sent", skip=True)),
            "int-nonmonotonic-send": (topic, known, lambda name: self.inside(name, "sent", skip=False)),
            "poll-skip": (topic, polled, lambda name: self.between(name, "polled", skip=True)),
            "nonmonotonic-poll": (topic, polled, lambda name: self.between(name, "polled", skip=False)),
            "nonmonotonic-send": (topic, known, lambda name: self.between(name, "sent", skip=False)),
            "duplicate-processing": (topic and fed, complete, self.processed_again),
            "lost-processing": (topic and fed, complete, self.lost),
            "offset-ahead-of-output": (topic and fed, complete, self.ahead),
            "sink-loss": (kind == "table" and fed, complete, self.lost),
            "missing-effect": (kind in EFFECTS and fed, complete, self.lost),
            "orphan-effect": (not topic and fed, complete and known, self.orphans),
            "regressed-effect": (kind == "table", whole and bool(self.writes[source(name)]), self.regressed),
            "stalled": (
                fed and place.get("isolation") != "read_uncommitted",
                fed and self.whole(place["upstream"]),
                self.late,
            ),
        }
        counts: dict[str, int | None] = {}
        for type_, (possible, provable, find) in judged.items():
            count = find(name) if possible else 0
            counts[type_] = count or (0 if possible and provable else None)
        return counts

    def repeated(self, name: str) -> int:
        times = Counter(r["id"] for r in self.visible(name) if r["id"] is not None)
        return sum(count > self.places[name]["most"] for count in times.values())

    def lost_writes(self, name: str) -> int:
        if self.final(name):
            confirmed = {s["id"] for s in self.sends if s["place"] == source(name) and s["outcome"] == "ok"}
            there = {r["id"] for r in self.shown(name)}
            return len(confirmed - there - {None}) if self.whole(name) else 0
        standing: dict[tuple[int, str], list[int]] = defaultdict(list)
        for part, pos, id_ in self.occupied(name):
            if id_ is not None:
                standing[part, id_].append(pos)
        bound: dict[int, int] = {}
        for _, (part, _, id_) in self.reads(name, "ok"):
            if id_ is not None and (part, id_) in standing:
                bound[part] = max(bound.get(part, -1), min(standing[part, id_]))
        durable = {send["id"] for send in self.durable if send["place"] == source(name)}
        return len(
            {
                id_
                for (part, id_), positions in standing.items()
                if id_ in durable - self.got(name) and max(positions) <= bound.get(part, -1)
            }
        )

    def got(self, name: str) -> set[str | None]:
        """What ok polls of any reader of the topic returned."""
        views = [place for place in self.places if source(place) == source(name)]
        return {id_ for view in views for _, (_, _, id_) in self.reads(view, "ok")}

    def unseen(self, name: str) -> int:
        confirmed = {s["id"] for s in self.sends if s["place"] == source(name) and s["outcome"] == "ok"}
        return len(confirmed - self.got(name) - {None})

    def phantoms(self, name: str) -> int:
        tried = {s["id"] for s in self.sends if s["place"] == source(name)}
        untried = [r["id"] for r in self.visible(name) if r["id"] not in tried]
        return len({i for i in untried if i is not None}) + untried.count(None) if self.known(name) else 0

    def aborted_reads(self, name: str) -> int:
        aborted = {(r["part"], r["pos"], r["id"]) for r in self.log[source(name)] if r["status"] == "aborted"}
        outcomes: dict[str, set[str]] = defaultdict(set)
        for send in self.sends:
            if send["place"] == source(name) and send["id"] is not None:
                outcomes[send["id"]].add(send["outcome"])
        failed = {i for i, seen in outcomes.items() if seen == {"failed"}} if self.known(name) else set()
        polls = {spot for _, spot in self.reads(name, "ok")}
        wrong = {spot for spot in polls if spot in aborted or spot[2] in failed}
        return len({i for _, _, i in wrong if i is not None}) + sum(i is None for _, _, i in wrong)

    def own_reads(self, name: str) -> int:
        return len(
            {
                id_
                for operation, (_, _, id_) in self.reads(name)
                if operation.txn is not None
                and id_ is not None
                and (send := self.sole.get((source(name), id_)))
                and send["operation"] is operation
            }
        )

    def inconsistent(self, name: str) -> int:
        held: dict[tuple[int, int], set[str]] = defaultdict(set)
        for part, pos, id_ in self.occupied(name):
            if id_ is not None:
                held[part, pos].add(id_)
        return sum(len(ids) > 1 for ids in held.values())

    def ranks(self, name: str) -> dict[tuple[int, int], int]:
        if name not in self._ranks:
            self._ranks[name] = self._find_ranks(name)
        return self._ranks[name]

    def _find_ranks(self, name: str) -> dict[tuple[int, int], int]:
        by_part: dict[int, set[int]] = defaultdict(set)
        for part, pos, _ in self.occupied(name):
            by_part[part].add(pos)
        return {(part, pos): n for part, all_ in by_part.items() for n, pos in enumerate(sorted(all_))}

    def positions(self, name: str) -> dict[str | None, list[tuple[int, int]]]:
        if name not in self._positions:
            self._positions[name] = defaultdict(list)
            for part, pos, id_ in self.occupied(name):
                self._positions[name][id_].append((part, pos))
        return self._positions[name]

    def touched(self, name: str, operation: Operation, what: str) -> dict[int, list[tuple[Moment, int, int]]]:
        """Partition → of each record that an operation polled or sent there, in order: when, its rank, and how many
        sends before it have a position that nobody knows."""
        ranks = self.ranks(name)
        spots: list[tuple[Moment, int, int]] = []
        if what == "polled":
            if operation.isolation == self.places[name].get("isolation"):
                spots = [(when, part, pos) for when, place, part, pos, _ in operation.polls if place == source(name)]
        else:
            positions = self.positions(name)
            for send in operation.sends:
                alone = self.sole.get((source(name), send["id"])) if send["id"] is not None else None
                certain = alone is send and len(positions[send["id"]]) == 1
                spot = positions[send["id"]][0] if certain else (-1, -1)
                if send["place"] == source(name) and send["outcome"] != "failed":
                    spots += [(when, *spot) for when in send["moments"]]
        result: dict[int, list[tuple[Moment, int, int]]] = defaultdict(list)
        stretch = 0
        for when, part, pos in sorted(spots):
            if (part, pos) in ranks:
                result[part].append((when, ranks[part, pos], stretch))
            else:
                stretch += 1
        return result

    def inside(self, name: str, what: str, *, skip: bool) -> int:
        count = 0
        for operation in self.operations:
            for part, spots in self.touched(name, operation, what).items():
                if what == "polled" and operation.rebalanced(source(name), part):
                    continue
                pairs = [pair for pair in pairwise(spots) if pair[0][2] == pair[1][2]]
                deltas = [after[1] - before[1] for before, after in pairs]
                count += sum(delta > 1 if skip else delta < 1 for delta in deltas)
        return count

    def between(self, name: str, what: str, *, skip: bool) -> int:
        count = 0
        for ledger in self.ledgers:
            last: dict[int, int] = {}
            events: list[tuple[Moment, Any]] = []
            for operation in ledger.operations:
                events += [
                    (when, step)
                    for when, step in operation.assigns
                    if operation.outcome != "failed" or step["how"] == "rebalance"
                ]
                for part, spots in self.touched(name, operation, what).items():
                    events.append((spots[0][0], (operation, part, spots)))
            for _, event in sorted(events, key=lambda event: event[0]):
                if isinstance(event, dict):
                    named = [spot for spot in event["assign"] if spot[0] == source(name)]
                    for part in list(last):
                        covered = any(len(spot) == 1 or spot[1] == part for spot in named)
                        if covered == (event["how"] == "rebalance"):
                            del last[part]
                    continue
                operation, part, spots = event
                if part in last:
                    delta = spots[0][1] - last[part]
                    count += delta > 1 if skip else delta < 1
                if what == "sent" or operation.outcome == "ok":
                    last[part] = spots[-1][1]
        return count

    def processed_again(self, name: str) -> int:
        place = self.places[name]
        made: dict[str, list[Line]] = defaultdict(list)
        for record in self.visible(name):
            made_from = self.input_of(name, record)
            if made_from is not None:
                made[made_from].append(record)
        inputs = Counter(r["id"] for r in self.visible(place["upstream"]))
        count = 0
        for made_from, outputs in made.items():
            spots = [(o["part"], o["pos"]) for o in outputs]
            named = [tuple(o["src"][1:]) for o in outputs if o["src"] and o["src"][0] == source(place["upstream"])]
            of_one = max(Counter(named).values(), default=0)
            too_many = self.whole(place["upstream"]) and len(spots) > place["most"] * max(inputs[made_from], 1)
            count += len(spots) > 1 and (of_one > place["most"] or too_many)
        return count

    def short(self, name: str, *, waiting: bool) -> int:
        """Records that the offset is past and that have too few outputs; waiting: those to come count."""
        place = self.places[name]
        due: dict[str, list[bool]] = defaultdict(list)
        for record in self.visible(place["upstream"]):
            if record["id"] is not None:
                due[record["id"]].append(self.passed(name, record))
        outputs = self.shown(name) if waiting else self.visible(name)
        made = Counter(self.input_of(name, record) for record in outputs)
        made.update(w["over_id"] for w in self.writes[source(name)] if w["over_id"] != w["id"])
        short = [i for i, passed in due.items() if all(passed) and made[i] < place["least"]]
        return len(short) if self.whole(name) else 0

    def lost(self, name: str) -> int:
        return self.short(name, waiting=True)

    def ahead(self, name: str) -> int:
        return self.short(name, waiting=False)

    def late(self, name: str) -> int:
        me = self.places[name]
        late = [
            r["id"]
            for r in self.visible(me["upstream"])
            if (source(me["upstream"]), me["group"], r["part"]) in self.committed and not self.passed(name, r)
        ]
        return len({i for i in late if i is not None}) + late.count(None)

    def orphans(self, name: str) -> int:
        upstream = source(self.places[name]["upstream"])
        orphans = set()
        calls = [call for call in self.log[source(name)] if call["id"] is not None]
        for effect in calls:
            if effect["accepted"] is False:
                continue
            key = effect["key_of_call"]
            replays = [c for c in calls if c["accepted"] is False and key is not None and c["key_of_call"] == key]
            undone = all(self.undone(call["writer"], call["txn"]) for call in [effect, *replays])
            fates = [r["status"] for r in self.log[upstream] if r["id"] == self.input_of(name, effect)]
            aborted = bool(fates) and set(fates) == {"aborted"} and self.whole(upstream)
            if undone or aborted:
                orphans.add(effect["id"])
        return len(orphans)

    def undone(self, process: str | None, txn: str | None) -> bool:
        """Whether a transaction was certainly not committed."""
        if txn is None:
            return False
        for operation in self.operations:
            if operation.process != process or operation.txn != txn:
                continue
            if operation.outcome == "failed":
                return True
            topics = [p for p in self.places.values() if p.get("isolation") == "read_committed"]
            announced = [p["name"] for p in topics if p["name"] in {send["place"] for send in operation.sends}]
            named = all(
                record["txn"] is not None or record["status"] == "plain" for p in announced for record in self.log[p]
            )
            if operation.outcome == "unknown" and announced and named and all(map(self.whole, announced)):
                landed = {
                    (record["producer"], record["epoch"])
                    for log in self.log.values()
                    for record in log
                    if record["txn"] == txn and record["status"] in ("committed", "open")
                }
                committed = {
                    (place, record["id"])
                    for place, log in self.log.items()
                    for record in log
                    if record["txn"] == txn and record["status"] == "committed"
                }
                confirmed = [
                    other
                    for other in self.operations
                    if other.txn == txn
                    and other.outcome == "ok"
                    and {(send["place"], send["id"]) for send in other.sends} & committed
                ]
                if len(landed) <= len(confirmed):
                    return True
        return False

    def regressed(self, name: str) -> int:
        origin = name
        while "upstream" in self.places[origin] and self.places[origin]["upstream"] != origin:
            origin = self.places[origin]["upstream"]
        sender = {}
        for send in sorted(self.sends, key=lambda send: send["operation"].sender, reverse=True):
            if send["place"] == source(origin):
                sender[send["id"]] = send["operation"].sender
        back = [
            write["id"]
            for write in self.writes[source(name)]
            if write["seq"] is not None
            and write["over_seq"] is not None
            and write["seq"] < write["over_seq"]
            and sender.get(write["id"]) == sender.get(write["over_id"])
        ]
        return len({i for i in back if i is not None}) + back.count(None)


Moment = tuple[int, int, int]
"""Line of the ledger, step in the line, element of the step."""


class Operation:
    def __init__(self, header: Line, number: int, begin: Line, end: tuple[int, Line] | None) -> None:
        self.process = header["process"]
        self.sender = f"{header['app']}#{header['instance']}"
        self.isolation = header.get("isolation") or "read_uncommitted"
        self.name = f"{self.process}:{begin['begin']}"
        self.txn = begin.get("txn")
        self.outcome = end[1]["outcome"] if end else "unknown"
        numbered = [(number, begin), *([end] if end else [])]
        self.steps = [
            ((line, position), step)
            for line, content in numbered
            for position, step in enumerate(content.get("do", ()))
        ]
        self.polls = [
            ((*moment, n), step["poll"], step["part"], pos, id_)
            for moment, step in self.steps
            if "poll" in step
            for n, (pos, id_) in enumerate(zip(step["pos"], step["id"], strict=True))
        ]
        self.assigns = [((*moment, 0), step) for moment, step in self.steps if "assign" in step]
        self.sends = list(self._sends())

    def polled(self, place: str) -> Iterator[Spot]:
        return ((part, pos, id_) for _, where, part, pos, id_ in self.polls if where == place)

    def rebalanced(self, place: str, part: int) -> bool:
        return any(
            spot[0] == place and (len(spot) == 1 or spot[1] == part)
            for _, step in self.assigns
            if step["how"] == "rebalance"
            for spot in step["assign"]
        )

    def _sends(self) -> Iterator[Line]:
        acked: dict[tuple[str, str | None], list[tuple[int, int]]] = defaultdict(list)
        tried: dict[tuple[str, str | None], list[Moment]] = defaultdict(list)
        for moment, step in self.steps:
            for n, id_ in enumerate(step["id"] if "ack" in step else ()):
                part = step["part"][n] if "part" in step else None
                pos = step["pos"][n] if "pos" in step else None
                acked[step["ack"], id_].append((part, pos))
            for n, id_ in enumerate(step["id"] if "send" in step else ()):
                tried[step["send"], id_].append((*moment, n))
        for place, id_ in {*tried, *acked}:
            known = (place, id_) in acked
            if self.txn is not None:
                outcome = self.outcome
            elif known:
                outcome = "ok" if self.outcome != "failed" else "unknown"
            else:
                outcome = "failed" if self.outcome == "failed" else "unknown"
            moments = tried.get((place, id_), [])
            spots = [spot for spot in acked[place, id_] if None not in spot] if known else []
            yield {
                "operation": self,
                "place": place,
                "id": id_,
                "outcome": outcome,
                "times": max(len(moments), 1),
                "moments": moments,
                "spot": min(spots, default=(None, None)),
            }


class Ledger:
    def __init__(self, content: list[Line]) -> None:
        header = content[0]
        self.app = header["app"]
        ends = {line["end"]: (number, line) for number, line in enumerate(content, 1) if "end" in line}
        self.operations = [
            Operation(header, number, line, ends.get(line["begin"]))
            for number, line in enumerate(content, 1)
            if "begin" in line
        ]


def lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def source(place: str) -> str:
    return place.removesuffix("@read_uncommitted")


NOTHING: Line = {"src": None, "status": "plain", "txn": None, "accepted": None}


def records(batch: Line) -> Iterator[Line]:
    positions: list[int] = next(batch[word] for word in ("pos", "row", "history") if word in batch)
    for n, (pos, id_) in enumerate(zip(positions, batch["id"], strict=True)):

        def of(column: str, n: int = n) -> Any:
            return batch[column][n] if column in batch else None

        yield {
            "part": batch.get("part", 0),
            "pos": pos,
            "id": id_,
            "src": of("src"),
            "status": batch.get("status", "plain"),
            "txn": of("txn"),
            "producer": batch.get("producer", -1),
            "epoch": batch.get("epoch", -1),
            "seq": of("seq"),
            "writer": of("writer"),
            "accepted": of("accepted"),
            "key_of_call": of("idempotency_key"),
            "over_id": of("over_id"),
            "over_seq": of("over_seq"),
        }
