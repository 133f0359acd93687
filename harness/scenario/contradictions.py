"""Kafka properties that are right one by one and cannot stand together: a client would refuse to start with them,
or never get anything done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.scenario.properties import APP_DEFAULTS

if TYPE_CHECKING:
    from harness.scenario.model import App, Topic

Contradiction: TypeAlias = tuple[tuple[str, str], str, str]
"""Section and property to blame, what is wrong, what to do now."""

IN_FLIGHT_MAX = 5
"""An idempotent producer keeps no more requests in flight on a connection."""

_ACKS = ("acks", "request.required.acks")
_RETRIES = ("retries", "message.send.max.retries")
_IN_FLIGHT = ("max.in.flight.requests.per.connection", "max.in.flight")
_DELIVERY = ("delivery.timeout.ms", "message.timeout.ms")
_WITHOUT_IDEMPOTENCE = "write enable.idempotence: false beside it"


def contradictions_of(app: App) -> Iterator[Contradiction]:
    """Every contradiction among what a scenario says about one app."""
    yield from _of_idempotence(app)
    yield from _of_timeouts(app)


def contradictions_of_topic(topic: Topic) -> Iterator[Contradiction]:
    """Likewise for a topic."""
    in_sync = topic.config.get("min.insync.replicas")
    if isinstance(in_sync, int) and in_sync > topic.replication:
        message = f"{in_sync} replicas in sync are never there: the topic has {topic.replication}"
        yield ("config", "min.insync.replicas"), message, "nothing could be written with acks=all"


def _of_idempotence(app: App) -> Iterator[Contradiction]:
    if not app.idempotent:
        if app.commit == "in_transaction":
            message = "'commit: in_transaction' needs an idempotent producer"
            yield ("producer", "enable.idempotence"), message, "leave it out"
        return
    for name, value in _said(app.producer, _ACKS):
        if str(value) in ("0", "1"):
            yield ("producer", name), f"an idempotent producer cannot send with {name}={value}", _WITHOUT_IDEMPOTENCE
    for name, value in _said(app.producer, _RETRIES):
        if value == 0:
            yield ("producer", name), "an idempotent producer must retry", _WITHOUT_IDEMPOTENCE
    for name, value in _said(app.producer, _IN_FLIGHT):
        if value > IN_FLIGHT_MAX:
            message = f"an idempotent producer has at most {IN_FLIGHT_MAX} requests in flight, not {value}"
            yield ("producer", name), message, _WITHOUT_IDEMPOTENCE


def _of_timeouts(app: App) -> Iterator[Contradiction]:
    session, heartbeat = (_setting(app.consumer, name) for name in ("session.timeout.ms", "heartbeat.interval.ms"))
    if heartbeat >= session:
        blamed = "heartbeat.interval.ms" if "heartbeat.interval.ms" in app.consumer else "session.timeout.ms"
        message = f"a heartbeat every {heartbeat} ms does not keep a session of {session} ms"
        yield ("consumer", blamed), message, "make heartbeat.interval.ms a third of session.timeout.ms"
    if app.commit != "in_transaction":
        return
    transaction = _setting(app.producer, "transaction.timeout.ms")
    for name, value in _said(app.producer, _DELIVERY):
        if value > transaction:
            message = f"with {name}={value} a record may outlive its transaction of {transaction} ms"
            yield ("producer", name), message, "make it shorter than transaction.timeout.ms"


def _setting(properties: Mapping[str, Any], name: str) -> Any:
    return properties.get(name, APP_DEFAULTS[name])


def _said(properties: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """One setting under each of the names that the clients have for it."""
    yield from ((name, properties[name]) for name in names if name in properties)
