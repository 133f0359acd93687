"""What each operation polled from or sent to one partition, in a line: from where to where, and whether in order.

Only the sieve reads this (harness/audit/sieve.sql): where every process went through a partition from stride to stride
without a gap, no query that asks for the order of records can find anything, so that most of them need not be ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import lt
from typing import Any

from harness.ledger.reader import Line

Stride = dict[str, Any]
_Column = Sequence[Any]


class Strides:
    """Follows the operations of one process, which come in the order of its ledger."""

    def __init__(self) -> None:
        self._begun: dict[int, Line] = {}

    def of(self, line: Line) -> Iterator[Stride]:
        """What this line adds: the polls in it and, when it ends an operation, what that one sent."""
        data = line.data
        n: Any = data.get("begin", data.get("end"))
        for number, step in enumerate(data.get("do", ())):
            if "poll" in step and step["pos"]:
                where = {"what": "poll", "n": n, "line": line.number, "step": number, "place": step["poll"]}
                yield {**where, "part": step["part"], **_span(step["pos"])}
        if "begin" in data:
            if any("send" in step for step in data["do"]):
                self._begun[n] = line
        elif n in self._begun:
            yield from _sent(n, self._begun.pop(n), data)


def _span(positions: _Column) -> Stride:
    return {
        "first": min(positions),
        "last": max(positions),
        "records": len(positions),
        "smooth": positions[0] >= 0 and all(map(lt, positions, islice(positions, 1, None))),
    }


def _sent(n: int, begun: Line, ended: Mapping[str, Any]) -> Iterator[Stride]:
    sends = [(number, step) for number, step in enumerate(begun.data["do"]) if "send" in step]
    for place in dict.fromkeys(step["send"] for _, step in sends):
        ids = [id_ for _, step in sends if step["send"] == place for id_ in step["id"]]
        acks = [step for step in ended.get("do", ()) if step.get("ack") == place]
        first = min(number for number, step in sends if step["send"] == place)
        where = {"what": "send", "n": n, "line": begun.number, "step": first, "place": place}
        acked = [id_ for step in acks for id_ in step["id"]]
        ordered = acked == ids or _is_within(acked, ids)
        for part, positions in _by_partition(acks).items():
            span = _span(positions)
            yield {**where, "part": part, **span, "smooth": span["smooth"] and ordered}


def _is_within(some: _Column, every: _Column) -> bool:
    """Whether all of some come in every, in this order."""
    rest = iter(every)
    return all(each in rest for each in some)


def _by_partition(acks: Sequence[Mapping[str, Any]]) -> dict[int, list[int]]:
    positions: dict[int, list[int]] = {}
    for step in acks:
        parts, spots = step.get("part"), step.get("pos")
        if not parts or not spots:
            continue
        if None not in spots and min(spots) >= 0 and len(set(parts)) == 1 and parts[0] is not None:
            positions.setdefault(parts[0], []).extend(spots)
        else:
            for part, pos in zip(parts, spots, strict=True):
                if part is not None and pos is not None and pos >= 0:
                    positions.setdefault(part, []).append(pos)
    return positions
