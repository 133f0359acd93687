"""Kafka's property names and values: what an app's `producer:` and `consumer:`, and a topic's `config:`, may hold.

kafka-python is asked itself (its defaults, with dots for underscores). librdkafka's table ships as
`librdkafka.tsv`, since asking the library reports one mistake at a time, and the brokers' as `topic.tsv`.
Nothing is started.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

from harness.scenario.words import did_you_mean, join_hints, shown

Role: TypeAlias = Literal["producer", "consumer"]
Refusal: TypeAlias = tuple[str, str]
"""What is wrong, and what to do now."""

_PLAINTEXT = "the brokers' listeners are PLAINTEXT"
_LANE = "the harness connects every instance through a lane of its own"
OWNED: Mapping[str, str] = {
    "bootstrap.servers": _LANE,
    "metadata.broker.list": _LANE,
    "group.protocol": "the apps join their group by the classic protocol",
    "group.remote.assignor": "the apps join their group by the classic protocol",
    "group.id": "the group is named after the app, anew for each repeat",
    "transactional.id": "the harness names transactions; write commit: in_transaction",
    "enable.auto.commit": "the apps commit themselves; write commit: before_write or after_write",
    "auto.commit.interval.ms": "the apps commit themselves, once per batch",
    "enable.auto.offset.store": "the apps commit the offsets of a batch by number",
    "security.protocol": _PLAINTEXT,
}
"""Properties that the harness sets, and why nobody else may."""

APP_DEFAULTS: Mapping[str, int] = {
    "session.timeout.ms": 3_000,
    "heartbeat.interval.ms": 500,
    "transaction.timeout.ms": 10_000,
}
"""What the apps set themselves where a scenario does not, as far as it decides whether one makes sense.

A copy: apps and scenarios share no code. tests/unit/scenario keeps it equal to what the apps do.
"""

_SECRET = ("ssl.", "sasl.", "https.", "enable.ssl.", "enable.sasl.")

_KAFKA_PYTHON_CHOICES: Mapping[str, tuple[str, ...]] = {
    "acks": ("0", "1", "-1", "all"),
    "auto.offset.reset": ("earliest", "latest"),
    "compression.type": ("gzip", "snappy", "lz4", "zstd"),
    "isolation.level": ("read_uncommitted", "read_committed"),
}
_KAFKA_PYTHON_WITHOUT_DEFAULT: Mapping[str, PropertyType] = {
    "client.id": "string",
    "group.instance.id": "string",
    "receive.buffer.bytes": "integer",
    "send.buffer.bytes": "integer",
}


PropertyType: TypeAlias = Literal["integer", "float", "boolean", "string"]

_PYTHON_TYPES: Mapping[PropertyType, tuple[type, ...]] = {
    "integer": (int,),
    "float": (int, float),
    "boolean": (bool,),
    "string": (str,),
}
_TYPE_WORDS: Mapping[PropertyType, str] = {
    "integer": "a whole number",
    "float": "a number",
    "boolean": "true or false",
    "string": "text",
}


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a client or topic; `choices`, `low` and `high` only where it has them."""

    type: PropertyType
    default: str
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None


def properties_of(client: str, role: Role) -> Mapping[str, Property]:
    """Every property that can be said in a scenario, by Kafka's name."""
    return _librdkafka(role) if client == "confluent-kafka" else _kafka_python(role)


def check_property(client: str, role: Role, name: str, value: object) -> Refusal | None:
    """Why `name: value` cannot stand under an app's `producer` or `consumer`; None when it can."""
    if name in OWNED:
        return f"'{name}' is not yours to set", OWNED[name]
    if name.startswith(_SECRET):
        return f"'{name}' is not yours to set", _PLAINTEXT
    known = properties_of(client, role)
    if name not in known:
        other: Role = "consumer" if role == "producer" else "producer"
        if name in properties_of(client, other):
            return (
                f"'{name}' is a property of {client}'s {other}, not of its {role}",
                f"write it under '{other}'",
            )
        near = did_you_mean(name.replace("_", "."), [other for other in known if other not in OWNED])
        return f"{client}'s {role} has no property '{name}'", near
    return _check_value(name, known[name], value)


def check_topic_property(name: str, value: object) -> Refusal | None:
    """Why `name: value` cannot stand under a topic's `config`; None when it can."""
    known = _topic()
    if name not in known:
        return f"a topic has no property '{name}'", did_you_mean(name.replace("_", "."), known)
    return _check_value(name, known[name], value)


def _check_value(name: str, known: Property, value: object) -> Refusal | None:
    if known.choices:
        if str(value) in known.choices and isinstance(value, str) is not _is_numeric(str(value)):
            return None
        values = f"values: {', '.join(known.choices)}"
        return f"'{name}' cannot be {shown(value)}", join_hints(did_you_mean(str(value), known.choices), values)
    if type(value) not in _PYTHON_TYPES[known.type]:
        return f"'{name}' must be {_TYPE_WORDS[known.type]}, not {shown(value)}", ""
    return _check_range(name, known, value) if isinstance(value, int | float) else None


def _check_range(name: str, known: Property, value: float) -> Refusal | None:
    too_low = known.low is not None and value < known.low
    too_high = known.high is not None and value > known.high
    if not too_low and not too_high:
        return None
    range_ = f"it is at least {known.low}" if known.high is None else f"it goes from {known.low} to {known.high}"
    return f"'{name}' cannot be {value}", range_


def _is_numeric(text: str) -> bool:
    return text.lstrip("-").isdigit()


@cache
def _librdkafka(role: Role) -> Mapping[str, Property]:
    return {
        name: _tabled_property(name, type_, bounds, default)
        for name, client, type_, bounds, default in _table("librdkafka.tsv")
        if client in (role, "both")
    }


@cache
def _topic() -> Mapping[str, Property]:
    return {row[0]: _tabled_property(*row) for row in _table("topic.tsv")}


def _table(name: str) -> Iterator[list[str]]:
    text = files("harness.scenario").joinpath(name).read_text(encoding="utf-8")
    return csv.reader((line for line in text.splitlines() if not line.startswith("#")), delimiter="\t")


def _tabled_property(name: str, type_: str, bounds: str, default: str) -> Property:
    if name in ("acks", "request.required.acks"):
        return Property("string", "all", choices=("0", "1", "-1", "all"))
    if type_ == "enum":
        return Property("string", default, choices=tuple(bounds.split(", ")))
    if type_ in ("integer", "float"):
        low, _, high = bounds.partition(" ..")
        number: PropertyType = "float" if type_ == "float" else "integer"
        return Property(number, default, low=_bound(low), high=_bound(high))
    return Property("boolean" if type_ == "boolean" else "string", default)


def _bound(text: str) -> int | None:
    return int(text) if text.strip() else None


@cache
def _kafka_python(role: Role) -> Mapping[str, Property]:
    from kafka import (
        KafkaConsumer,
        KafkaProducer,
    )  # a third of a second, and only when an app sets properties

    config = (KafkaProducer if role == "producer" else KafkaConsumer).DEFAULT_CONFIG
    return dict(_plain_properties(config))


def _plain_properties(config: Mapping[str, object]) -> Iterator[tuple[str, Property]]:
    """Those that YAML can say: neither callbacks nor objects."""
    types: Mapping[type, PropertyType] = {bool: "boolean", int: "integer", float: "integer", str: "string"}
    for key, default in config.items():
        name = key.replace("_", ".")
        if name in _KAFKA_PYTHON_CHOICES:
            text = "all" if name == "acks" else str(default).lower()
            yield name, Property("string", text, choices=_KAFKA_PYTHON_CHOICES[name])
        elif default is None and name in _KAFKA_PYTHON_WITHOUT_DEFAULT:
            yield name, Property(_KAFKA_PYTHON_WITHOUT_DEFAULT[name], "none")
        elif type(default) in types:
            yield name, Property(types[type(default)], str(default).lower())
