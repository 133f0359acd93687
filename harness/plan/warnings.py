"""Health warnings: what makes a run prove less than its author may think. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model import Anomaly, Quantifier
from harness.plan.model import Cell
from harness.scenario.model import App, AppTarget, AtStep, Crash, Fault, Hold, Partition, Pause, Scenario, Stop
from harness.scenario.properties import APP_DEFAULTS
from harness.scenario.steps import kind_of_step
from harness.scenario.words import duration_text

_PRESENCE = (Quantifier.SOME, Quantifier.SOMETIMES)
_WEAK_ACKS = ("0", "1")
_ONE_RECORD_AT_LEAST = frozenset(
    {"COMMIT", "DATA", "EndTxn(commit)", "OffsetCommit", "POST", "Produce", "TxnOffsetCommit", "commit"}
)
"""Steps that an app takes once per record at most, its retries apart."""


def warnings_of(cells: Sequence[Cell]) -> Iterator[str]:
    """Each once, however many cells it concerns."""
    yield from dict.fromkeys(warning for cell in cells for warning in _of_cell(cell))
    yield from _nothing_would_be_seen(cells)


def _of_cell(cell: Cell) -> Iterator[str]:
    if not _asked(cell).intersection(_PRESENCE):  # where something must be shown, what weakens the app is the point
        for app in cell.scenario.apps.values():
            yield from _of_producer(app)
            yield from _of_reader(app, cell.scenario)
            yield from _of_caller(app, cell.scenario)
    for fault in cell.scenario.faults:
        yield from _of_end(fault, cell)
        yield from _of_length(fault, cell.scenario)
        yield from _of_step(fault, cell.scenario)


def _nothing_would_be_seen(cells: Sequence[Cell]) -> Iterator[str]:
    """`none` proves little where no cell must show something under the same faults."""
    by_faults: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        by_faults.setdefault(tuple(fault.label for fault in cell.scenario.faults), []).append(cell)
    for faults, group in by_faults.items():
        asked = {quantifier for cell in group for quantifier in _asked(cell)}
        if Quantifier.NONE in asked and not asked.intersection(_PRESENCE):
            under = f"under {' and '.join(faults)}" if faults else "without a fault"
            yield f"no cell must show anything {under}: nothing shows that this scenario could have seen it"


def _asked(cell: Cell) -> set[Quantifier]:
    """How often anything is asked for, anywhere."""
    return {quantifier for expectation in cell.expectations for quantifier in expectation.wanted.values()}


def _of_producer(app: App) -> Iterator[str]:
    acks = app.producer.get("acks", app.producer.get("request.required.acks"))
    if str(acks) in _WEAK_ACKS:
        yield f"{app.name} sends with acks={acks}: what it calls acknowledged may be lost with one broker"
    if not app.idempotent:
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


def _of_caller(app: App, scenario: Scenario) -> Iterator[str]:
    for name in app.writes:
        service = scenario.services.get(name)
        if service and app.idempotency_key and not service.idempotency:
            yield f"{app.name} sends an Idempotency-Key, and {name} has idempotency: false: it takes no notice of it"


def _of_end(fault: Fault, cell: Cell) -> Iterator[str]:
    """Who moves records and is not started again leaves some behind: the repeat proves nothing about losses."""
    if not isinstance(fault, Crash | Stop) or not isinstance(fault.target, AppTarget):
        return
    app = cell.scenario.apps[fault.target.app]
    gone = app.instances == 1 or fault.target.instance is None
    asked = {quantifier for e in cell.expectations if (quantifier := e.wanted.get(Anomaly.STALLED))}
    stays_away = fault.restart_after_s is None and not _supervised(app, fault)
    if stays_away and app.source is not None and gone and not asked - {Quantifier.NONE}:
        yield f"{fault.label}: without restart_after what {app.name} has not moved by then stalls"


def _supervised(app: App, fault: Crash | Stop) -> bool:
    """Whether its restart policy brings it back after such an end."""
    if app.restart is None or not app.restart.most:
        return False
    return app.restart.policy == "always" or (app.restart.policy == "on-failure" and isinstance(fault, Crash))


def _of_length(fault: Fault, scenario: Scenario) -> Iterator[str]:
    if not isinstance(fault, Hold | Partition | Pause):
        return
    for target in fault.apps:
        app = scenario.apps[target.app]
        name = "transaction.timeout.ms"
        timeout_ms = app.producer.get(name, APP_DEFAULTS[name])
        if app.commit == "in_transaction" and isinstance(timeout_ms, int) and fault.for_s * 1000 >= timeout_ms:
            lasts = duration_text(fault.for_s)
            yield (
                f"{fault.label}: it lasts {lasts}, and {app.name} has {name}={timeout_ms}: "
                "the brokers abort its transaction meanwhile"
            )


def _of_step(fault: Fault, scenario: Scenario) -> Iterator[str]:
    at = fault.at
    if not isinstance(at, AtStep) or not isinstance(at.actor, AppTarget):
        return
    app = scenario.apps[at.actor.app]
    records = app.records if app.source is None else _records_at(app.source, scenario)
    if at.n > records and kind_of_step(at.step) in _ONE_RECORD_AT_LEAST:
        yield f"{fault.label}: {app.name} handles {records} records, so only retries could get to number {at.n}"


def _records_at(place: str, scenario: Scenario) -> int:
    """How many records arrive at a place when nothing goes wrong: processors write one for one."""
    writers = [app for app in scenario.apps.values() if app.target == place]
    return sum(app.records if app.source is None else _records_at(app.source, scenario) for app in writers)
