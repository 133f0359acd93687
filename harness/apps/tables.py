"""The table that a sink writes, and its history: append-only, so that what an upsert writes over is known too."""

from __future__ import annotations

from psycopg import sql

from harness.apps.config import Write

_UNIQUE = {"upsert": "id", "upsert_by_key": "key"}
_WRITTEN = ("id", "key", "seq", "payload", "src_topic", "src_part", "src_pos", "writer")
_CREATE = """
CREATE TABLE {table} (
    n bigserial NOT NULL,
    id text, key text, seq bigint, payload text,
    src_topic text NOT NULL, src_part integer NOT NULL, src_pos bigint NOT NULL,
    writer text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(){unique});
CREATE TABLE {history} (
    n bigserial NOT NULL,
    id text, key text, seq bigint,
    src_topic text NOT NULL, src_part integer NOT NULL, src_pos bigint NOT NULL,
    writer text NOT NULL,
    over_id text, over_seq bigint);
CREATE FUNCTION {remember}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO {history} (id, key, seq, src_topic, src_part, src_pos, writer, over_id, over_seq)
    VALUES (NEW.id, NEW.key, NEW.seq, NEW.src_topic, NEW.src_part, NEW.src_pos, NEW.writer, OLD.id, OLD.seq);
    RETURN NULL;
END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {remember}();
"""


def history_of(table: str) -> str:
    """The unqualified name of a table's history."""
    return f"{table}_history"


def create_table_sql(name: str, write: Write) -> sql.Composed:
    """DDL of a sink's table and its history, in the schema that the connection's search_path names first.

    In the history, `over_id` and `over_seq` are those of the value that a write replaced in its row; null for a new
    row. It is written by a trigger, in the writer's own transaction: what was rolled back is not in it.

    Args:
        name: Unqualified name.
        write: How the sink will write: an upsert needs a unique column. Without one, a record that arrives twice
            leaves two rows.
    """
    unique: sql.Composable = sql.SQL("")
    if write in _UNIQUE:
        unique = sql.SQL(", PRIMARY KEY ({})").format(sql.Identifier(_UNIQUE[write]))
    return sql.SQL(_CREATE).format(
        table=sql.Identifier(name),
        history=sql.Identifier(history_of(name)),
        remember=sql.Identifier(f"{name}_remember"),
        unique=unique,
    )


def write_row_sql(table: str, write: Write) -> sql.Composed:
    """Writes one row (id, key, seq, payload, src_topic, src_part, src_pos, writer) and returns its `n`."""
    columns = sql.SQL(", ").join(map(sql.Identifier, _WRITTEN))
    conflict: sql.Composable = sql.SQL("")
    if write in _UNIQUE:
        unique = sql.Identifier(_UNIQUE[write])
        # A record that is written again stays the row that it was; another one is a row of its own, in the old's place.
        updated = (*_WRITTEN, "at", *(["n"] if write == "upsert_by_key" else []))
        updates = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in updated)
        conflict = sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(unique, updates)
    return sql.SQL("INSERT INTO {table} ({columns}) VALUES ({values}){conflict} RETURNING n").format(
        table=sql.Identifier(table),
        columns=columns,
        values=sql.SQL(", ").join(sql.Placeholder() * len(_WRITTEN)),
        conflict=conflict,
    )
