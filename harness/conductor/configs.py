"""What an app is told: its configuration, as docs in `harness/apps/config.py` describe it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.conductor.names import Names
from harness.environment import Lane
from harness.scenario.model import App, Scenario
from harness.services import address


def app_config(
    app: App, number: int, lane: Lane, names: Names, scenario: Scenario, *, seed: int, dsn: Callable[[str], str]
) -> dict[str, Any]:
    """The configuration of one instance, without what changes from one incarnation to the next.

    Args:
        number: Of the instance, from 1.
        dsn: The database's connection string → the same for this repeat's tables.
    """

    def topic(name: str | None) -> dict[str, str] | None:
        return {"place": name, "topic": names.topic(name)} if name else None

    transactional = app.commit == "in_transaction"
    return {
        "app": app.name,
        "instance": number,
        "instances": app.instances,
        "client": app.client,
        "bootstrap": lane.bootstrap,
        "from": topic(app.source),
        "to": None if app.kind == "sink" else topic(app.target),
        "group": names.group(app.name) if app.source else None,
        "transactional_id": names.transactional_id(f"{app.name}-{number}") if transactional else None,
        "batch": app.batch,
        "batch_wait_s": app.batch_wait_s,
        "records": app.records,
        "keys": app.keys,
        "seed": seed,
        "commit": app.commit,
        "resume": app.resume,
        "group_metadata": app.group_metadata,
        "idempotency_key": app.idempotency_key,
        "producer": dict(app.producer),
        "consumer": dict(app.consumer),
        **_outside_kafka(app, lane, names, scenario, dsn),
    }


def _outside_kafka(app: App, lane: Lane, names: Names, scenario: Scenario, dsn: Callable[[str], str]) -> dict[str, Any]:
    def service(name: str) -> dict[str, str]:
        return {"place": name, "url": f"{lane.rest_url}/{names.resource(name)}"}

    if app.calls is not None:
        return {"calls": service(app.calls)}
    if app.target in scenario.services:
        return {"service": service(app.target)}
    if app.target in scenario.mailboxes:
        to = address(names.resource(app.target))
        return {"mailbox": {"place": app.target, "smtp": lane.smtp, "to": to}}
    if app.target in scenario.tables:
        table = {"place": app.target, "name": app.target}
        return {"table": table, "dsn": dsn(lane.postgres_dsn), "write": app.write}
    return {}
