"""Health warnings: what makes a run prove less than its author may think. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model import Quantifier
from harness.plan.model import Cell
from harness.scenario.model import App, Scenario

_PRESENCE = (Quantifier.SOME, Quantifier.SOMETIMES)
_OFF = (False, "false")
_WEAK_ACKS = ("0", "1")


def warnings_of(cells: Sequence[Cell]) -> Iterator[str]:
    """Each once, however many cells it concerns."""
    yield from dict.fromkeys(warning for cell in cells for warning in _of_settings(cell.scenario))
    yield from _nothing_would_be_seen(cells)


def _nothing_would_be_seen(cells: Sequence[Cell]) -> Iterator[str]:
    """`none` proves little where no cell must show something under the same faults."""
    by_faults: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        by_faults.setdefault(tuple(fault.label for fault in cell.scenario.faults), []).append(cell)
    for faults, group in by_faults.items():
        asked = {quantifier for cell in group for e in cell.expectations for quantifier in e.wanted.values()}
        if Quantifier.NONE in asked and not asked.intersection(_PRESENCE):
            under = f"under {' and '.join(faults)}" if faults else "without a fault"
            yield f"no cell must show anything {under}: nothing shows that this scenario could have seen it"


def _of_settings(scenario: Scenario) -> Iterator[str]:
    for app in scenario.apps.values():
        yield from _of_producer(app)
        yield from _of_reader(app, scenario)


def _of_producer(app: App) -> Iterator[str]:
    acks = app.producer.get("acks", app.producer.get("request.required.acks"))
    if str(acks) in _WEAK_ACKS:
        yield f"{app.name} sends with acks={acks}: what it calls acknowledged may be lost with one broker"
    if app.producer.get("enable.idempotence") in _OFF:
        yield f"{app.name} sends with enable.idempotence=false: its own retries may duplicate"


def _of_reader(app: App, scenario: Scenario) -> Iterator[str]:
    transactional = [
        writer.name
        for writer in scenario.apps.values()
        if writer.target == app.source and writer.commit == "in_transaction"
    ]
    if transactional and app.consumer.get("isolation.level") == "read_uncommitted":
        writers = " and ".join(transactional)
        yield f"{app.name} reads {app.source} at read_uncommitted: it sees what {writers} aborts"
