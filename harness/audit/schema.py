"""What the evidence looks like: the files beside the ledger, line by line, and the tables it is loaded into.

`harness/audit/sql/_tables.sql` makes the tables that the types of anomaly read from these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from harness.audit.engine import Table
from harness.ledger import shapes
from harness.ledger.shapes import Shape
from harness.model import PlaceKind

PLACES_SCHEMA = 1
SIGHTINGS_SCHEMA = 1

KINDS: tuple[PlaceKind, ...] = get_args(PlaceKind)

PLACES = Shape(required={"places": shapes.OBJECTS, "drained": shapes.FLAG})
PLACE = Shape(
    required={"name": shapes.TEXT, "kind": shapes.one_of(*KINDS)},
    optional={
        "final_read": shapes.FLAG,
        "resource": shapes.TEXT,
        "partitions": shapes.NUMBER,
        "isolation": shapes.one_of("read_committed", "read_uncommitted", None),
        "upstream": shapes.TEXT_OR_NULL,
        "group": shapes.TEXT_OR_NULL,
        "least": shapes.NUMBER,
        "most": shapes.NUMBER,
        "writers": shapes.TEXTS,
    },
)
SIGHTINGS = Shape(
    required={
        "place": shapes.TEXT,
        "kind": shapes.one_of(*KINDS),
        "whole": shapes.FLAG,
    }
)
_RECORDS = {
    "key": shapes.TEXTS_OR_NULLS,
    "seq": shapes.NUMBERS_OR_NULLS,
    "src": shapes.SPOTS_OR_NULLS,
}
BATCH = Shape(
    required={
        "part": shapes.NUMBER,
        "status": shapes.one_of("plain", "committed", "aborted", "open"),
        "pos": shapes.NUMBERS,
        "id": shapes.TEXTS_OR_NULLS,
    },
    optional={
        **_RECORDS,
        "producer": shapes.NUMBER,
        "epoch": shapes.NUMBER,
        "bseq": shapes.NUMBER,
        "txn": shapes.TEXTS_OR_NULLS,
        "intact": shapes.FLAGS_OR_NULLS,
    },
    columns=("pos", "id", "key", "seq", "src", "txn", "intact"),
)
MARKER = Shape(required={"marker": shapes.one_of("commit", "abort"), "part": shapes.NUMBER, "pos": shapes.NUMBER})
ROWS = Shape(
    required={"row": shapes.NUMBERS, "id": shapes.TEXTS_OR_NULLS},
    optional={
        **_RECORDS,
        "writer": shapes.TEXTS_OR_NULLS,
        "txn": shapes.TEXTS_OR_NULLS,
        "idempotency_key": shapes.TEXTS_OR_NULLS,
        "accepted": shapes.FLAGS_OR_NULLS,
    },
    columns=("row", "id", "key", "seq", "src", "writer", "txn", "idempotency_key", "accepted"),
)
HISTORY = Shape(
    required={"history": shapes.NUMBERS, "id": shapes.TEXTS_OR_NULLS, "over_seq": shapes.NUMBERS_OR_NULLS},
    optional={**_RECORDS, "writer": shapes.TEXTS_OR_NULLS, "over_id": shapes.TEXTS_OR_NULLS},
    columns=("history", "id", "key", "seq", "src", "writer", "over_id", "over_seq"),
)
POSITION = Shape(
    required={
        "place": shapes.TEXT,
        "part": shapes.NUMBER,
        "low": shapes.NUMBER,
        "stable": shapes.NUMBER,
        "high": shapes.NUMBER,
    },
    optional={"group": shapes.TEXT_OR_NULL, "committed": shapes.NUMBER_OR_NULL},
)
OPEN_TRANSACTION = Shape(
    required={"place": shapes.TEXT, "part": shapes.NUMBER, "producer": shapes.NUMBER},
    optional={
        "epoch": shapes.NUMBER_OR_NULL,
        "transactional_id": shapes.TEXT_OR_NULL,
        "first_pos": shapes.NUMBER_OR_NULL,
        "age_ms": shapes.NUMBER_OR_NULL,
        "timeout_ms": shapes.NUMBER_OR_NULL,
        "state": shapes.TEXT_OR_NULL,
    },
)

_TEXT, _NUMBER, _FLAG = "VARCHAR", "BIGINT", "BOOLEAN"
_TEXTS, _NUMBERS, _FLAGS = ["VARCHAR"], ["BIGINT"], ["BOOLEAN"]
_STEP = {"process": _TEXT, "n": _NUMBER, "line": _NUMBER, "step": _NUMBER}


def _flat(**fields: str) -> Table:
    """A table with one row per object, its columns named as the object's fields."""
    return Table(
        columns=", ".join(f"{name} {kind}" for name, kind in fields.items()),
        fields=fields,
        select=", ".join(f"r.{name}" for name in fields),
    )


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "declared": _flat(
            place=_TEXT,
            kind=_TEXT,
            isolation=_TEXT,
            source=_TEXT,
            upstream=_TEXT,
            upstream_source=_TEXT,
            origin=_TEXT,
            grp=_TEXT,
            least=_NUMBER,
            most=_NUMBER,
            final_read=_FLAG,
        ),
        "writers": _flat(place=_TEXT, app=_TEXT),
        # One row. ledgers: every ledger says whose it is. transactions: what was open at the end is listed.
        "facts": _flat(ledgers=_FLAG, transactions=_FLAG),
        "processes": _flat(process=_TEXT, app=_TEXT, instance=_NUMBER, isolation=_TEXT, whole=_FLAG),
        # line: of its ledger, from 1. Lines, steps in a line and elements of a step tell the order of a process.
        "begun": _flat(process=_TEXT, n=_NUMBER, kind=_TEXT, txn=_TEXT, line=_NUMBER),
        "ended": _flat(process=_TEXT, n=_NUMBER, outcome=_TEXT, line=_NUMBER),
        # after_commit: the same operation committed offsets in a step before this one.
        "announced": Table(
            columns="process VARCHAR, n BIGINT, line BIGINT, step BIGINT, idx BIGINT, place VARCHAR, id VARCHAR, "
            "after_commit BOOLEAN",
            fields={**_STEP, "send": _TEXT, "id": _TEXTS, "after_commit": _FLAG},
            select="r.process, r.n, r.line, r.step, generate_subscripts(r.id, 1), r.send, unnest(r.id), r.after_commit",
        ),
        "acked": Table(
            columns="process VARCHAR, n BIGINT, place VARCHAR, id VARCHAR, part BIGINT, pos BIGINT",
            fields={
                "process": _TEXT,
                "n": _NUMBER,
                "ack": _TEXT,
                "id": _TEXTS,
                "part": _NUMBERS,
                "pos": _NUMBERS,
            },
            select="r.process, r.n, r.ack, unnest(r.id), unnest(r.part), unnest(r.pos)",
        ),
        "polls": Table(
            columns="process VARCHAR, n BIGINT, line BIGINT, step BIGINT, idx BIGINT, place VARCHAR, part BIGINT, "
            "pos BIGINT, id VARCHAR",
            fields={**_STEP, "poll": _TEXT, "part": _NUMBER, "pos": _NUMBERS, "id": _TEXTS},
            select="r.process, r.n, r.line, r.step, generate_subscripts(r.id, 1), r.poll, r.part, unnest(r.pos), "
            "unnest(r.id)",
        ),
        # One row per step, also where it names nothing; `assigned` has one per partition that it names.
        "assigns": _flat(**_STEP, how=_TEXT),
        "assigned": Table(
            columns="process VARCHAR, n BIGINT, line BIGINT, step BIGINT, how VARCHAR, place VARCHAR, part BIGINT",
            fields={**_STEP, "how": _TEXT, "assign": [_TEXTS]},
            select="r.process, r.n, r.line, r.step, r.how, unnest(r.assign)[1], CAST(unnest(r.assign)[2] AS BIGINT)",
        ),
        # For the sieve alone (harness/audit/strides.py).
        "strides": _flat(
            what=_TEXT,
            **_STEP,
            place=_TEXT,
            part=_NUMBER,
            first=_NUMBER,
            last=_NUMBER,
            records=_NUMBER,
            smooth=_FLAG,
        ),
        "sources": _flat(source=_TEXT, kind=_TEXT, whole=_FLAG),
        # `bseq` in a line is the sequence of its first record; records of a batch follow one another.
        "sighted": Table(
            columns="source VARCHAR, part BIGINT, status VARCHAR, producer BIGINT, epoch BIGINT, pos BIGINT, "
            "bseq BIGINT, id VARCHAR, key VARCHAR, seq BIGINT, src_place VARCHAR, src_part BIGINT, "
            "src_pos BIGINT, txn VARCHAR, writer VARCHAR, intact BOOLEAN, idempotency_key VARCHAR, accepted BOOLEAN",
            fields={
                "source": _TEXT,
                "part": _NUMBER,
                "status": _TEXT,
                "producer": _NUMBER,
                "epoch": _NUMBER,
                "bseq": _NUMBER,
                "pos": _NUMBERS,
                "id": _TEXTS,
                "key": _TEXTS,
                "seq": _NUMBERS,
                "src": [_TEXTS],
                "txn": _TEXTS,
                "writer": _TEXTS,
                "intact": _FLAGS,
                "idempotency_key": _TEXTS,
                "accepted": _FLAGS,
            },
            select="r.source, r.part, r.status, r.producer, r.epoch, unnest(r.pos), "
            "CASE WHEN r.bseq < 0 THEN -1 ELSE least(r.bseq, 2147483647) + generate_subscripts(r.pos, 1) - 1 END, "
            "unnest(r.id), unnest(r.key), unnest(r.seq), "
            "unnest(r.src)[1], CAST(unnest(r.src)[2] AS BIGINT), CAST(unnest(r.src)[3] AS BIGINT), "
            "unnest(r.txn), unnest(r.writer), unnest(r.intact), unnest(r.idempotency_key), unnest(r.accepted)",
        ),
        "history": Table(
            columns="source VARCHAR, pos BIGINT, id VARCHAR, key VARCHAR, seq BIGINT, writer VARCHAR, "
            "over_id VARCHAR, over_seq BIGINT",
            fields={
                "source": _TEXT,
                "history": _NUMBERS,
                "id": _TEXTS,
                "key": _TEXTS,
                "seq": _NUMBERS,
                "writer": _TEXTS,
                "over_id": _TEXTS,
                "over_seq": _NUMBERS,
            },
            select="r.source, unnest(r.history), unnest(r.id), unnest(r.key), unnest(r.seq), unnest(r.writer), "
            "unnest(r.over_id), unnest(r.over_seq)",
        ),
        "positions": _flat(
            place=_TEXT,
            part=_NUMBER,
            grp=_TEXT,
            committed=_NUMBER,
            low=_NUMBER,
            stable=_NUMBER,
            high=_NUMBER,
        ),
        "open_txns": _flat(
            place=_TEXT,
            part=_NUMBER,
            producer=_NUMBER,
            epoch=_NUMBER,
            transactional_id=_TEXT,
            first_pos=_NUMBER,
            age_ms=_NUMBER,
            timeout_ms=_NUMBER,
        ),
        # Not of the evidence: what harness/audit/cycles.py finds in it.
        "cycles": _flat(type=_TEXT, component=_NUMBER, operation=_TEXT),
    }
)
