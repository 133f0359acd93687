"""Whom a fault hits: the ends of links and the processes of a run, as a scenario names them.

::

    an app       processor   processor#2
    a broker     broker 1    leader of orders-0   coordinator of group processor
                 coordinator of transactional id processor-1   quorum leader
    a server     database    service billing   mailbox outbox
    several      brokers     services   rest

A broker that is named by what it leads is looked up when the fault acts, and its evidence tells which one it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, PlainValidator, Tag, WithJsonSchema

from harness.scenario.words import NAME_PATTERN, did_you_mean, join_hints, refusal, shown, text_schema

BROKERS = (1, 2, 3)
"""The nodes of a cluster."""

Role: TypeAlias = Literal["leader", "group coordinator", "transaction coordinator", "quorum leader"]
ServerKind: TypeAlias = Literal["database", "service", "mailbox"]
Several: TypeAlias = Literal["brokers", "services", "rest"]

_APP = re.compile(rf"({NAME_PATTERN})(?:#(\d{{1,3}}))?", re.ASCII)
_BROKER = re.compile(r"broker (\d{1,3})", re.ASCII)
_LEADER = re.compile(rf"leader of ({NAME_PATTERN})-(\d{{1,4}})", re.ASCII)
_COORDINATOR = re.compile(rf"coordinator of (group|transactional id) ({NAME_PATTERN})", re.ASCII)
_SERVER = re.compile(rf"(service|mailbox) ({NAME_PATTERN})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AppTarget:
    """An app, or one instance of it (from 1)."""

    app: str
    instance: int | None = None

    def __str__(self) -> str:
        return self.app if self.instance is None else f"{self.app}#{self.instance}"


@dataclass(frozen=True, slots=True)
class BrokerTarget:
    """One broker of the cluster, by its node id."""

    node: int

    def __str__(self) -> str:
        return f"broker {self.node}"


@dataclass(frozen=True, slots=True)
class RoleTarget:
    """The broker that leads something when the fault acts.

    Args:
        name: The topic, group (= app) or transactional id (= app-instance); empty for the quorum's leader.
        partition: Of the topic.
    """

    role: Role
    name: str = ""
    partition: int = 0

    def __str__(self) -> str:
        if self.role == "leader":
            return f"leader of {self.name}-{self.partition}"
        if self.role == "quorum leader":
            return self.role
        return f"coordinator of {'group' if self.role == 'group coordinator' else 'transactional id'} {self.name}"


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """The server behind a place outside Kafka: all services share one, as do all mailboxes and all tables.

    Args:
        name: Of the service or mailbox; empty for the database.
    """

    kind: ServerKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every broker, every service and mailbox, or whoever is not at the other end of the cut."""

    which: Several

    def __str__(self) -> str:
        return self.which


Target: TypeAlias = AppTarget | BrokerTarget | RoleTarget | ServerTarget
End: TypeAlias = Target | AllOf
Side: TypeAlias = tuple[End, ...]
"""One side of a cut."""
Sides: TypeAlias = tuple[Side, Side]
"""Both ends of links."""
Actor: TypeAlias = AppTarget | BrokerTarget | AllOf
"""Who takes steps: an app towards whatever it is connected to, a broker towards other brokers."""

RESERVED = ("brokers", "services", "rest", "database")
"""Words that cannot name an app."""


def side_text(side: Side) -> str:
    """`broker 1`, or `broker 1 + broker 2`."""
    return " + ".join(map(str, side))


def is_broker(end: End) -> bool:
    """Whether an end is a broker, however it is named, or all of them."""
    return isinstance(end, BrokerTarget | RoleTarget) or end == AllOf("brokers")


def parse_target(value: object) -> Target:
    """The target that a text like `processor#2` or `leader of orders-0` describes.

    Raises:
        PydanticCustomError: It is none.
    """
    text = value if isinstance(value, str) else ""
    if text == "database":
        return ServerTarget("database")
    if found := _SERVER.fullmatch(text):
        kind: ServerKind = "service" if found[1] == "service" else "mailbox"
        return ServerTarget(kind, found[2])
    if (broker := _broker(text)) is not None:
        return broker
    if (found := _APP.fullmatch(text)) and text not in RESERVED:
        return AppTarget(found[1], int(found[2]) if found[2] else None)
    hint = join_hints(did_you_mean(text, _FORMS), f"write one of: {' · '.join(TARGET_EXAMPLES)}")
    raise refusal(f"{shown(value)} is not a target", hint)


def _broker(text: str) -> BrokerTarget | RoleTarget | None:
    if found := _BROKER.fullmatch(text):
        node = int(found[1])
        if node not in BROKERS:
            raise refusal(f"there is no broker {node}", f"brokers: {', '.join(map(str, BROKERS))}")
        return BrokerTarget(node)
    if found := _LEADER.fullmatch(text):
        return RoleTarget("leader", found[1], int(found[2]))
    if found := _COORDINATOR.fullmatch(text):
        return RoleTarget("group coordinator" if found[1] == "group" else "transaction coordinator", found[2])
    return RoleTarget("quorum leader") if text == "quorum leader" else None


def parse_end(value: object) -> End:
    """As `parse_target`, and `brokers`, `services`, `rest` for all of them."""
    for which in ("brokers", "services", "rest"):
        if value == which:
            return AllOf(which)
    return parse_target(value)


def parse_actor(value: object) -> Actor:
    """Who takes a step: an app, an instance of it, a broker, or `brokers`.

    Raises:
        PydanticCustomError: It takes none.
    """
    end = parse_end(value)
    if isinstance(end, AppTarget | BrokerTarget) or end == AllOf("brokers"):
        return end
    if isinstance(end, RoleTarget):
        hint = "steps are counted from the beginning, before anybody leads: name the broker, or write brokers"
        raise refusal(f"{shown(value)} takes no steps of its own", hint)
    raise refusal(f"{shown(value)} takes no steps", "name the app whose step it is, a broker, or brokers")


def parse_side(value: object) -> Side:
    """One end of a cut: a text, or a list of them.

    Raises:
        PydanticCustomError: It is neither, or empty.
    """
    ends = value if isinstance(value, list) else [value]
    if not ends:
        raise refusal("an empty list is nobody's side", "name at least one end")
    return tuple(parse_end(end) for end in ends)


def parse_brokers(value: object) -> Side:
    """As `parse_side`, where every end is a broker.

    Raises:
        PydanticCustomError: One is not.
    """
    side = parse_side(value)
    for end in side:
        if not is_broker(end):
            raise refusal(f"{shown(str(end))} is no broker", _ONE_OR_BROKERS)
    return side


def pair_of_brokers(value: object) -> tuple[object, object]:
    """Both entries of a list of two.

    Raises:
        PydanticCustomError: It is none.
    """
    if isinstance(value, list) and len(value) == 2:
        return value[0], value[1]
    raise refusal(f"{shown(value)} does not name two sides", _ONE_OR_BROKERS)


def pair(value: object) -> tuple[object, object]:
    """Both entries of a list of two.

    Raises:
        PydanticCustomError: It is none.
    """
    if isinstance(value, list) and len(value) == 2:
        return value[0], value[1]
    raise refusal(f"{shown(value)} does not name two ends", "write [APP, brokers] or [broker 1, rest]")


_ONE_OR_BROKERS = "write one target alone, or for links between brokers [broker 1, brokers]"

APP_PATTERN = rf"{NAME_PATTERN}(?:#\d+)?"
_ROLES = rf"leader of {NAME_PATTERN}-\d+|coordinator of (?:group|transactional id) {NAME_PATTERN}|quorum leader"
_BROKERS = rf"broker \d+|{_ROLES}"
_TARGETS = rf"{_BROKERS}|database|(?:service|mailbox) {NAME_PATTERN}|{APP_PATTERN}"
ACTOR_PATTERN = rf"broker \d+|brokers|{APP_PATTERN}"

_BROKER_EXAMPLES = (
    "broker NODE",
    "leader of TOPIC-PARTITION",
    "coordinator of group APP",
    "coordinator of transactional id APP-INSTANCE",
    "quorum leader",
)
TARGET_EXAMPLES = ("APP", "APP#INSTANCE", *_BROKER_EXAMPLES, "database", "service NAME", "mailbox NAME")
_FORMS = ("quorum leader", "database", "coordinator of group APP", "coordinator of transactional id APP-INSTANCE")
_ACTOR_EXAMPLES = ("APP", "APP#INSTANCE", "broker NODE", "brokers")
_END_EXAMPLES = (*TARGET_EXAMPLES, "brokers", "services", "rest")


def _side_schema(pattern: str, *examples: str) -> Any:
    end = {"type": "string", "pattern": f"^(?:{pattern})$", "examples": list(examples)}
    return WithJsonSchema({"anyOf": [end, {"type": "array", "items": end, "minItems": 1}]})


def _form_of_way(value: object) -> str:
    return "<between>" if isinstance(value, list) else "<target>"


TargetText = Annotated[Target, PlainValidator(parse_target), text_schema(_TARGETS, *TARGET_EXAMPLES)]
ActorText = Annotated[Actor, PlainValidator(parse_actor), text_schema(ACTOR_PATTERN, *_ACTOR_EXAMPLES)]
SideText = Annotated[
    Side, PlainValidator(parse_side), _side_schema(rf"{_TARGETS}|brokers|services|rest", *_END_EXAMPLES)
]
BrokersText = Annotated[
    Side, PlainValidator(parse_brokers), _side_schema(rf"{_BROKERS}|brokers", *_BROKER_EXAMPLES, "brokers")
]
# Tags stand in brackets so that no path of a mistake takes one for a key.
WayText = Annotated[
    Annotated[TargetText, Tag("<target>")]
    | Annotated[tuple[BrokersText, BrokersText], BeforeValidator(pair_of_brokers), Tag("<between>")],
    Discriminator(_form_of_way),
]
"""The ways of an app, or to a broker or server; or the links between two sides of brokers."""
