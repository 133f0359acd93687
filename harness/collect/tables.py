"""A table's sightings: every row, in the order in which rows were inserted; then every write that it ever took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from harness.apps.tables import history_of
from harness.collect.files import Sightings

_CONNECT_S = 5
_LINE_ROWS = 1000
_ROWS = ("n", "id", "key", "seq", "src_topic", "src_part", "src_pos", "writer")
_WRITES = (*_ROWS, "over_id", "over_seq")


def read_table(dsn: str, table: str, places: Mapping[str, str], timeout_s: float, out: Sightings) -> None:
    """Writes the sightings of one table that our sink wrote, and its history.

    Args:
        table: `schema.name`.
        places: Topic → place, for the sources of the rows.
        timeout_s: For each statement.

    Raises:
        psycopg.Error: The database does not answer, or there is no such table.
    """
    schema, name = table.split(".", 1)
    limit = f"-c statement_timeout={max(1, int(timeout_s * 1000))}"
    with psycopg.connect(dsn, connect_timeout=_CONNECT_S, options=limit) as connection:
        _read(connection, (schema, name), _ROWS, "row", places, out)
        _read(connection, (schema, history_of(name)), _WRITES, "history", places, out)


def _read(
    connection: psycopg.Connection[tuple[Any, ...]],
    table: tuple[str, str],
    columns: tuple[str, ...],
    number: str,
    places: Mapping[str, str],
    out: Sightings,
) -> None:
    """
    Args:
        number: What the column `n` is called in the sightings.
    """
    query = sql.SQL("SELECT {columns} FROM {table} ORDER BY n").format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)), table=sql.Identifier(*table)
    )
    with connection.cursor("rows") as cursor:  # named: the rows stay at the server until they are fetched
        cursor.execute(query)
        while rows := cursor.fetchmany(_LINE_ROWS):
            line = dict(zip(columns, zip(*rows, strict=True), strict=True))
            sources = zip(*(line.pop(name) for name in ("src_topic", "src_part", "src_pos")), strict=True)
            src = [[places.get(topic, topic), part, pos] for topic, part, pos in sources]
            out.write({number: line.pop("n"), **line, "src": src})
