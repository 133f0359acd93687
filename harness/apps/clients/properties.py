"""The properties that our apps set, by Kafka's own names, and how the scenario's override them.

Everything that decides a result is set explicitly, because the clients' defaults differ (confluent-kafka is
not idempotent, kafka-python reads uncommitted). What is set is recorded in the ledger's header.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from harness.apps.errors import ConfigRefusedError

OWNED = {
    "bootstrap.servers": "the environment",
    "group.id": "the conductor",
    "transactional.id": "the conductor ('commit: in_transaction' asks for one)",
}

TRANSACTION_TIMEOUT_MS = 10_000
REQUEST_TIMEOUT_MS = 5_000  # faults that swallow a reply last seconds, not the default half minute

_RECONNECT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 500, "retry.backoff.ms": 50}


def producer_defaults(transactional_id: str | None, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults of a producer; the timeouts follow a transaction timeout that the scenario sets."""
    defaults: dict[str, Any] = {
        "acks": "all",
        "enable.idempotence": True,
        # Long enough that the records of a batch share a request per partition, short beside everything else.
        "linger.ms": 5,
        "delivery.timeout.ms": 30_000,
        **_RECONNECT,
    }
    if transactional_id is None:
        return defaults
    timeout = milliseconds("transaction.timeout.ms", properties, TRANSACTION_TIMEOUT_MS)
    # A record that is still on its way when its transaction times out could only end up in the wrong one.
    defaults["delivery.timeout.ms"] = timeout * 8 // 10
    return {**defaults, "transactional.id": transactional_id, "transaction.timeout.ms": timeout}


def consumer_defaults() -> dict[str, Any]:
    return {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        # A crashed member must be replaced within seconds; with the default a repeat would wait 45 s for it.
        "session.timeout.ms": 3_000,
        "heartbeat.interval.ms": 500,
        **_RECONNECT,
    }


def request_timeout_ms(defaults: Mapping[str, Any], properties: Mapping[str, Any]) -> int:
    """At most half of the time a record or a transaction has: a swallowed reply can be asked for again."""
    limits = (
        milliseconds(name, {**defaults, **properties}, 0) for name in ("delivery.timeout.ms", "transaction.timeout.ms")
    )
    return min([REQUEST_TIMEOUT_MS, *(limit // 2 for limit in limits if limit)])


def milliseconds(name: str, properties: Mapping[str, Any], default: int) -> int:
    value = properties.get(name, default)
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise ConfigRefusedError(f"property '{name}' must be a number of milliseconds, not {value!r}") from error


def refuse_owned(properties: Mapping[str, Any]) -> None:
    for name in properties:
        if name in OWNED:
            raise ConfigRefusedError(f"property '{name}' is set by {OWNED[name]}: leave it out")


def unknown_property(client: str, kind: str, name: str, known: Iterable[str]) -> ConfigRefusedError:
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f": did you mean '{close[0]}'?" if close else ""
    return ConfigRefusedError(f"{client} has no {kind} property '{name}'{hint}")
