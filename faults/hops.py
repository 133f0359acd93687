"""Client of eosproxy's own API: hops, gates, rules, holds and events.

A *hop* relays one link and understands its frames. A *gate* holds back all bytes of one direction. A *rule*
acts on the n-th frame of a protocol step; a frame that a rule holds is a *hold*, with a number to release
it by.

`HopClient` has no state but its URL: any number of threads may share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal
from urllib.parse import quote

import requests

from faults.messages import (
    HEALTH,
    HOPS,
    RELEASED,
    RULES,
    At,
    Ending,
    Gate,
    Health,
    HopEvent,
    HopSpec,
    HopState,
    Rule,
    RuleState,
    parse_event,
    parsed,
)
from faults.transport import DIRECT, checked, json_of, transport_errors

__all__ = ["At", "Ending", "FollowedEvents", "HopClient", "Rule"]


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
        return parsed(HEALTH, "GET /eos/health", self._call("GET", "/eos/health"))

    def create_hops(self, hops: Iterable[HopSpec]) -> None:
        """Make all of them, or none: on an error (a port that is taken) nothing is left."""
        self._call("POST", "/eos/hops", [asdict(hop) for hop in hops])

    def hops(self) -> list[HopState]:
        return parsed(HOPS, "GET /eos/hops", self._call("GET", "/eos/hops"))

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
        return parsed(RULES, "GET /eos/rules", self._call("GET", "/eos/rules"))

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
        return parsed(RELEASED, asked, self._call("POST", f"/eos/holds/{hold}/release", body)).carried_out

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
