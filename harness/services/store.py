"""What a service accepted, kept in SQLite: written and synced before the service answers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TypeVar

R = TypeVar("R")

_BUSY_S = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (name TEXT PRIMARY KEY, idempotency INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    resource TEXT NOT NULL REFERENCES resources ON DELETE CASCADE, row INTEGER NOT NULL,
    id TEXT, key TEXT, seq INTEGER, src TEXT, writer TEXT, txn TEXT, idempotency_key TEXT, accepted INTEGER NOT NULL,
    PRIMARY KEY (resource, row));
CREATE TABLE IF NOT EXISTS replies (
    resource TEXT NOT NULL REFERENCES resources ON DELETE CASCADE, idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL, row INTEGER NOT NULL,
    PRIMARY KEY (resource, idempotency_key));
"""


class ResourceGoneError(Exception):
    """There is no such resource (any more)."""


class OtherCallError(Exception):
    """This idempotency key came with another body before."""


class ExistsOtherwiseError(Exception):
    """There is such a resource, made with other settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call or a message.

    Args:
        seq: Per-key sequence.
        src: `orders/0/17`: the record that it is made for.
        writer: The process that makes it.
        txn: The Kafka transaction in which it is made.
    """

    id: str | None = None
    key: str | None = None
    seq: int | None = None
    src: str | None = None
    writer: str | None = None
    txn: str | None = None
    idempotency_key: str | None = None


COLUMNS = ("row", *(each.name for each in fields(Call)), "accepted")


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    Args:
        row: Number of the call that had the effect, from 1 within its resource.
        new: False when the effect was an earlier call's, and its reply is given again.
    """

    row: int
    new: bool


class Store:
    """For one event loop; one thread behind it writes, in the order of the calls.

    Args:
        path: Of the database, made if it is missing.

    Raises:
        sqlite3.Error: From every method: it cannot be read or written (the disk is full …).
    """

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, "store")
        self._connection = self._thread.submit(_open, path).result()
        # Known without the thread: who asks need not wait for what is being written.
        self._resources = self._thread.submit(_resources, self._connection).result()

    async def close(self) -> None:
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def create(self, name: str, *, idempotency: bool) -> None:
        """Make a resource; one that is there already, made alike, is fine.

        Raises:
            ExistsOtherwiseError: It is there, made with another `idempotency`.
        """

        def create() -> None:
            with self._transaction() as database:
                database.execute("INSERT OR IGNORE INTO resources VALUES (?, ?)", (name, idempotency))

        await self._run(create)
        if self._resources.setdefault(name, idempotency) != idempotency:
            raise ExistsOtherwiseError(name)

    async def delete(self, name: str) -> None:
        def delete() -> None:
            with self._transaction() as database:
                database.execute("DELETE FROM resources WHERE name = ?", (name,))

        self._resources.pop(name, None)
        await self._run(delete)

    def idempotency(self, name: str) -> bool:
        """Whether a resource was made with idempotency keys.

        Raises:
            ResourceGoneError: There is none of this name.
        """
        try:
            return self._resources[name]
        except KeyError:
            raise ResourceGoneError(name) from None

    async def accept(self, name: str, call: Call, fingerprint: str | None = None) -> Accepted:
        """Write a call down; when this returns, it is on the disk.

        Args:
            fingerprint: Of its body, when its idempotency key is to be heeded: a second call with the same key has
                no effect of its own, and is written down as such.

        Raises:
            ResourceGoneError: There is no such resource.
            OtherCallError: The key came with another fingerprint before.
        """

        def accept() -> Accepted:
            with self._transaction() as database:
                self.idempotency(name)
                first = None if fingerprint is None else self._first(name, call.idempotency_key, fingerprint)
                (last,) = database.execute("SELECT max(row) FROM calls WHERE resource = ?", (name,)).fetchone()
                row = (last or 0) + 1
                values = (name, row, *astuple(call), first is None)
                database.execute(f"INSERT INTO calls VALUES ({', '.join('?' * len(values))})", values)
                if fingerprint is not None and first is None:
                    reply = (name, call.idempotency_key, fingerprint, row)
                    database.execute("INSERT INTO replies VALUES (?, ?, ?, ?)", reply)
                return Accepted(first or row, first is None)

        return await self._run(accept)

    async def read(self, name: str, after: int, limit: int) -> list[tuple[object, ...]]:
        """Calls in their order, as `COLUMNS`, from the one after row `after` on.

        Raises:
            ResourceGoneError: There is no such resource.
        """

        def read() -> list[tuple[object, ...]]:
            self.idempotency(name)
            query = f"SELECT {', '.join(COLUMNS)} FROM calls WHERE resource = ? AND row > ? ORDER BY row LIMIT ?"
            return self._connection.execute(query, (name, after, limit)).fetchall()

        return await self._run(read)

    def _first(self, name: str, key: str | None, fingerprint: str) -> int | None:
        """Row of the first call with this key; None when this is the first."""
        query = "SELECT row, fingerprint FROM replies WHERE resource = ? AND idempotency_key = ?"
        found = self._connection.execute(query, (name, key)).fetchone()
        if found is None:
            return None
        if found[1] != fingerprint:
            raise OtherCallError(key)
        return int(found[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # some errors have ended it already
                self._connection.execute("ROLLBACK")
            raise

    async def _run(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(_SCHEMA)
    return connection


def _resources(connection: sqlite3.Connection) -> dict[str, bool]:
    return {name: bool(idempotency) for name, idempotency in connection.execute("SELECT * FROM resources")}
