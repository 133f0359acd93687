"""A table's sightings: every row, in the order in which rows were inserted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from harness.collect.files import Sightings

_CONNECT_S = 5
_ROWS = 1000  # per line


def read_table(dsn: str, table: str, places: Mapping[str, str], timeout_s: float, out: Sightings) -> None:
    """Writes the sightings of one table that our sink wrote.

    Args:
        table: `schema.name`.
        places: Topic → place, for the sources of the rows.
        timeout_s: For each statement.

    Raises:
        psycopg.Error: The database does not answer, or there is no such table.
    """
    query = sql.SQL("SELECT n, id, key, seq, src_topic, src_part, src_pos, writer FROM {table} ORDER BY n").format(
        table=sql.Identifier(*table.split(".", 1))
    )
    limit = f"-c statement_timeout={max(1, int(timeout_s * 1000))}"
    with (
        psycopg.connect(dsn, connect_timeout=_CONNECT_S, options=limit) as connection,
        connection.cursor("rows") as cursor,  # named: the rows stay at the server until they are fetched
    ):
        cursor.execute(query)
        while rows := cursor.fetchmany(_ROWS):
            out.write(_line(rows, places))


def _line(rows: list[tuple[Any, ...]], places: Mapping[str, str]) -> dict[str, Any]:
    numbers, ids, keys, seqs, topics, parts, positions, writers = zip(*rows, strict=True)
    sources = zip(topics, parts, positions, strict=True)
    return {
        "row": numbers,
        "id": ids,
        "key": keys,
        "seq": seqs,
        "src": [[places.get(topic, topic), part, pos] for topic, part, pos in sources],
        "writer": writers,
    }
