"""Rows in PostgreSQL: one database transaction a batch."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from harness.apps.clients.base import Delivery
from harness.apps.config import Table
from harness.apps.effects import Effect
from harness.apps.errors import ConfigRefusedError, EffectFailedError
from harness.apps.tables import write_row_sql

_CONNECT_S = 5
_ANSWER_S = 10.0
"""libpq waits for ever for an answer that was lost on a connection that is left open."""


class Store:
    """Connects when it first writes, and again after an error.

    An error tells nothing of what became of the transaction: when the answer to COMMIT was lost, the rows are there.
    Who writes them again gets them twice, unless the statement is an upsert.
    """

    def __init__(self, table: Table, writer: str) -> None:
        self._dsn = table.dsn
        self._statement = write_row_sql(table.name, table.write)
        self._writer = writer
        self._connection: psycopg.Connection | None = None

    def write(self, effects: Sequence[Effect], txn: str | None = None) -> list[Delivery]:
        """One row an effect, all of them in one transaction."""
        del txn  # a row says nothing of Kafka's transactions: a sink has none
        try:
            connection = self._connected()
            with connection.cursor() as cursor:
                cursor.executemany(self._statement, [self._row(effect) for effect in effects], returning=True)
                rows = [_only(result) for result in cursor.results()]
            connection.commit()
        except psycopg.ProgrammingError as error:
            raise ConfigRefusedError(f"the database refuses the table: {error}") from error
        except psycopg.Error as error:
            self.close()
            raise EffectFailedError(f"{type(error).__name__}: {str(error).strip()}") from error
        return [Delivery(0, row) for row in rows]

    def limit_s(self, effects: int) -> float:
        del effects  # one transaction, one answer to wait for
        return _ANSWER_S

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._dsn, connect_timeout=_CONNECT_S)
        return self._connection

    def _row(self, effect: Effect) -> tuple[object, ...]:
        record = effect.record
        payload = None if record.value is None else record.value.decode(errors="replace")
        identity = (effect.id, effect.key, effect.seq)
        return (*identity, payload, record.topic, record.part, record.pos, self._writer)


def _only(result: psycopg.Cursor) -> int:
    row = result.fetchone()
    assert row is not None, "INSERT … RETURNING gives a row"
    return int(row[0])
