"""What a scenario says, as the rest of the tool reads it.

::

    Scenario ── topics, tables, services, mailboxes, apps, faults, matrix, expect    as the file says them
       └── variants                                                              one Scenario per cell of the matrix

Triggers are in `triggers.py`, targets in `targets.py`, faults in `faults.py`. Everything is frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from harness.model import Quantifier
from harness.scenario.faults import (
    Bandwidth,
    Crash,
    Delay,
    Fault,
    Hold,
    Latency,
    Lose,
    Partition,
    Pause,
    Refuse,
    Replace,
    Reset,
    Slicing,
    SlowLink,
    Stop,
)
from harness.scenario.strict import Properties, PropertyValue, Strict
from harness.scenario.targets import (
    BROKERS,
    Actor,
    AllOf,
    AppTarget,
    BrokerTarget,
    End,
    RoleTarget,
    ServerTarget,
    Side,
    Sides,
    Target,
)
from harness.scenario.triggers import Acked, AfterFault, AfterSeconds, AtStep, Trigger
from harness.scenario.words import Duration

AppKind: TypeAlias = Literal["producer", "processor", "sink"]
Client: TypeAlias = Literal["kafka-python", "confluent-kafka"]
Commit: TypeAlias = Literal["before_write", "after_write", "in_transaction"]
Write: TypeAlias = Literal["insert", "upsert", "upsert_by_key"]
Resume: TypeAlias = Literal["state", "transaction"]
GroupMetadata: TypeAlias = Literal["at_poll", "at_commit"]

PARTITIONS_MAX = 1000


class Topic(Strict):
    """Records by partition."""

    thing: ClassVar[str] = "a topic"

    partitions: int = Field(1, ge=1, le=PARTITIONS_MAX, description="How many.")
    replication: int = Field(len(BROKERS), ge=1, le=len(BROKERS), description="Replicas of each partition.")
    config: Properties = Field({}, description="Kafka's own topic properties.")


class Table(Strict):
    """A table of the database; the sink that writes it decides its columns."""

    thing: ClassVar[str] = "a table"


class Service(Strict):
    """An HTTP service that answers every call and keeps what it accepted."""

    thing: ClassVar[str] = "a service"

    idempotency: bool = Field(
        True, description="Whether a call with the Idempotency-Key of an earlier one has no effect of its own."
    )


class Mailbox(Strict):
    """Where e-mails arrive; every message that the mail server accepted is in it."""

    thing: ClassVar[str] = "a mailbox"


class Restart(Strict):
    """What a supervisor does about an instance that ended, where no fault says when it is started again."""

    thing: ClassVar[str] = "a restart policy"

    policy: Literal["never", "on-failure", "always"] = Field(
        "on-failure",
        description="on-failure: any end but one in good order (exit 0); always: that too; never: it stays away.",
    )
    delay_s: Duration = Field(
        1.0, alias="delay", description="How long after its end.", json_schema_extra={"default": "1s"}
    )
    most: int = Field(5, ge=0, le=1000, description="How often an instance is started again, at most.")


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A program of the pipeline under test. What its kind does not have is None or empty.

    Args:
        kind: YAML `is`.
        instances: How many processes run it; each has a lane of its own.
        source: YAML `from`: the topic it reads.
        target: YAML `to`: the topic (producer, processor), table, service or mailbox (sink) it writes.
        records: How many records all instances of a producer send together; 0 for others.
        keys: Over how many keys they are spread; 0 for others.
        batch: Records per commit or transaction, at most.
        batch_wait_s: YAML `batch_wait`: how long it waits for a batch to fill.
        commit: When offsets are committed, as against the write; a producer has in_transaction or None.
        write: How a sink writes a table; None where it writes none.
        calls: The service that a processor calls once a record, inside its batch.
        idempotency_key: Whether its calls carry one.
        group_metadata: When a transactional processor asks for what fences it as a zombie; None for others.
        resume: Where a producer that is started again learns how far it came; None for others.
        restart: What its supervisor does; None: an instance that asks for a successor gets one, at most 5 times.
        producer: Kafka's own property names → values; likewise `consumer`.
    """

    name: str
    kind: AppKind
    client: Client
    instances: int = 1
    source: str | None = None
    target: str
    records: int = 0
    keys: int = 0
    batch: int = 20
    batch_wait_s: float = 1.0
    commit: Commit | None = None
    write: Write | None = None
    calls: str | None = None
    idempotency_key: bool = False
    group_metadata: GroupMetadata | None = None
    resume: Resume | None = None
    restart: Restart | None = None
    producer: Mapping[str, PropertyValue] = field(default_factory=dict)
    consumer: Mapping[str, PropertyValue] = field(default_factory=dict)

    @property
    def writes(self) -> tuple[str, ...]:
        """The places it writes: its target, then the service it calls."""
        return (self.target, *((self.calls,) if self.calls else ()))

    @property
    def idempotent(self) -> bool:
        """Whether its producer is; the apps ask for it unless a scenario says otherwise."""
        return self.producer.get("enable.idempotence") is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """One entry of `expect`, as written.

    Args:
        places: YAML `in`; empty: every place.
        cell: axis → the values it is about; an axis that is not named is open.
        wanted: A type of anomaly (`harness.model.Anomaly`) or a group (`harness.model.GROUPS`) → how often.
        cause: Only findings with this cause count.
        text: The entry as one line of YAML.
    """

    places: tuple[str, ...] = ()
    cell: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wanted: Mapping[str, Quantifier]
    cause: str | None = None
    text: str

    def about(self, axes: Mapping[str, str]) -> bool:
        """Whether it is about the cell with these axis values."""
        return all(axes.get(axis) in values for axis, values in self.cell.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One cell of the matrix: its axis values, and the scenario with them applied."""

    axes: Mapping[str, str]
    scenario: Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario without mistakes: every name in it refers to something.

    Args:
        name: YAML `scenario`.
        question: The first comment of the file; empty when it has none.
        file: As the person named it.
        matrix: axis → option → dotted path → value, as written; empty in a variant.
        variants: One per cell of the matrix, in file order; one without a matrix, none in a variant.
    """

    name: str
    seed: int
    repeat: int
    question: str
    file: str
    topics: Mapping[str, Topic]
    tables: Mapping[str, Table]
    services: Mapping[str, Service]
    mailboxes: Mapping[str, Mailbox]
    apps: Mapping[str, App]
    faults: tuple[Fault, ...]
    matrix: Mapping[str, Mapping[str, Mapping[str, object]]]
    expect: tuple[Expect, ...]
    variants: tuple[Variant, ...] = ()


__all__ = [
    "Acked",
    "Actor",
    "AfterFault",
    "AfterSeconds",
    "AllOf",
    "App",
    "AppKind",
    "AppTarget",
    "AtStep",
    "Bandwidth",
    "BrokerTarget",
    "Client",
    "Commit",
    "Crash",
    "Delay",
    "End",
    "Expect",
    "Fault",
    "GroupMetadata",
    "Hold",
    "Latency",
    "Lose",
    "Mailbox",
    "Partition",
    "Pause",
    "Refuse",
    "Replace",
    "Reset",
    "Restart",
    "Resume",
    "RoleTarget",
    "Scenario",
    "ServerTarget",
    "Service",
    "Side",
    "Sides",
    "Slicing",
    "SlowLink",
    "Stop",
    "Table",
    "Target",
    "Topic",
    "Trigger",
    "Variant",
    "Write",
]
