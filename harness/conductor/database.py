"""The tables of one repeat: a schema of its own, so that a table keeps its own name in every repeat."""

from __future__ import annotations

import psycopg
from psycopg import sql

from harness.apps.tables import create_table_sql
from harness.errors import EnvironmentFailedError
from harness.scenario.model import Scenario

CONNECT_S = 5
LOCK_S = 10
_END_BACKENDS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"


class Database:
    """
    Args:
        dsn: libpq connection string of the environment's database.
        schema: Made by `create`, with everything in it gone after `drop`.
    """

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn = dsn
        self._schema = schema

    def within(self, dsn: str) -> str:
        """A connection string, whatever way it leads to the database, that finds this repeat's tables."""
        return psycopg.conninfo.make_conninfo(
            dsn, options=f"-csearch_path={self._schema}", application_name=self._schema
        )

    def create(self, scenario: Scenario) -> None:
        """The schema and its tables; a table has a unique column only where an app upserts into it."""
        writes = {app.target: app.write for app in scenario.apps.values() if app.write}
        with self._connection(self._dsn) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
        with self._connection(self.within(self._dsn)) as connection:
            for table in scenario.tables:
                connection.execute(create_table_sql(table, writes.get(table, "insert")))

    def drop(self) -> None:
        """Leaves no trace; a database that is gone has none.

        The backend of an app that was killed may still hold its locks: it is ended first, for it would block us.
        """
        try:
            with self._connection(self._dsn) as connection:
                connection.execute(_END_BACKENDS, (self._schema,))
                connection.execute(f"SET lock_timeout = '{LOCK_S}s'")
                connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(self._schema)))
        except EnvironmentFailedError:
            return
        except psycopg.Error as error:
            raise EnvironmentFailedError(f"the schema {self._schema} could not be dropped: {error}") from error

    def _connection(self, dsn: str) -> psycopg.Connection[tuple[object, ...]]:
        try:
            return psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_S)
        except psycopg.OperationalError as error:
            raise EnvironmentFailedError(f"PostgreSQL does not answer: {error}") from error
