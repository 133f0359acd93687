"""The sink's side of PostgreSQL: one transaction a batch."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from harness.apps.clients.base import Incoming
from harness.apps.errors import ConfigRefusedError, StoreFailedError
from harness.apps.records import identity
from harness.apps.tables import write_row_sql

_CONNECT_S = 5


class Store:
    """Connects when it first writes, and again after an error.

    Args:
        upsert: Replace the row of the same record id instead of appending one.
        writer: Process name that is written into each row.
    """

    def __init__(self, dsn: str, table: str, *, upsert: bool, writer: str) -> None:
        self._dsn = dsn
        self._statement = write_row_sql(table, upsert=upsert)
        self._writer = writer
        self._connection: psycopg.Connection | None = None

    def write(self, records: Sequence[Incoming]) -> list[int]:
        """Writes one row a record and commits; the rows' `n`, in order.

        Raises:
            StoreFailedError: Not confirmed. When the answer to COMMIT was lost, the rows may be there.
            ConfigRefusedError: The table is not there, or does not fit.
        """
        try:
            connection = self._connected()
            with connection.cursor() as cursor:
                cursor.executemany(self._statement, [self._row(record) for record in records], returning=True)
                rows = [_only(result) for result in cursor.results()]
            connection.commit()
        except psycopg.ProgrammingError as error:
            raise ConfigRefusedError(f"the database refuses the table: {error}") from error
        except psycopg.Error as error:
            self.close()
            raise StoreFailedError(f"{type(error).__name__}: {str(error).strip()}") from error
        return rows

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._dsn, connect_timeout=_CONNECT_S)
        return self._connection

    def _row(self, record: Incoming) -> tuple[object, ...]:
        payload = None if record.value is None else record.value.decode(errors="replace")
        return (*identity(record), payload, record.topic, record.part, record.pos, self._writer)


def _only(result: psycopg.Cursor) -> int:
    row = result.fetchone()
    assert row is not None, "INSERT … RETURNING gives a row"
    return int(row[0])
