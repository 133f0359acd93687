"""What the evidence looks like: the files beside the ledger, line by line, and the tables it is loaded into.

`harness/audit/sql/_tables.sql` makes the tables that the types of anomaly read from these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.audit.engine import Table
from harness.ledger import shapes
from harness.ledger.shapes import Shape

PLACES_SCHEMA = 1
SIGHTINGS_SCHEMA = 1

PLACES = Shape(required={"places": shapes.OBJECTS, "drained": shapes.FLAG})
PLACE = Shape(
    required={"name": shapes.TEXT, "kind": shapes.one_of("topic", "table")},
    optional={
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
        "kind": shapes.one_of("topic", "table"),
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
    },
    columns=("pos", "id", "key", "seq", "src", "txn"),
)
MARKER = Shape(required={"marker": shapes.one_of("commit", "abort"), "part": shapes.NUMBER, "pos": shapes.NUMBER})
ROWS = Shape(
    required={"row": shapes.NUMBERS, "id": shapes.TEXTS_OR_NULLS},
    optional={**_RECORDS, "writer": shapes.TEXTS_OR_NULLS},
    columns=("row", "id", "key", "seq", "src", "writer"),
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
_TEXTS, _NUMBERS = ["VARCHAR"], ["BIGINT"]


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
        ),
        "writers": _flat(place=_TEXT, app=_TEXT),
        # One row. ledgers: every ledger says whose it is. transactions: what was open at the end is listed.
        "facts": _flat(ledgers=_FLAG, transactions=_FLAG),
        "processes": _flat(process=_TEXT, app=_TEXT, instance=_NUMBER, isolation=_TEXT, whole=_FLAG),
        "begun": _flat(process=_TEXT, n=_NUMBER, kind=_TEXT, txn=_TEXT),
        "ended": _flat(process=_TEXT, n=_NUMBER, outcome=_TEXT),
        # after_commit: the same operation committed offsets in a step before this one.
        "announced": Table(
            columns="process VARCHAR, n BIGINT, place VARCHAR, id VARCHAR, after_commit BOOLEAN",
            fields={"process": _TEXT, "n": _NUMBER, "send": _TEXT, "id": _TEXTS, "after_commit": _FLAG},
            select="r.process, r.n, r.send, unnest(r.id), r.after_commit",
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
            columns="process VARCHAR, n BIGINT, place VARCHAR, part BIGINT, pos BIGINT, id VARCHAR",
            fields={
                "process": _TEXT,
                "n": _NUMBER,
                "poll": _TEXT,
                "part": _NUMBER,
                "pos": _NUMBERS,
                "id": _TEXTS,
            },
            select="r.process, r.n, r.poll, r.part, unnest(r.pos), unnest(r.id)",
        ),
        "sources": _flat(source=_TEXT, kind=_TEXT, whole=_FLAG),
        # `bseq` in a line is the sequence of its first record; records of a batch follow one another.
        "sighted": Table(
            columns="source VARCHAR, part BIGINT, status VARCHAR, producer BIGINT, epoch BIGINT, pos BIGINT, "
            "bseq BIGINT, id VARCHAR, key VARCHAR, seq BIGINT, src_place VARCHAR, src_part BIGINT, "
            "src_pos BIGINT, txn VARCHAR, writer VARCHAR",
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
            },
            select="r.source, r.part, r.status, r.producer, r.epoch, unnest(r.pos), "
            "CASE WHEN r.bseq < 0 THEN -1 ELSE least(r.bseq, 2147483647) + generate_subscripts(r.pos, 1) - 1 END, "
            "unnest(r.id), unnest(r.key), unnest(r.seq), "
            "unnest(r.src)[1], CAST(unnest(r.src)[2] AS BIGINT), CAST(unnest(r.src)[3] AS BIGINT), "
            "unnest(r.txn), unnest(r.writer)",
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
    }
)
