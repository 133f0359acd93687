"""Schema 1 of the ledger: its words, and the shape of each of its lines. docs/ledger.md explains them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from harness.ledger import shapes
from harness.ledger.shapes import Fault, Shape

LEDGER_SCHEMA = 1

Outcome = Literal["ok", "failed", "unknown"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "failed", "unknown")

FOLDER = "ledger"
"""Folder of the ledger files inside the folder of one repeat."""

HEADER = Shape(
    required={
        "process": shapes.TEXT,
        "app": shapes.TEXT,
        "instance": shapes.NUMBER,
        "incarnation": shapes.NUMBER,
        "at": shapes.NUMBER,
        "wall": shapes.NUMBER,
    },
    optional={
        "client": shapes.TEXT_OR_NULL,
        "isolation": shapes.one_of("read_committed", "read_uncommitted", None),
        "config": shapes.OBJECT,
    },
)
BEGIN = Shape(
    required={"begin": shapes.NUMBER, "kind": shapes.TEXT, "at": shapes.NUMBER, "do": shapes.OBJECTS},
    optional={"txn": shapes.TEXT_OR_NULL},
)
END = Shape(
    required={"end": shapes.NUMBER, "outcome": shapes.one_of(*OUTCOMES), "at": shapes.NUMBER},
    optional={"do": shapes.OBJECTS, "error": shapes.TEXT_OR_NULL},
)
NOTE = Shape(required={"note": shapes.TEXT, "at": shapes.NUMBER})

STEPS: Mapping[str, Shape] = MappingProxyType(
    {
        "send": Shape(
            required={"send": shapes.TEXT, "id": shapes.TEXTS_OR_NULLS},
            optional={"key": shapes.TEXTS_OR_NULLS, "seq": shapes.NUMBERS_OR_NULLS},
            columns=("id", "key", "seq"),
        ),
        "ack": Shape(
            required={"ack": shapes.TEXT, "id": shapes.TEXTS_OR_NULLS},
            optional={"part": shapes.NUMBERS_OR_NULLS, "pos": shapes.NUMBERS_OR_NULLS},
            columns=("id", "part", "pos"),
        ),
        "poll": Shape(
            required={
                "poll": shapes.TEXT,
                "part": shapes.NUMBER,
                "pos": shapes.NUMBERS,
                "id": shapes.TEXTS_OR_NULLS,
            },
            columns=("pos", "id"),
        ),
        "commit": Shape(required={"commit": shapes.TEXT, "offsets": shapes.SPOTS}),
        "assign": Shape(
            required={"assign": shapes.PARTITIONS, "how": shapes.one_of("subscribe", "assign", "rebalance")}
        ),
    }
)
_LINES = {"begin": BEGIN, "end": END, "note": NOTE}


def line_fault(line: Mapping[str, Any]) -> Fault | None:
    """What is wrong with a line that follows the header; None when it is well-formed."""
    words = [word for word in _LINES if word in line]
    if len(words) != 1:
        return Fault(words[-1] if words else "", "a line has exactly one of 'begin', 'end' and 'note'")
    shape = _LINES[words[0]]
    fault = shape.fault(line)
    if fault is not None or shape is NOTE:
        return fault
    return next((found for step in line.get("do", ()) if (found := _step_fault(step))), None)


def _step_fault(step: Mapping[str, Any]) -> Fault | None:
    names = [name for name in STEPS if name in step]
    if len(names) != 1:
        return Fault(names[0] if names else "do", f"a step has exactly one of {', '.join(STEPS)}")
    return STEPS[names[0]].fault(step)
