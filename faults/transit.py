"""How long bytes wait inside Toxiproxy: measured by the hops before and behind it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from faults.detours import LaneDetour
from faults.errors import ProxyError
from faults.messages import HopState
from faults.toxics import Stream

EVERY_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Bytes that were inside Toxiproxy at the beginning and at the end of a time.

    Args:
        ms: How long they waited at least.
        waiting: How many there were at the beginning.
        passed: How many bytes came out meanwhile, on how many connections at most.
    """

    hop: str
    stream: Stream
    ms: int = 0
    waiting: int = 0
    passed: int = 0
    connections: int = 1


@dataclass(slots=True)
class _Flow:
    """One direction of one hop: what went in by when, as long as it has not all come out.

    Both hops count since they were made, so only differences tell anything; and what was inside when a connection ended
    never comes out. So what is inside is counted from the first sample after the last end of a connection on.
    """

    longest: Wait
    ended: int = -1
    lead: int = 0
    inside: deque[tuple[int, int, int]] = field(default_factory=deque)  # seen at, in by then, out by then

    def take(self, asked_ns: int, answered_ns: int, into: int, out: int, near: HopState) -> None:
        """One sample, taken between two times.

        What was in by the end of an earlier sample and is not out at the beginning of this one waited in between, at
        least.
        """
        ended = near.accepted - near.open_connections
        if ended != self.ended:
            self.ended, self.lead = ended, into - out
            self.inside.clear()
        into -= self.lead
        while self.inside and self.inside[0][1] <= out:
            self.inside.popleft()
        if self.inside:
            seen_ns, in_then, out_then = self.inside[0]
            ms = (asked_ns - seen_ns) // 1_000_000
            if ms > self.longest.ms:
                self.longest = replace(
                    self.longest, ms=ms, waiting=in_then - out_then, passed=out - out_then,
                    connections=max(near.open_connections, 1),
                )  # fmt: skip
        if into > out:
            self.inside.append((answered_ns, into, out))


class Transit:
    """Samples the hops of a detour on a thread of its own, from `start()` to `stop()`.

    A hop whose gate is shut meanwhile is not measured: what waits there does not wait in Toxiproxy.

    Args:
        detour: Prepared.
        streams: The directions to measure.
    """

    def __init__(self, detour: LaneDetour, streams: Sequence[Stream]) -> None:
        self._detour = detour
        self._streams = tuple(streams)
        self._flows: dict[tuple[str, Stream], _Flow] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="transit", daemon=True)
        self._unmeasured = ""

    def start(self) -> None:
        """Begin. What is on its way in Toxiproxy now is not measured.

        Raises:
            ProxyError: The proxy does not answer.
        """
        self._sample()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._detour.hops.timeout_s + 1)

    @property
    def unmeasured(self) -> str:
        """Why it could not be measured any more; empty when all is well."""
        return self._unmeasured

    def waits(self) -> list[Wait]:
        """The longest wait of each hop and direction, the longest first."""
        flows = list(self._flows.values())
        return sorted((flow.longest for flow in flows if flow.longest.ms), key=lambda wait: -wait.ms)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                self._sample()
            except ProxyError as error:
                self._unmeasured = str(error)
                return

    def _sample(self) -> None:
        asked_ns = time.monotonic_ns()
        states = self._detour.states()
        answered_ns = time.monotonic_ns()
        for near, far in states:
            for stream in self._streams:
                self._take(near, far, stream, asked_ns, answered_ns)

    def _take(self, near: HopState, far: HopState, stream: Stream, asked_ns: int, answered_ns: int) -> None:
        flow = self._flows.setdefault((near.name, stream), _Flow(Wait(hop=near.name, stream=stream)))
        if "withhold" in (near.requests, near.replies):
            flow.inside.clear()
            return
        into, out = _COUNTED[stream](near, far)
        flow.take(asked_ns, answered_ns, into, out, near)


_COUNTED: dict[Stream, Callable[[HopState, HopState], tuple[int, int]]] = {
    "upstream": lambda near, far: (near.bytes_up, far.bytes_up),
    "downstream": lambda near, far: (far.bytes_down, near.bytes_down),
}
"""What has gone into Toxiproxy, and what has come out of it."""
