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
Write = Literal["insert", "upsert", "upsert_by_key"]
Resume = Literal["state", "transaction"]
GroupMetadata = Literal["at_poll", "at_commit"]

_COMMITS: tuple[Commit, ...] = get_args(Commit)
_WRITES: tuple[Write, ...] = get_args(Write)
_RESUMES: tuple[Resume, ...] = get_args(Resume)
_GROUP_METADATA: tuple[GroupMetadata, ...] = get_args(GroupMetadata)

T = TypeVar("T")
W = TypeVar("W", bound=str)

_KEYS = frozenset(
    {
        *("app", "instance", "incarnation", "process", "client", "bootstrap", "ledger", "state"),
        *("to", "from", "group", "transactional_id", "batch", "batch_wait_s", "commit"),
        *("records", "keys", "seed", "instances", "write", "dsn", "table", "producer", "consumer"),
        *("calls", "service", "mailbox", "idempotency_key", "group_metadata", "resume"),
    }
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic by both names: `place` as in the scenario and the ledger, `topic` as the broker knows it."""

    place: str
    topic: str


@dataclass(frozen=True, slots=True)
class Table:
    """
    Args:
        dsn: Of PostgreSQL; its search_path leads to the table.
        write: `insert` appends a row, `upsert` replaces the row of the same record id, `upsert_by_key` that of the
            same record key.
    """

    place: str
    name: str
    dsn: str
    write: Write


@dataclass(frozen=True, slots=True)
class Service:
    """
    Args:
        url: Of the resource that is posted to.
        idempotency_key: Whether each call says which record it is made for, so that the service can know it again.
    """

    place: str
    url: str
    idempotency_key: bool


@dataclass(frozen=True, slots=True)
class Mailbox:
    """
    Args:
        smtp: `host:port` of the mail server.
        to: The address.
    """

    place: str
    smtp: str
    to: str


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

    def texts(self, name: str, *parts: str) -> list[str]:
        """The values of a mapping of texts, by the names of its parts."""
        value = self.need(name, dict)
        if not all(isinstance(value.get(part), str) for part in parts):
            named = ", ".join(f"'{part}'" for part in parts[:-1]) + f" and '{parts[-1]}'"
            raise ConfigRefusedError(f"{self._source}: '{name}' must name {named}")
        return [value[part] for part in parts]

    def optional(self, name: str, kind: type[T]) -> T | None:
        return None if self._raw.get(name) is None else self.need(name, kind)

    def given(self, *names: str) -> list[str]:
        """Those of the fields that have a value."""
        return [name for name in names if self._raw.get(name) is not None]

    def refused(self, reason: str) -> ConfigRefusedError:
        return ConfigRefusedError(f"{self._source}: {reason}")


_NAMES: Mapping[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a mapping",
    bool: "true or false",
}


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
    resume: Where a successor learns how far it came: from its state folder, or from Kafka, where the position is
        part of each transaction.
    """

    target: Topic
    records: int
    keys: int
    seed: int
    instances: int
    transactional_id: str | None
    resume: Resume

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        commit = fields.optional("commit", str) and fields.one_of("commit", ("in_transaction",))
        resume = fields.one_of("resume", _RESUMES) if fields.given("resume") else "state"
        if resume == "transaction" and commit is None:
            raise fields.refused("'resume' can be transaction only where 'commit' is in_transaction")
        return cls(
            **_common(fields),
            target=Topic(*fields.texts("to", "place", "topic")),
            records=fields.at_least("records", 0),
            keys=fields.at_least("keys", 1),
            seed=fields.need("seed", int),
            instances=fields.at_least("instances", 1),
            transactional_id=_transactional_id(fields, commit),
            resume=resume,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorConfig(AppConfig):
    """Args:
    batch_wait_s: How long a begun batch waits for more records.
    commit: When the input's offsets are committed: before or after the outputs, or together with them.
    calls: The service that is called for each record of a batch; None for none.
    group_metadata: When the metadata is asked for that fences a zombie: with the poll, or only when it is sent.
    """

    source: Topic
    target: Topic
    group: str
    batch_wait_s: float
    commit: Commit
    transactional_id: str | None
    calls: Service | None
    group_metadata: GroupMetadata

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        commit = fields.one_of("commit", _COMMITS)
        return cls(
            **_common(fields),
            source=Topic(*fields.texts("from", "place", "topic")),
            target=Topic(*fields.texts("to", "place", "topic")),
            group=fields.need("group", str),
            batch_wait_s=_batch_wait(fields),
            commit=commit,
            transactional_id=_transactional_id(fields, commit),
            calls=_service(fields, "calls") if fields.given("calls") else None,
            group_metadata=fields.one_of("group_metadata", _GROUP_METADATA)
            if fields.given("group_metadata")
            else "at_poll",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkConfig(AppConfig):
    """Args:
    target: Where it writes.
    """

    source: Topic
    group: str
    batch_wait_s: float
    target: Table | Service | Mailbox

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(
            **_common(fields),
            source=Topic(*fields.texts("from", "place", "topic")),
            group=fields.need("group", str),
            batch_wait_s=_batch_wait(fields),
            target=_target(fields),
        )


def _target(fields: Fields) -> Table | Service | Mailbox:
    match fields.given("table", "service", "mailbox"):
        case ["table"]:
            place, name = fields.texts("table", "place", "name")
            return Table(place, name, fields.need("dsn", str), fields.one_of("write", _WRITES))
        case ["service"]:
            return _service(fields, "service")
        case ["mailbox"]:
            return Mailbox(*fields.texts("mailbox", "place", "smtp", "to"))
        case _:
            raise fields.refused("exactly one of 'table', 'service' and 'mailbox' must be there")


def _service(fields: Fields, name: str) -> Service:
    place, url = fields.texts(name, "place", "url")
    return Service(place, url, fields.optional("idempotency_key", bool) or False)


def _batch_wait(fields: Fields) -> float:
    value = fields.optional("batch_wait_s", float)
    return 1.0 if value is None else value
