"""What an app uses to write down what it does, while it does it.

One file per incarnation. Every line goes to the kernel by itself, in one write(2) on a descriptor opened with
O_APPEND: a SIGKILL right after it loses nothing, and callbacks on other threads need no lock. Nothing is synced
to the disk, because the machine is not what is killed here.

::

    ledger = LedgerWriter(path, process="producer#1/1", app="producer", instance=1, incarnation=1, …)
    n = ledger.begin("batch", [{"send": "orders", "id": ["a"], "key": ["k"], "seq": [0]}])
    …                                                        # now send
    ledger.end(n, "ok", [{"ack": "orders", "id": ["a"], "part": [0], "pos": [17]}])
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from harness.ledger.format import LEDGER_SCHEMA, Outcome

Step = Mapping[str, Any]


class LedgerLostError(OSError):
    """A line could not be written: the disk is full, most of the time."""


class LedgerWriter:
    """Appends to one ledger file; safe to use from several threads and from signal handlers.

    Args:
        path: Must not exist yet: two incarnations in one file could not be told apart.
        process: `<app>#<instance>/<incarnation>`.
        client: Name and version of the Kafka client.
        isolation: What its consumer reads at; None without a consumer.
        config: The effective configuration, by part: {"producer": {…}, "consumer": {…}}.

    Raises:
        FileExistsError: There is such a file.
        OSError: The file cannot be made.
        LedgerLostError: From every method: the file cannot be written (no space, a short write). It is never
            swallowed: an app whose evidence is lost must stop, or what it does from here on would look like an anomaly.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        process: str,
        app: str,
        instance: int,
        incarnation: int,
        client: str | None = None,
        isolation: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self._path = Path(path)
        self._numbers = count(1)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        header = {
            "ledger": LEDGER_SCHEMA,
            "process": process,
            "app": app,
            "instance": instance,
            "incarnation": incarnation,
            "client": client,
            "isolation": isolation,
            "config": config or {},
            "at": time.monotonic_ns(),
            "wall": time.time_ns(),
        }
        self._write(header)

    def begin(self, kind: str, do: Sequence[Step], txn: str | None = None) -> int:
        """Announce an operation before it happens. Returns its number, for `end`."""
        number = next(self._numbers)
        self._write(self._begun(number, kind, do, txn))
        return number

    def end(self, number: int, outcome: Outcome, do: Sequence[Step] = (), error: str | None = None) -> None:
        """Tell how an announced operation ended; `failed` only when it certainly did not happen."""
        self._write(self._ended(number, outcome, do, error))

    def record(self, kind: str, do: Sequence[Step], outcome: Outcome = "ok") -> int:
        """Announce and end an operation in one write, for what returned already (a poll)."""
        number = next(self._numbers)
        self._write(self._begun(number, kind, do, None), self._ended(number, outcome, (), None))
        return number

    def note(self, kind: str, **facts: Any) -> None:
        """Something worth explaining with (`rebalance`, `fenced`, `error`, `exit`); never judged."""
        self._write({"note": kind, "at": time.monotonic_ns(), **facts})

    def close(self) -> None:
        """Close the file. A writer that was never closed loses nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def _begun(number: int, kind: str, do: Sequence[Step], txn: str | None) -> dict[str, Any]:
        line: dict[str, Any] = {"begin": number, "kind": kind, "at": time.monotonic_ns()}
        if txn is not None:
            line["txn"] = txn
        line["do"] = list(do)
        return line

    @staticmethod
    def _ended(number: int, outcome: Outcome, do: Sequence[Step], error: str | None) -> dict[str, Any]:
        line: dict[str, Any] = {"end": number, "outcome": outcome, "at": time.monotonic_ns()}
        if do:
            line["do"] = list(do)
        if error is not None:
            line["error"] = error
        return line

    def _write(self, *lines: Mapping[str, Any]) -> None:
        text = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        try:
            written = os.write(self._file, text)
        except OSError as error:
            raise LedgerLostError(
                error.errno, f"the ledger cannot be written: {error.strerror}", str(self._path)
            ) from error
        if written != len(text):
            # What was written of the line stays; a reader reports it. Going on would hide what is missing.
            reason = f"only {written} of {len(text)} bytes of a ledger line could be written"
            raise LedgerLostError(errno.ENOSPC, reason, str(self._path))
