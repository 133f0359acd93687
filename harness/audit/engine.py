"""The DuckDB database of one audit, and how evidence gets into it.

Lines are read and checked in Python, since whoever wrote them may have written anything and must be told where; what
is well-formed goes on as JSON text, a thousand lines at a time, and DuckDB takes the columns apart. So neither side
does per-record work in Python, and memory stays bounded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import duckdb
import orjson

_LINES_MAX = 1000
_BYTES_MAX = 4 * 1024 * 1024


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


class Engine:
    """An in-memory database; use it as a context manager.

    Args:
        tables: name → table.
        memory: DuckDB's limit, as `1GB`; beyond it, intermediate results go to the system's temporary folder.
        threads: None for DuckDB's own choice (the number of cores).
    """

    def __init__(self, tables: Mapping[str, Table], *, memory: str, threads: int | None) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": tempfile.gettempdir(),
            "preserve_insertion_order": False,
        }
        if threads is not None:
            config["threads"] = threads
        self._database = duckdb.connect(":memory:", config=config)
        self._tables = tables
        self._waiting: dict[str, list[str]] = {name: [] for name in tables}
        self._waiting_bytes = 0
        self._database.execute("".join(f"CREATE TABLE {name} ({table.columns});" for name, table in tables.items()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Feed one object to a table; it may still wait when this returns."""
        text = orjson.dumps(row).decode()
        waiting = self._waiting[table]
        waiting.append(text)
        self._waiting_bytes += len(text)
        if len(waiting) >= _LINES_MAX:
            self._flush(table)
        if self._waiting_bytes >= _BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        """Put everything that waits into its table."""
        for table, waiting in self._waiting.items():
            if waiting:
                self._flush(table)
        self._waiting_bytes = 0

    def run(self, sql: str) -> None:
        """Execute one or several statements."""
        self._database.execute(sql)

    def query(self, sql: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Execute a query; fetch from what it returns before the next one."""
        return self._database.execute(sql, parameters)

    def _flush(self, name: str) -> None:
        table = self._tables[name]
        fields = orjson.dumps(table.fields).decode()
        self._database.execute(
            f"INSERT INTO {name} SELECT {table.select} FROM ("
            f"SELECT from_json(line, '{fields}') AS r FROM (SELECT unnest(?::VARCHAR[]) AS line))",
            [self._waiting[name]],
        )
        self._waiting[name] = []
