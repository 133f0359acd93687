"""The smallest history that shows a type, and its nearest neighbour that does not: how such a pair is declared.

The neighbour differs by one fact, and it is that fact that the proof stands on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.unit.audit.histories import Found, History, Process

Build = Callable[[History, bool], None]


@dataclass(frozen=True)
class Twin:
    kind: str
    build: Build
    guilty: Found
    innocent: Found

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.build.__name__.strip('_').replace('_', ' ')}"


TWINS: list[Twin] = []


def twin(
    kind: str, place: str, *, also: Found | None = None, innocent: Found | None = None
) -> Callable[[Build], Build]:
    """Registers a pair: called with True the function writes the guilty one, which shows `kind` once at `place`.

    Args:
        also: What the guilty one shows besides.
        innocent: What the innocent one shows instead; nothing by default.
    """

    def register(build: Build) -> Build:
        TWINS.append(Twin(kind, build, {(place, kind): 1} | (also or {}), innocent or {}))
        return build

    return register


def lost(count: int = 1, place: str = "invoices") -> Found:
    """A loss shows twice: as what is missing, and as the offset that is past it."""
    return {(place, "offset-ahead-of-output"): count}


def orders(h: History, *ids: str) -> Process:
    """A topic of plain records that were acknowledged."""
    h.topic("orders", writers=["producer"])
    producer = h.process("producer#1/1", None)
    if ids:
        producer.batch({"orders": ids}, ack={id_: pos for pos, id_ in enumerate(ids)})
        h.see("orders", ids)
    return producer


def invoices(h: History, *ids: str, **more: int) -> Process:
    """A processed topic beneath `orders`; its group is past everything there."""
    h.topic("invoices", upstream="orders", writers=["processor"], **more)
    processor = h.process("processor#1/1")
    if ids:
        processor.batch({"invoices": ids}, ack=ids)
        h.see("invoices", ids, src=list(range(len(ids))))
    return processor


def rows(h: History, *ids: str) -> Process:
    """A table beneath `orders`."""
    h.table("rows", upstream="orders", writers=["sink"])
    sink = h.process("sink#1/1")
    if ids:
        sink.batch({"rows": ids}, ack=ids)
        h.see("rows", ids, src=list(range(len(ids))), writer="sink#1/1")
    return sink
