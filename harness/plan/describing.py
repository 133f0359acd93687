"""A plan as people read it: what `eos-chaos check` prints. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.plan.model import Cell, Plan
from harness.scenario.model import App, AppTarget, AtStep, Fault


def describe(plan: Plan) -> str:
    """The whole plan, several lines without a newline at the end."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    scenario = plan.scenario
    yield f"{scenario.name} ({scenario.file})"
    if scenario.question:
        yield f"  {scenario.question}"
    repeats = f"{plan.repeat} repeat{'s' if plan.repeat > 1 else ''} each"
    cells = f"{len(plan.cells)} cell{'s' if len(plan.cells) > 1 else ''}"
    yield f"  {cells}, {repeats}, seed {plan.seed}"
    for cell in plan.cells:
        yield ""
        yield f"  {cell.label}"
        yield from (f"    {line}" for line in _cell(cell))
    if plan.warnings:
        yield ""
    yield from (f"  warning: {warning}" for warning in plan.warnings)


def _cell(cell: Cell) -> Iterator[str]:
    for app in cell.scenario.apps.values():
        yield _app(app)
    for fault in cell.scenario.faults:
        yield f"fault   {fault.label}{_meaning(fault, cell)}"
    for expectation in cell.expectations:
        yield f"expect  {expectation.text}"
    if uncovered := _uncovered(cell):
        yield f"not judged: {', '.join(uncovered)}"


def _meaning(fault: Fault, cell: Cell) -> str:
    """What the neutral step `commit` is in this cell; SQL's COMMIT is another one."""
    at = fault.at
    if not isinstance(at, AtStep) or at.step != "commit" or not isinstance(at.actor, AppTarget):
        return ""
    transactional = cell.scenario.apps[at.actor.app].commit == "in_transaction"
    return f"  (commit is {'EndTxn(commit)' if transactional else 'OffsetCommit'} here)"


def _app(app: App) -> str:
    way = f"{app.source} → {app.target}" if app.source else f"→ {app.target}"
    facts: dict[str, object] = {"commit": app.commit, "write": app.write, "batch": app.batch, "calls": app.calls}
    if app.kind == "producer":
        facts = {"records": app.records, "keys": app.keys, "commit": app.commit}
    facts |= _unusual(app)
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    instances = f" ×{app.instances}" if app.instances > 1 else ""
    properties = {**_named("producer", app.producer), **_named("consumer", app.consumer)}
    settings = "".join(f", {name}={value}" for name, value in properties.items())
    return f"{app.kind:<9} {app.name}{instances} ({app.client}): {way}, {told}{settings}"


def _unusual(app: App) -> dict[str, object]:
    """What is told only where it is not as usual."""
    told: dict[str, object] = {}
    if app.idempotency_key:
        told["idempotency_key"] = "true"
    if app.group_metadata == "at_commit":
        told["group_metadata"] = app.group_metadata
    if app.resume == "transaction":
        told["resume"] = app.resume
    if app.restart is not None:
        told["restart"] = app.restart.policy
    return told


def _named(role: str, properties: Mapping[str, object]) -> dict[str, object]:
    return {f"{role}.{name}": value for name, value in properties.items()}


def _uncovered(cell: Cell) -> list[str]:
    """Places that no expectation of the cell covers; the read_uncommitted views must be asked for."""
    committed = [place.name for place in cell.places if place.isolation != "read_uncommitted"]
    covered: set[str] = set()
    for expectation in cell.expectations:
        covered |= set(expectation.places or committed)
    return [name for name in committed if name not in covered]
