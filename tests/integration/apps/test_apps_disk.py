"""The disk under the ledger is full: an app whose evidence is lost stops, says so, and its repeat proves nothing."""

from __future__ import annotations

import resource
from pathlib import Path

from harness.environment import Environment
from harness.events import AppStarted, Event
from tests.integration.apps.bench import side_by_side, wait_until
from tests.runs import pipeline, play

LEDGER_BYTES = 6_000
"""The kernel's limit of a file's size, which a write meets as it meets a full disk: first a part, then nothing."""


def test_an_app_says_what_is_missing_and_stops(environment: Environment, tmp_path: Path) -> None:
    with side_by_side(environment, tmp_path, partitions=1) as benches:
        for client, bench in benches.items():
            process = bench.start("producer", client, records=2000, batch=1)
            wait_until(lambda bench=bench: not bench.ledger_path("producer").exists())
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LEDGER_BYTES, -1))
            bench.finish(process, 74)
            (line,) = [line for line in bench.log.read_text().splitlines() if line.startswith("exit 74: ")]
            assert "of a ledger line could be written" in line or "the ledger cannot be written" in line
            assert str(bench.ledger_path("producer")) in line
            assert "Traceback" not in bench.log.read_text()
            assert bench.ledger_path("producer").stat().st_size == LEDGER_BYTES
            assert bench.collect() == []
            audited = bench.audit()
            assert all(not finding.causes for finding in audited.findings if finding.type.value == "phantom")


def test_its_repeat_is_inconclusive(environment: Environment, tmp_path: Path) -> None:
    def fill(event: Event) -> None:
        if isinstance(event, AppStarted) and event.process == "processor#1/1":
            resource.prlimit(event.pid, resource.RLIMIT_FSIZE, (LEDGER_BYTES, -1))

    played = play(environment, tmp_path, pipeline("full-disk", records=400), fill)
    assert played.run.verdict.value == "inconclusive"
    assert played.only["reasons"][0].startswith("processor#1/1 ended unexpectedly with exit status 74")
    assert "ledger" in played.only["reasons"][0]
