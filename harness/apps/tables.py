"""The table that a sink writes: append-only enough to show every duplicate and who wrote it."""

from __future__ import annotations

from psycopg import sql


def create_table_sql(name: str, *, upsert: bool) -> sql.Composed:
    """DDL of a sink's table, in the schema that the connection's search_path names first.

    Args:
        name: Unqualified name.
        upsert: Make `id` unique, which `INSERT … ON CONFLICT (id)` needs. Without it, a record that arrives
        twice
            leaves two rows.
    """
    return sql.SQL(
        "CREATE TABLE {table} ("
        " n bigserial NOT NULL,"
        " id text{unique},"
        " key text,"
        " seq bigint,"
        " payload text,"
        " src_topic text NOT NULL,"
        " src_part integer NOT NULL,"
        " src_pos bigint NOT NULL,"
        " writer text NOT NULL,"
        " at timestamptz NOT NULL DEFAULT clock_timestamp())"
    ).format(table=sql.Identifier(name), unique=sql.SQL(" PRIMARY KEY" if upsert else ""))


def write_row_sql(name: str, *, upsert: bool) -> sql.Composed:
    """Writes one row (id, key, seq, payload, src_topic, src_part, src_pos, writer) and returns its `n`."""
    return sql.SQL(
        "INSERT INTO {table} (id, key, seq, payload, src_topic, src_part, src_pos, writer)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s){conflict} RETURNING n"
    ).format(
        table=sql.Identifier(name),
        conflict=sql.SQL(
            " ON CONFLICT (id) DO UPDATE"
            " SET key = excluded.key, seq = excluded.seq, payload = excluded.payload,"
            " src_topic = excluded.src_topic, src_part = excluded.src_part, src_pos = excluded.src_pos,"
            " writer = excluded.writer, at = excluded.at"
            if upsert
            else ""
        ),
    )
