"""What goes to eosproxy and what comes from it: hops, rules, events, as its HTTP API writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from faults.errors import ProxyFailedError

T = TypeVar("T")

Gate = Literal["pass", "withhold"]
At = Literal["request", "reply"]
Ending = Literal["close", "reset", "open"]
"""What becomes of the client's connection when a frame is lost: FIN, RST, or nothing (it waits in vain)."""

Action = Literal["hold", "lose", "note", "refuse", "replace"]
HopProtocol = Literal["kafka", "postgres", "http", "smtp", "tcp"]
"""What a hop understands; `tcp` relays bytes without looking at them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HopSpec:
    """One hop to make.

    Args:
        name: `lane-3/broker-1` or `link/1-2/INTERNAL`.
        listen: `host:port` where it listens.
        upstream: `host:port` that it relays to.
        lane: `lane-3`; empty for a link between brokers.
        link: `1-2`; empty for a lane.
        protocol: Of what it relays.
    """

    name: str
    listen: str
    upstream: str
    lane: str = ""
    link: str = ""
    protocol: HopProtocol = "kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rtt:
    """Request-to-reply round trips since the last reset, in microseconds; min and max are 0 when count is."""

    count: int = 0
    min_us: int = 0
    max_us: int = 0
    sum_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HopState:
    """A hop as it is now. Counters run since it was made; `withheld_*` since its last gate was shut."""

    name: str
    lane: str = ""
    link: str = ""
    listen: str = ""
    upstream: str = ""
    protocol: str = ""
    enabled: bool = True
    requests: Gate = "pass"
    replies: Gate = "pass"
    open_connections: int = 0
    accepted: int = 0
    refused_upstream: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    withheld_up: int = 0
    withheld_down: int = 0
    rtt: Rtt = field(default_factory=Rtt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What eosproxy is to do at a protocol step.

    Args:
        id: Unique among the rules of the proxy; its events carry it.
        match: Alternatives, any of which matches: `{"api": "EndTxn", "committed": True}`; further keys are
            `transactional_id`, `topic`, `partition`, and for other protocols `protocol` and `path`.
        at: Whether the request or its reply is acted on. Requests are counted in both cases.
        action: `hold`, `lose`, `note` (an event, nothing else), `refuse` (at the request: an error is answered, nothing
            forwarded), `replace` (at the reply: forwarded, but an error is answered).
        lanes: The lanes it counts over.
        links: The links between brokers that it counts over, `1-2`. At least one of these and the lanes.
        nth: The first matching request to act on, from 1.
        times: How many from there on; -1 = all.
        connection: For `lose`.
        hold_ms_max: A hold ends by itself after so long, delivered; 0 = never.
        error: For `refuse` and `replace`, as it stands on the wire: `16`, `40001`, `503`, `451`.
    """

    id: str
    match: Sequence[Mapping[str, Any]]
    at: At
    action: Action
    lanes: Sequence[str] = ()
    links: Sequence[str] = ()
    nth: int = 1
    times: int = 1
    connection: Ending | None = None
    hold_ms_max: int = 0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What was not asked for is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None and value != ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """`seen` = matching requests so far; `fired` = how many it acted on."""

    id: str
    seen: int = 0
    fired: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTopic:
    """Partitions of one topic that a request names; `topic` is its name when known, else Kafka's base64 id."""

    topic: str
    partitions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HopEvent:
    """Something that happened at a hop. What does not apply to a kind has its default.

    Args:
        seq: Ascending without gaps, from 1, as long as the proxy lives.
        kind: held, released, lost, noted, refused, replaced, opened, closed, unreadable, dropped_events.
        mono_ns: CLOCK_MONOTONIC, as `time.monotonic_ns()` of any process on the machine.
        n: Which matching request of its rule this was.
        hold: Number of the hold; 0 when there is none.
        connection: Number of the client's connection; 0 when there is none.
        protocol: Of the frame; empty where no frame is told of.
        api: Kafka's name of the request, SQL command, HTTP method or SMTP verb.
        committed: For EndTxn.
        topics: For Produce, OffsetCommit, TxnOffsetCommit and AddPartitionsToTxn.
        text: Of other protocols than Kafka: command tag, method and path, or verb.
        error: For `refused` and `replaced`: what the client was told, as it stands on the wire.
        size: Of the frame, in bytes.
        action: For `released`: deliver or drop.
        reason: In words.
        count: For `dropped_events`: how many were lost because nobody fetched them in time.
    """

    seq: int
    kind: str
    mono_ns: int = 0
    wall_ns: int = 0
    rule: str = ""
    n: int = 0
    hold: int = 0
    hop: str = ""
    lane: str = ""
    link: str = ""
    connection: int = 0
    at: str = ""
    protocol: str = ""
    api: str = ""
    api_version: int = 0
    correlation_id: int = 0
    client_id: str = ""
    transactional_id: str = ""
    committed: bool | None = None
    group_id: str = ""
    topics: tuple[FrameTopic, ...] = ()
    text: str = ""
    error: str = ""
    size: int = 0
    action: str = ""
    reason: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`events` = sequence number of the newest event; `events_lost` = how many nobody fetched in time."""

    version: str = ""
    events: int = 0
    events_lost: int = 0
    open_connections: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The answer to a release."""

    carried_out: bool = True


HOPS = TypeAdapter(list[HopState])
RULES = TypeAdapter(list[RuleState])
_EVENT = TypeAdapter(HopEvent)
HEALTH = TypeAdapter(Health)
RELEASED = TypeAdapter(Released)


def parse_event(line: bytes) -> HopEvent:
    """One NDJSON line.

    Raises:
        ProxyFailedError: It is not an event.
    """
    try:
        return parsed(_EVENT, "GET /eos/events", _JSON.validate_json(line))
    except ValidationError as error:
        raise ProxyFailedError(f"eosproxy sent a line that is no event: {line[:200]!r}") from error


_JSON: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def parsed(adapter: TypeAdapter[T], asked: str, raw: Any) -> T:
    """Keys that we do not know are left out; null means absent, as Go writes empty lists and unset fields."""
    try:
        return adapter.validate_python(_without_nulls(raw))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProxyFailedError(f"{asked} was answered oddly at {where!r}: {first['msg']}") from error


def _without_nulls(raw: Any) -> Any:
    if isinstance(raw, list):
        return [_without_nulls(item) for item in raw]
    if isinstance(raw, dict):
        return {key: _without_nulls(value) for key, value in raw.items() if value is not None}
    return raw
