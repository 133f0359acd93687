"""What keeps an app alive, and what ends it: position, patience, watchdog, operations."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from harness.apps import patience
from harness.apps.errors import AbortNeededError, RestartNeededError
from harness.apps.operations import batch_operation
from harness.apps.patience import Patience
from harness.apps.position import PositionFile
from harness.apps.watchdog import Watchdog
from harness.ledger.writer import LedgerWriter


def test_a_position_outlives_its_process(tmp_path: Path) -> None:
    first, other = PositionFile(tmp_path / "state", "producer", 1), PositionFile(tmp_path / "state", "producer", 2)
    assert first.read() == 0
    first.save(17)
    first.save(20)
    assert (PositionFile(tmp_path / "state", "producer", 1).read(), other.read()) == (20, 0)


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    error = AbortNeededError("too large")
    patient = Patience("a batch")
    for _ in range(patience.TRIES - 1):
        patient.failed(error)
    patient.succeeded()
    for _ in range(patience.TRIES - 1):
        patient.failed(error)
    with pytest.raises(RestartNeededError, match="a batch failed 10 times in a row: too large"):
        patient.failed(error)


def test_a_call_that_hangs_is_noticed() -> None:
    expired: list[str] = []
    noticed = threading.Event()

    def on_expiry(what: str) -> None:
        expired.append(what)
        noticed.set()

    watchdog = Watchdog(on_expiry)
    with watchdog.bound("quick", 0.25):
        pass
    with watchdog.bound("commit", 0.25):
        assert noticed.wait(5)
    assert expired == ["commit"]


def operations(path: Path) -> list[tuple[str, str | None]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["outcome"], line.get("error")) for line in lines if "end" in line]


def test_how_a_batch_ends(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = LedgerWriter(path, process="p#1/1", app="p", instance=1, incarnation=1)
    with batch_operation(ledger, [], "t/1"):
        pass
    with pytest.raises(RestartNeededError), batch_operation(ledger, []):
        raise RestartNeededError("fenced")
    with pytest.raises(AbortNeededError), batch_operation(ledger, []) as ending:
        ending.outcome = "failed"
        raise AbortNeededError("aborted")
    with pytest.raises(ZeroDivisionError), batch_operation(ledger, []):
        raise ZeroDivisionError  # our own bug: nobody says what became of it
    assert operations(path) == [("ok", None), ("unknown", "fenced"), ("failed", "aborted")]
