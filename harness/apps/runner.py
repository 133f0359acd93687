"""The life of one app process: configuration, ledger, signals, watchdog, exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from harness.apps.config import AppConfig, Fields, read_fields
from harness.apps.errors import ConfigRefusedError, RestartNeededError
from harness.apps.watchdog import Watchdog
from harness.ledger.writer import LedgerLostError, LedgerWriter

FINISHED, REFUSED, BUG, LEDGER_LOST, RESTART = 0, 64, 70, 74, 75

CALL_LIMIT_S = 45.0  # above every timeout that a client has for itself
_MARGIN_S = 2.0

C = TypeVar("C", bound=AppConfig)


class Runtime:
    """What the body of an app gets: its ledger, whether it shall stop, a bound for calls that may hang."""

    def __init__(self, ledger: LedgerWriter) -> None:
        self.ledger = ledger
        self._stopping = False
        self._watchdog = Watchdog(self._hung)
        signal.signal(signal.SIGTERM, self._stop)

    def stopping(self) -> bool:
        return self._stopping

    @contextmanager
    def bounded(self, what: str, seconds: float = CALL_LIMIT_S) -> Iterator[None]:
        """Ends the process for a successor when the calls in the block take longer.

        The announced operation keeps no end, which the ledger reads as unknown: nobody knows what became of
        it.
        """
        with self._watchdog.bound(what, seconds + _MARGIN_S):
            yield

    def note_retry(self, reason: str) -> None:
        self.ledger.note("retry", reason=reason)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _hung(self, what: str) -> NoReturn:
        leave(self.ledger, RESTART, f"{what} does not return")


def run(arguments: list[str], read: Callable[[Fields], C], body: Callable[[C, Runner], int]) -> NoReturn:
    """Runs one app and ends the process with its exit code; never returns.

    Args:
        arguments: The command line without the program: the path of CONFIG.json.
        read: Makes the app's configuration.
        body: The app. It calls `Runner.open` once its clients' settings are known, and returns an exit code.
    """
    runner = Runner()
    try:
        if len(arguments) != 1:
            raise ConfigRefusedError("expected one argument: the path of CONFIG.json")
        code, reason = body(read(read_fields(Path(arguments[0]))), runner), ""
    except ConfigRefusedError as error:
        code, reason = REFUSED, str(error)
    except RestartNeededError as error:
        code, reason = RESTART, str(error)
    except LedgerLostError as error:
        code, reason = LEDGER_LOST, str(error)
    except Exception as error:
        traceback.print_exc()
        code, reason = BUG, f"{type(error).__name__}: {error}"
    leave(runner.ledger, code, reason)


class Runner:
    """Opens the ledger; holds it so that the process's last note can be written."""

    def __init__(self) -> None:
        self.ledger: LedgerWriter | None = None

    def open(
        self, config: AppConfig, client: str, isolation: str | None, settings: Mapping[str, Mapping[str, Any]]
    ) -> Runtime:
        """Args:
        client: Name and version.
        isolation: Of the consumer; None for an app that only produces.
        settings: `producer` and `consumer` → Kafka's property names → values in effect.
        """
        try:
            self.ledger = LedgerWriter(
                config.ledger,
                process=config.process,
                app=config.app,
                instance=config.instance,
                incarnation=config.incarnation,
                client=client,
                isolation=isolation,
                config=settings,
            )
        except OSError as error:
            raise ConfigRefusedError(f"{config.ledger}: the ledger cannot be begun: {error.strerror}") from error
        return Runtime(self.ledger)


def leave(ledger: LedgerWriter | None, code: int, reason: str) -> NoReturn:
    """Ends the process at once.

    Not by sys.exit(): the clients' exit handlers would flush, that is, go on sending in a process that is
    given up.
    """
    if reason:
        print(f"exit {code}: {reason}", file=sys.stderr)
    try:
        if ledger is not None:
            ledger.note("exit", code=code, reason=reason)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
