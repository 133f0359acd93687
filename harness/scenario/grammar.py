"""The grammar of a scenario file as pydantic models; messages, reference and JSON Schema come from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

import yaml
from pydantic import (
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
    create_model,
)

from harness.model import FENCED, GROUPS, Anomaly, Quantifier
from harness.scenario.faults import FaultEntry
from harness.scenario.model import (
    App,
    Client,
    Expect,
    GroupMetadata,
    Mailbox,
    Restart,
    Resume,
    Service,
    Table,
    Topic,
    Write,
)
from harness.scenario.strict import Name, OptionName, Properties, ScenarioName, Strict
from harness.scenario.words import COUNT_MAX, Duration, refusal, shown

LANES_MAX = 16
REPEAT_MAX = 1000
SEED_MAX = 2**53 - 1  # exact in JSON
BATCH_MAX = 100_000


BatchWait = Annotated[
    Duration,
    Field(
        alias="batch_wait",
        description="How long it waits for a batch to fill.",
        json_schema_extra={"default": "1s"},
    ),
]


_IDEMPOTENCY_KEY = "Whether each call carries the record's id as Idempotency-Key; false without this key."


class _AppEntry(Strict):
    client: Client = Field("kafka-python", description="The client library.")
    instances: int = Field(1, ge=1, le=LANES_MAX, description="How many processes run it.")
    batch: int = Field(20, ge=1, le=BATCH_MAX, description="Records per commit or transaction, at most.")
    restart: Restart | None = Field(
        None,
        description="What its supervisor does; without it, an instance that asks for a successor gets one, at most 5 "
        "times.",
    )

    def named(self, name: str) -> App:
        """The app as the rest of the tool reads it."""
        said = {field: getattr(self, field) for field in type(self).model_fields}
        return App(name=name, **{field: value for field, value in said.items() if value is not None})


class ProducerEntry(_AppEntry):
    """Sends numbered records."""

    thing: ClassVar[str] = "a producer"

    kind: Literal["producer"] = Field(alias="is", description="Its kind.")
    target: Name = Field(alias="to", description="The topic it writes.")
    records: int = Field(100, ge=1, le=COUNT_MAX, description="How many, over all instances.")
    keys: int = Field(10, ge=1, le=COUNT_MAX, description="Over how many keys they are spread.")
    commit: Literal["in_transaction"] | None = Field(
        None, description="in_transaction: each batch is a transaction; without it there are none."
    )
    resume: Resume = Field(
        "state",
        description="Where it learns after a restart how far it came: from its own state file, or from a position "
        "committed in each transaction.",
    )
    producer: Properties = Field({}, description="Kafka's own producer properties.")


class ProcessorEntry(_AppEntry):
    """Reads a topic, writes a topic: one record for one record. May call a service for each of them."""

    thing: ClassVar[str] = "a processor"

    kind: Literal["processor"] = Field(alias="is", description="Its kind.")
    source: Name = Field(alias="from", description="The topic it reads.")
    target: Name = Field(alias="to", description="The topic it writes.")
    batch_wait_s: BatchWait = 1.0
    commit: Literal["before_write", "after_write", "in_transaction"] = Field(
        "after_write", description="When it commits offsets, as against the write."
    )
    calls: Name | None = Field(None, description="The service it calls once a record, inside the batch.")
    idempotency_key: bool | None = Field(None, description=_IDEMPOTENCY_KEY)
    group_metadata: GroupMetadata | None = Field(
        None,
        description="When a transactional processor asks for what fences it as a zombie: with the poll (right; the "
        "default), or just before the commit (too late after a pause).",
    )
    producer: Properties = Field({}, description="Kafka's own producer properties.")
    consumer: Properties = Field({}, description="Kafka's own consumer properties.")


class SinkEntry(_AppEntry):
    """Reads a topic, writes a row, calls a service or sends an e-mail for each record."""

    thing: ClassVar[str] = "a sink"

    kind: Literal["sink"] = Field(alias="is", description="Its kind.")
    source: Name = Field(alias="from", description="The topic it reads.")
    target: Name = Field(alias="to", description="The table, service or mailbox it writes.")
    batch_wait_s: BatchWait = 1.0
    commit: Literal["before_write", "after_write"] = Field(
        "after_write", description="When it commits offsets, as against the write."
    )
    write: Write | None = Field(
        None,
        description="How it writes a row: insert (so it is without this key), upsert by the record's id, or "
        "upsert_by_key: one row a key, the latest write wins.",
    )
    idempotency_key: bool | None = Field(None, description=_IDEMPOTENCY_KEY)
    consumer: Properties = Field({}, description="Kafka's own consumer properties.")


APP_KINDS: Mapping[str, type[ProducerEntry] | type[ProcessorEntry] | type[SinkEntry]] = {
    "producer": ProducerEntry,
    "processor": ProcessorEntry,
    "sink": SinkEntry,
}


def _app_tag(entry: object) -> str | None:
    kind = entry.get("is") if isinstance(entry, Mapping) else None
    return f"<{kind}>" if isinstance(kind, str) else None


# Tags stand in brackets so that no path of a mistake takes one for a key.
AppEntry = Annotated[
    Annotated[ProducerEntry, Tag("<producer>")]
    | Annotated[ProcessorEntry, Tag("<processor>")]
    | Annotated[SinkEntry, Tag("<sink>")],
    Discriminator(_app_tag),
]


def _texts(value: object) -> tuple[str, ...]:
    """One text or several; true, false and whole numbers stand for their text, as they do as keys."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str | int) for one in values):
        raise refusal(f"{shown(value)} is neither a name nor a list of names")
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in values)


_ONE = {"type": ["string", "integer", "boolean"]}
Texts = Annotated[
    tuple[str, ...],
    PlainValidator(_texts),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1}]}),
]
QuantifierWord = Literal["none", "some", "sometimes", "any"]


class ExpectBase(Strict):
    """What cells must, may or must not show at places."""

    thing: ClassVar[str] = "an expectation"

    places: Texts = Field((), alias="in", description="A place or a list of places; without it, every place.")
    cell: dict[str, Texts] = Field({}, description="axis → value or list of values; without it, every cell.")
    cause: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        None, description="Only findings with this cause count."
    )

    def wanted(self) -> dict[str, Quantifier]:
        """A type (`Anomaly`) or a group → how often."""
        return {
            word: Quantifier(quantifier)
            for word in EXPECT_WORDS
            if (quantifier := getattr(self, _field_name(word))) is not None
        }

    def as_written(self, entry: object) -> Expect:
        """The expectation as the rest of the tool reads it; `entry` is its YAML mapping."""
        text = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
        return Expect(places=self.places, cell=self.cell, wanted=self.wanted(), cause=self.cause, text=text.strip())


EXPECT_WORDS: tuple[str, ...] = (*GROUPS, *Anomaly, FENCED)


def _field_name(word: str) -> str:
    return word.replace("-", "_")


def _word_fields() -> dict[str, Any]:
    return {
        _field_name(word): (
            QuantifierWord,
            Field(None, alias=str(word), description=f"How often {word} is shown."),
        )
        for word in EXPECT_WORDS
    }


ExpectEntry = cast(
    type[ExpectBase], create_model("ExpectEntry", __base__=ExpectBase, __doc__=ExpectBase.__doc__, **_word_fields())
)


class ScenarioFile(Strict):
    """One question to a pipeline, in its first comment; the rest says how to find the answer."""

    thing: ClassVar[str] = "a scenario"

    scenario: ScenarioName = Field(description="Its name.")
    seed: int = Field(1, ge=0, le=SEED_MAX, description="Fixes the load, the order and the schedule.")
    repeat: int = Field(1, ge=1, le=REPEAT_MAX, description="How often each cell is executed.")
    topics: dict[Name, Topic] = Field({}, description="name → topic.")
    tables: dict[Name, Table] = Field({}, description="name → table.")
    services: dict[Name, Service] = Field({}, description="name → service.")
    mailboxes: dict[Name, Mailbox] = Field({}, description="name → mailbox.")
    apps: dict[Name, AppEntry] = Field(min_length=1, description="name → app.")
    faults: list[FaultEntry] = Field([], max_length=64, description="In the order they are armed.")
    matrix: dict[Name, dict[OptionName, dict[str, Any]]] = Field(
        {}, description="axis → option → dotted path into this file → value."
    )
    expect: list[ExpectEntry] = Field([], max_length=200, description="What must, may and must not be seen.")  # type: ignore[valid-type]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scenario file, for editors."""
    schema = ScenarioFile.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_as_files_are(schema),
        "title": "eos-chaos scenario",
    }


def _as_files_are(schema: Any) -> Any:
    """As a file can be: `None` stands for an absent key in the models, and a file cannot say it."""
    if isinstance(schema, list):
        return [_as_files_are(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned = {key: _as_files_are(part) for key, part in schema.items() if (key, part) != ("default", None)}
    if "patternProperties" in cleaned:  # the pattern of the names: others are refused
        cleaned["additionalProperties"] = False
    if cleaned.get("anyOf", [])[1:] == [{"type": "null"}]:
        return {**cleaned.pop("anyOf")[0], **cleaned}
    return cleaned
