"""The DuckDB database of one audit, and how evidence gets into it.

Lines are read and checked in Python, since whoever wrote them may have written anything and must be told where; what
is well-formed goes on as JSON text, and DuckDB takes the columns apart. So neither side does per-record work in
Python. A small history stays in memory; what is more goes to Parquet files in a scratch folder as it comes, and
intermediate results that do not fit into the memory limit are spilled there too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import orjson

WHOLE = "whole"
"""Schema of the tables as they were loaded."""
PART = "main"
"""Schema of what a sieve left of them; its tables stand before those of `WHOLE`."""

_KEPT_BYTES_MAX = 64 * 1024 * 1024
"""JSON text that may wait in memory, of all tables together."""
_INLINE_BYTES_MAX = 1024 * 1024
_LINE_BYTES_MIN = 16 * 1024 * 1024  # DuckDB's own default of `maximum_object_size`


@dataclass(frozen=True, slots=True)
class Table:
    """A table of evidence, fed with JSON objects.

    Args:
        columns: Of the table, with their SQL types.
        fields: Of each JSON object, with their types as `from_json` takes them.
        select: The table's columns from an object `r`; `unnest` makes one row per element of its columns.
    """

    columns: str
    fields: Mapping[str, Any]
    select: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.split()[0] for column in self.columns.split(","))


@dataclass(slots=True)
class _Waiting:
    """Objects of one table that are not in the database yet, and the files of those that do not fit into memory."""

    lines: list[bytes]
    bytes: int
    files: list[Path]


class Engine:
    """A database; use it as a context manager.

    Args:
        tables: name → table.
        memory: DuckDB's limit, as `1GB`.
        threads: None for DuckDB's own choice (the number of cores).
        folder: Where a scratch folder may be made for as long as it is open; the system's temporary folder where that
            one cannot be written to, or None is given.
    """

    def __init__(
        self, tables: Mapping[str, Table], *, memory: str, threads: int | None, folder: Path | None = None
    ) -> None:
        home = folder if folder is not None and os.access(folder, os.W_OK) else None
        self._scratch = tempfile.TemporaryDirectory(prefix=".audit-", dir=home, ignore_cleanup_errors=True)
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": str(self.scratch / "spilled"),
            "preserve_insertion_order": False,
        }
        if threads is not None:
            config["threads"] = threads
        self._database = duckdb.connect(":memory:", config=config)
        self._tables = tables
        self._waiting = {name: _Waiting([], 0, []) for name in tables}
        self._waiting_bytes = 0
        self._longest = 0
        creations = (f"CREATE TABLE {name} ({table.columns});" for name, table in tables.items())
        self.run("SET enable_progress_bar = false")  # it would be drawn into whatever reads our output
        self.run(f"CREATE SCHEMA {WHOLE}; SET search_path = '{WHOLE}'; {''.join(creations)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._database.close()
        self._scratch.cleanup()

    @property
    def scratch(self) -> Path:
        """A folder that is gone when the engine is closed."""
        return Path(self._scratch.name)

    @property
    def stored(self) -> frozenset[str]:
        """The tables that are in files, because they are large."""
        return frozenset(name for name, waiting in self._waiting.items() if waiting.files)

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Feed one object to a table; it may still wait when this returns."""
        text = orjson.dumps(row)
        waiting = self._waiting[table]
        waiting.lines.append(text)
        waiting.bytes += len(text)
        self._waiting_bytes += len(text)
        self._longest = max(self._longest, len(text))
        if self._waiting_bytes >= _KEPT_BYTES_MAX:
            self._store(max(self._waiting, key=lambda name: self._waiting[name].bytes))

    def flush(self) -> None:
        """Put everything that waits into its table."""
        for name, waiting in self._waiting.items():
            if waiting.lines and waiting.files:
                self._store(name)
            elif waiting.lines:
                self._insert(name)
        for name in self.stored:
            self._attach(name)

    def adopt(self, table: str, path: Path) -> None:
        """Let a table be what is in a Parquet file that somebody else made."""
        self._waiting[table].files.append(path)
        self._attach(table)

    def run(self, sql: str) -> None:
        """Execute one or several statements."""
        self._database.execute(sql)

    def query(self, sql: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Execute a query; fetch from what it returns before the next one."""
        return self._database.execute(sql, parameters)

    @contextmanager
    def of_the_whole(self) -> Iterator[None]:
        """Names stand for the tables as they were loaded, whatever a sieve left of them."""
        (before,) = self.query("SELECT current_setting('search_path')").fetchone() or ("",)
        self.run(f"SET search_path = '{WHOLE}'")
        try:
            yield
        finally:
            self.run(f"SET search_path = '{before}'")

    def _insert(self, name: str) -> None:
        table, lines = self._tables[name], self._waiting[name].lines
        if self._waiting[name].bytes > _INLINE_BYTES_MAX:
            self.run(f"INSERT INTO {WHOLE}.{name} {self._written(name)}")
        else:
            fields = orjson.dumps(table.fields).decode()
            self._database.execute(
                f"INSERT INTO {WHOLE}.{name} SELECT {table.select} FROM ("
                f"SELECT from_json(line, '{fields}') AS r FROM (SELECT unnest(?::VARCHAR[]) AS line))",
                [[line.decode() for line in lines]],
            )
        self._empty(name)

    def _store(self, name: str) -> None:
        """Put what waits for a table into a file of its own."""
        waiting = self._waiting[name]
        path = self.scratch / f"{name}-{len(waiting.files)}.parquet"
        names = ", ".join(self._tables[name].names)
        self.run(f"COPY (SELECT * FROM ({self._written(name)}) AS t({names})) TO '{_quoted(path)}' (FORMAT parquet)")
        waiting.files.append(path)
        self._empty(name)

    def _written(self, name: str) -> str:
        """A query of the rows that wait for a table, over a file of its objects."""
        path = self.scratch / f"{name}.jsonl"
        with path.open("wb") as file:
            file.writelines(line + b"\n" for line in self._waiting[name].lines)
        table = self._tables[name]
        kinds = ", ".join(f"'{field}': '{_sql_type(kind)}'" for field, kind in table.fields.items())
        row = ", ".join(f"'{field}': \"{field}\"" for field in table.fields)
        longest = max(self._longest + 1, _LINE_BYTES_MIN)
        return (
            f"SELECT {table.select} FROM (SELECT {{{row}}} AS r FROM read_json('{_quoted(path)}', "
            f"format = 'newline_delimited', columns = {{{kinds}}}, maximum_object_size = {longest}))"
        )

    def _empty(self, name: str) -> None:
        waiting = self._waiting[name]
        self._waiting_bytes -= waiting.bytes
        waiting.lines, waiting.bytes = [], 0
        (self.scratch / f"{name}.jsonl").unlink(missing_ok=True)

    def _attach(self, name: str) -> None:
        files = ", ".join(f"'{_quoted(path)}'" for path in self._waiting[name].files)
        kind = self.query(
            "SELECT table_type FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", [WHOLE, name]
        ).fetchone()
        if kind == ("BASE TABLE",):
            self.run(f"DROP TABLE {WHOLE}.{name}")
        self.run(f"CREATE OR REPLACE VIEW {WHOLE}.{name} AS SELECT * FROM read_parquet([{files}])")


def _sql_type(kind: Any) -> str:
    """`from_json` says lists as `[kind]`."""
    return f"{_sql_type(kind[0])}[]" if isinstance(kind, list) else str(kind)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
