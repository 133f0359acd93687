"""CONFIG.json of one app process; checked by hand, since a validation library would cost start-up time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

import orjson

from harness.apps.errors import ConfigRefusedError

Client = Literal["kafka-python", "confluent-kafka"]
Commit = Literal["before_write", "after_write", "in_transaction"]
Write = Literal["insert", "upsert"]

_COMMITS: tuple[Commit, ...] = get_args(Commit)
_WRITES: tuple[Write, ...] = get_args(Write)

T = TypeVar("T")
W = TypeVar("W", bound=str)

_KEYS = frozenset(
    {
        *("app", "instance", "incarnation", "process", "client", "bootstrap", "ledger", "state"),
        *("to", "from", "group", "transactional_id", "batch", "batch_wait_s", "commit"),
        *("records", "keys", "seed", "instances", "write", "dsn", "table", "producer", "consumer"),
    }
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic by both names: `place` as in the scenario and the ledger, `topic` as the broker knows it."""

    place: str
    topic: str


@dataclass(frozen=True, slots=True)
class Table:
    place: str
    name: str


class Fields:
    """Typed access to the fields of one config file.

    Raises:
        ConfigRefusedError: From every accessor, naming file, field and what was expected.
    """

    def __init__(self, source: str, raw: Mapping[str, Any]) -> None:
        self._source = source
        self._raw = raw
        unknown = sorted(set(raw) - _KEYS)
        if unknown:
            raise ConfigRefusedError(f"{source}: unknown field '{unknown[0]}'")

    def need(self, name: str, kind: type[T]) -> T:
        value = self._raw.get(name)
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ConfigRefusedError(
                f"{self._source}: '{name}' must be {_NAMES.get(kind, kind.__name__)}, not {value!r}"
            )
        return value

    def at_least(self, name: str, least: int) -> int:
        value = self.need(name, int)
        if value < least:
            raise ConfigRefusedError(f"{self._source}: '{name}' must be at least {least}, not {value}")
        return value

    def one_of(self, name: str, allowed: tuple[W, ...]) -> W:
        value = self._raw.get(name)
        for word in allowed:
            if value == word:
                return word
        raise ConfigRefusedError(f"{self._source}: '{name}' must be {' or '.join(allowed)}, not {value!r}")

    def pair(self, name: str, first: str, second: str) -> tuple[str, str]:
        value = self.need(name, dict)
        if not (isinstance(value.get(first), str) and isinstance(value.get(second), str)):
            raise ConfigRefusedError(f"{self._source}: '{name}' must name '{first}' and '{second}'")
        return value[first], value[second]

    def optional(self, name: str, kind: type[T]) -> T | None:
        return None if self._raw.get(name) is None else self.need(name, kind)


_NAMES: Mapping[type, str] = {int: "a whole number", float: "a number", str: "text", dict: "a mapping"}


def read_fields(path: Path) -> Fields:
    """The fields of a config file.

    Raises:
        ConfigRefusedError: No such file, or not a JSON object.
    """
    try:
        raw = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigRefusedError(f"{path}: cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ConfigRefusedError(f"{path}: is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigRefusedError(f"{path}: must hold one JSON object")
    return Fields(str(path), raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConfig:
    """What every app needs.

    Args:
        app: Its name in the scenario.
        instance: From 1.
        incarnation: From 1; one more at every restart of the instance.
        process: `processor#1/2` = instance 1, incarnation 2.
        bootstrap: `host:port,…` of the lane of this instance.
        ledger: The file of this incarnation.
        state: A folder that outlives crashes.
        batch: Records per batch.
        producer: Kafka's own property names → values; may be empty. Likewise `consumer`.
    """

    app: str
    instance: int
    incarnation: int
    process: str
    client: Client
    bootstrap: str
    ledger: Path
    state: Path
    batch: int
    producer: Mapping[str, Any]
    consumer: Mapping[str, Any]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(**_common(fields))


def _common(fields: Fields) -> dict[str, Any]:
    return {
        "app": fields.need("app", str),
        "instance": fields.at_least("instance", 1),
        "incarnation": fields.at_least("incarnation", 1),
        "process": fields.need("process", str),
        "client": fields.one_of("client", ("kafka-python", "confluent-kafka")),
        "bootstrap": fields.need("bootstrap", str),
        "ledger": Path(fields.need("ledger", str)),
        "state": Path(fields.need("state", str)),
        "batch": fields.at_least("batch", 1),
        "producer": fields.optional("producer", dict) or {},
        "consumer": fields.optional("consumer", dict) or {},
    }


def _transactional_id(fields: Fields, commit: str | None) -> str | None:
    return fields.need("transactional_id", str) if commit == "in_transaction" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerConfig(AppConfig):
    """Args:
    records: Of all instances together; this one sends those whose index modulo `instances` is `instance` - 1.
    keys: How many different keys, of all instances together.
    transactional_id: Set when each batch is a transaction.
    """

    target: Topic
    records: int
    keys: int
    seed: int
    instances: int
    transactional_id: str | None

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        commit = fields.optional("commit", str) and fields.one_of("commit", ("in_transaction",))
        return cls(
            **_common(fields),
            target=Topic(*fields.pair("to", "place", "topic")),
            records=fields.at_least("records", 0),
            keys=fields.at_least("keys", 1),
            seed=fields.need("seed", int),
            instances=fields.at_least("instances", 1),
            transactional_id=_transactional_id(fields, commit),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorConfig(AppConfig):
    """Args:
    batch_wait_s: How long a begun batch waits for more records.
    commit: When the input's offsets are committed: before or after the outputs, or together with them.
    """

    source: Topic
    target: Topic
    group: str
    batch_wait_s: float
    commit: Commit
    transactional_id: str | None

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        commit = fields.one_of("commit", _COMMITS)
        return cls(
            **_common(fields),
            source=Topic(*fields.pair("from", "place", "topic")),
            target=Topic(*fields.pair("to", "place", "topic")),
            group=fields.need("group", str),
            batch_wait_s=_batch_wait(fields),
            commit=commit,
            transactional_id=_transactional_id(fields, commit),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkConfig(AppConfig):
    """Args:
    dsn: Of PostgreSQL; its search_path leads to the table.
    write: `insert` appends a row, `upsert` replaces the row of the same record id.
    """

    source: Topic
    group: str
    batch_wait_s: float
    table: Table
    dsn: str
    write: Write

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(
            **_common(fields),
            source=Topic(*fields.pair("from", "place", "topic")),
            group=fields.need("group", str),
            batch_wait_s=_batch_wait(fields),
            table=Table(*fields.pair("table", "place", "name")),
            dsn=fields.need("dsn", str),
            write=fields.one_of("write", _WRITES),
        )


def _batch_wait(fields: Fields) -> float:
    value = fields.optional("batch_wait_s", float)
    return 1.0 if value is None else value
