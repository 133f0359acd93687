"""Client of eosproxy's own API: hops, gates, rules, holds and events.

A *hop* relays one link and understands its frames. A *gate* holds back all bytes of one direction. A *rule*
acts on the n-th frame of a protocol step; a frame that a rule holds is a *hold*, with a number to release
it by.

`HopClient` has no state but its URL: any number of threads may share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import requests
from pydantic import TypeAdapter, ValidationError

from faults.errors import ProxyFailedError
from faults.transport import DIRECT, checked, json_of, transport_errors

Gate = Literal["pass", "withhold"]
At = Literal["request", "reply"]
Ending = Literal["close", "reset", "open"]
"""What becomes of the client's connection when a frame is lost: FIN, RST, or nothing (it waits in vain)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HopSpec:
    """One hop to make.

    Args:
        name: `lane-3/broker-1` or `link/1-2/INTERNAL`.
        listen: `host:port` where it listens.
        upstream: `host:port` that it relays to.
        lane: `lane-3`; empty for a link between brokers.
        link: `1-2`; empty for a lane.
        protocol: `tcp` relays bytes without looking at frames.
    """

    name: str
    listen: str
    upstream: str
    lane: str = ""
    link: str = ""
    protocol: Literal["kafka", "tcp"] = "kafka"


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
    listen: str = ""
    upstream: str = ""
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
        lanes: The lanes it counts over.
        match: Alternatives, any of which matches: `{"api": "EndTxn", "committed": True}`; further keys are
            `transactional_id`, `topic`, `partition`.
        at: Whether the request or its reply is acted on. Requests are counted in both cases.
        nth: The first matching request to act on, from 1.
        times: How many from there on; -1 = all.
        action: `hold`, `lose`, or `note` (an event, nothing else).
        connection: For `lose`.
        hold_ms_max: A hold ends by itself after so long, delivered; 0 = never.
    """

    id: str
    lanes: Sequence[str]
    match: Sequence[Mapping[str, Any]]
    at: At
    action: Literal["hold", "lose", "note"]
    nth: int = 1
    times: int = 1
    connection: Ending | None = None
    hold_ms_max: int = 0

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


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
        kind: held, released, lost, noted, opened, closed, unreadable, dropped_events.
        mono_ns: CLOCK_MONOTONIC, as `time.monotonic_ns()` of any process on the machine.
        n: Which matching request of its rule this was.
        hold: Number of the hold; 0 when there is none.
        connection: Number of the client's connection; 0 when there is none.
        committed: For EndTxn.
        topics: For Produce, OffsetCommit, TxnOffsetCommit and AddPartitionsToTxn.
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
    connection: int = 0
    at: str = ""
    api: str = ""
    api_version: int = 0
    correlation_id: int = 0
    client_id: str = ""
    transactional_id: str = ""
    committed: bool | None = None
    topics: tuple[FrameTopic, ...] = ()
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
class _Released:
    carried_out: bool = True


_HOPS = TypeAdapter(list[HopState])
_RULES = TypeAdapter(list[RuleState])
_EVENT = TypeAdapter(HopEvent)
_HEALTH = TypeAdapter(Health)
_RELEASED = TypeAdapter(_Released)


class HopClient:
    """eosproxy at a URL.

    Every method raises ProxyGoneError when there is no answer in time, ProxyRefusedError when the proxy
    says no and ProxyFailedError when it fails.

    Args:
        url: `http://127.22.3.1:8474`.
        timeout_s: For each request, to connect and again for the answer.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s

    def health(self) -> Health:
        return _parsed(_HEALTH, "GET /eos/health", self._call("GET", "/eos/health"))

    def create_hops(self, hops: Iterable[HopSpec]) -> None:
        """Make all of them, or none: on an error (a port that is taken) nothing is left."""
        self._call("POST", "/eos/hops", [asdict(hop) for hop in hops])

    def hops(self) -> list[HopState]:
        return _parsed(_HOPS, "GET /eos/hops", self._call("GET", "/eos/hops"))

    def patch_hop(
        self,
        name: str,
        *,
        enabled: bool | None = None,
        upstream: str | None = None,
        requests: Gate | None = None,
        replies: Gate | None = None,
    ) -> None:
        """Change a running hop; what is None stays as it is.

        Args:
            enabled: False closes the listener (clients get ECONNREFUSED) and its connections.
            upstream: `host:port` for connections from now on.
            requests: The gate client → upstream. Withheld bytes are kept; `pass` delivers them.
            replies: The gate upstream → client.
        """
        changes = {"enabled": enabled, "upstream": upstream, "requests": requests, "replies": replies}
        body = {key: value for key, value in changes.items() if value is not None}
        self._call("PATCH", f"/eos/hops/{quote(name, safe='')}", body)

    def reset_rtt(self, lane: str) -> None:
        """Begin a new round-trip window on all hops of a lane."""
        self._call("POST", "/eos/rtt/reset", {"lane": lane})

    def add_rule(self, rule: Rule) -> None:
        self._call("POST", "/eos/rules", rule.to_json())

    def remove_rule(self, rule_id: str) -> None:
        """Remove a rule; frames that it still holds are delivered."""
        self._call("DELETE", f"/eos/rules/{quote(rule_id, safe='')}")

    def rules(self) -> list[RuleState]:
        return _parsed(_RULES, "GET /eos/rules", self._call("GET", "/eos/rules"))

    def release(
        self, hold: int, action: Literal["deliver", "drop"] = "deliver", connection: Ending | None = None
    ) -> bool:
        """End a hold.

        Args:
            hold: `HopEvent.hold` of its `held` event.
            action: Whether the frame goes on or is gone.
            connection: For `drop`: what becomes of the client's connection; close when None.

        Returns:
            Whether that is done. A frame that meets a shut gate or a stalled peer goes on later.

        Raises:
            ProxyRefusedError: Status 404, no such hold (any more); 409, its connection is gone.
        """
        body: dict[str, str] = {"action": action}
        if connection is not None:
            body["connection"] = connection
        asked = f"POST /eos/holds/{hold}/release"
        return _parsed(_RELEASED, asked, self._call("POST", f"/eos/holds/{hold}/release", body)).carried_out

    def events(self, since: int = 0, wait_ms: int = 0) -> list[HopEvent]:
        """Events after sequence number `since`; waits up to `wait_ms` for the first one."""
        asked = f"GET /eos/events?since={since}&wait_ms={wait_ms}"
        response = self._request("GET", asked.removeprefix("GET "), read_s=self.timeout_s + wait_ms / 1000)
        return [parse_event(line) for line in response.iter_lines() if line]

    @contextmanager
    def follow(self, since: int = 0, idle_s: float | None = None) -> Iterator[FollowedEvents]:
        """Open the endless event stream.

        Args:
            since: The last sequence number already known.
            idle_s: After so long without an event the stream raises ProxyGoneError; never when None.
        """
        path = f"/eos/events?since={since}&follow=1"
        response = self._request("GET", path, read_s=idle_s, stream=True)
        with response:
            yield FollowedEvents(self.url, response)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        response = self._request(method, path, body, read_s=self.timeout_s)
        return json_of(f"{method} {path}", response) if response.content.strip() else None

    def _request(
        self, method: str, path: str, body: Any = None, *, read_s: float | None, stream: bool = False
    ) -> requests.Response:
        asked = f"{method} {path}"
        with transport_errors(asked, self.url):
            response = requests.request(
                method,
                self.url + path,
                json=body,
                timeout=(self.timeout_s, read_s),
                stream=stream,
                proxies=DIRECT,  # type: ignore[arg-type]  # None means "no proxy"; the stubs do not know it
            )
        return checked(asked, response)


class FollowedEvents(Iterator[HopEvent]):
    """An open event stream. `stop()` from another thread ends the iteration at once."""

    def __init__(self, url: str, response: requests.Response) -> None:
        self._url = url
        self._response = response
        # One byte at a time from urllib3's buffer would be slow; a chunk is whatever one flush of the proxy sent.
        self._lines = response.iter_lines(chunk_size=None)

    def __next__(self) -> HopEvent:
        with transport_errors("GET /eos/events?follow=1", self._url):
            line = next(line for line in self._lines if line)
        return parse_event(line)

    def stop(self) -> None:
        try:
            self._response.raw.shutdown()
        except (ValueError, RuntimeError):
            return  # it has ended by itself


def parse_event(line: bytes) -> HopEvent:
    """One NDJSON line.

    Raises:
        ProxyFailedError: It is not an event.
    """
    try:
        return _parsed(_EVENT, "GET /eos/events", _JSON.validate_json(line))
    except ValidationError as error:
        raise ProxyFailedError(f"eosproxy sent a line that is no event: {line[:200]!r}") from error


_JSON: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _parsed(adapter: TypeAdapter[T], asked: str, raw: Any) -> T:
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
