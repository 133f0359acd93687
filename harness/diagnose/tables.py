"""The rows of a query → sightings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from harness.collect.collecting import SIGHTINGS
from harness.collect.files import sightings
from harness.diagnose.identity import texts
from harness.diagnose.progress import TableProgress
from harness.errors import EnvironmentFailedError, UsageError

_CONNECT_S = 10
_ROWS = 10_000


def read_table(query: str, dsn: str, place: str, folder: Path, tell: Callable[[str], None]) -> TableProgress:
    """Runs a query in a transaction that cannot write, and writes its rows down in their order.

    Args:
        query: Its first column is the identity of each row.

    Raises:
        UsageError: The database does not accept the query.
        EnvironmentFailedError: It does not answer.
    """
    found = TableProgress()
    header = {"place": place, "kind": "table"}
    try:
        with (
            sightings(folder / SIGHTINGS / f"{place}.jsonl", header) as out,
            psycopg.connect(dsn, connect_timeout=_CONNECT_S) as connection,
        ):
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.cursor("rows") as cursor:  # named: the rows stay at the server until they are fetched
                cursor.execute(query.strip().rstrip(";").encode())
                while rows := cursor.fetchmany(_ROWS):
                    ids = [_text(row[0]) for row in rows]
                    out.write({"row": list(range(found.rows + 1, found.rows + len(rows) + 1)), "id": ids})
                    found.rows += len(rows)
                    found.unnamed += ids.count(None)
                    tell(f"{place}: {found.rows} rows")
    except psycopg.OperationalError as error:
        if error.sqlstate is None or error.sqlstate[:2] in ("08", "28", "3D", "57"):
            raise EnvironmentFailedError(
                f"the database does not answer: {_line(error)}; is --dsn right, and may its user connect?"
            ) from error
        raise UsageError(_refusal(query, error)) from error
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None:
            raise UsageError(f"--dsn: {_line(error)}") from error
        raise UsageError(_refusal(query, error)) from error
    except psycopg.Error as error:
        raise UsageError(_refusal(query, error)) from error
    return found


def _text(value: Any) -> str | None:
    """As the identity of a record is told: text as it is, numbers in decimal."""
    if value is None:
        return None
    return texts([bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()])[0]


def _refusal(query: str, error: psycopg.Error) -> str:
    hint = error.diag.message_hint
    hint = f" ({hint})" if hint else ""
    return f"--table {query!r}: the database refuses it: {_line(error)}{hint}; it must be one SELECT, id column first"


def _line(error: psycopg.Error) -> str:
    return error.diag.message_primary or " ".join(str(error).split())
