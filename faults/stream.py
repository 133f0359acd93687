"""eosproxy's events as they happen, handed to whoever waits for them."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType

from faults.errors import FaultError, ProxyError, ProxyFailedError, ProxyGoneError, ProxyRefusedError
from faults.hops import FollowedEvents, HopClient
from faults.messages import HopEvent

Sink = Callable[[HopEvent], None]
"""Gets events on the reader's thread, so it must return at once: `queue.SimpleQueue().put` is one."""

_RETRY_S = 0.05

_log = logging.getLogger(__name__)


class EventStream:
    """Follows the events of one eosproxy on a thread of its own.

    Use it as a context manager. It begins with the events after its start; every event goes to the sinks of its rule
    and to those of all events. When the connection breaks, it connects again where it left off. The proxy is *gone*
    when that fails for `gone_after_s`, and at once when another one answers (rules, hops and holds are lost) or what
    answers is no eosproxy.

    Args:
        hops: The proxy.
        gone_after_s: How long to try to connect again.
        idle_s: After so long a silence the connection is made anew: that is how a hanging proxy is noticed.
    """

    def __init__(self, hops: HopClient, *, gone_after_s: float = 3.0, idle_s: float = 5.0) -> None:
        self._hops = hops
        self._gone_after_s = gone_after_s
        self._idle_s = idle_s
        self._sinks: dict[str | None, list[Sink]] = defaultdict(list)
        self._closing = threading.Event()
        self._followed: FollowedEvents | None = None
        self._gone: FaultError | None = None
        self._last = 0  # all events up to here have been handed out
        self._lost = 0
        self._moved = threading.Condition()  # guards the sinks; notified when `_last` or `_gone` changes
        self._thread = threading.Thread(target=self._run, name="eosproxy-events", daemon=True)

    @property
    def lost(self) -> int:
        """How many events were lost because the proxy's bounded log overflowed before they were read."""
        return self._lost

    @property
    def gone(self) -> FaultError | None:
        """Why no more events will come; None while all is well."""
        return self._gone

    def check(self) -> None:
        """
        Raises:
            ProxyGoneError: No more events will come.
        """
        if self._gone is not None:
            raise ProxyGoneError(str(self._gone)) from self._gone

    def start(self) -> None:
        """Begin to follow; events from now on are seen.

        Raises:
            ProxyError: The proxy does not answer.
        """
        self._last = self._hops.health().events
        self._thread.start()

    def close(self) -> None:
        """End the thread. Sinks get nothing any more."""
        self._closing.set()
        followed = self._followed
        if followed is not None:
            followed.stop()
        if self._thread.is_alive():
            self._thread.join(self._idle_s + self._hops.timeout_s)

    def subscribe(self, rule: str | None, sink: Sink) -> None:
        """Send the events of a rule (None: every event) to a sink."""
        with self._moved:
            self._sinks[rule].append(sink)

    def unsubscribe(self, rule: str | None, sink: Sink) -> None:
        """The sink gets nothing more; it is no error if it got nothing before."""
        with self._moved:
            sinks = self._sinks[rule]
            if sink in sinks:
                sinks.remove(sink)
            if not sinks:
                del self._sinks[rule]

    def catch_up(self, timeout_s: float) -> bool:
        """Wait until every event that the proxy has logged by now is with its sinks.

        Returns:
            False when that takes longer than `timeout_s`, or the proxy is gone.
        """
        try:
            newest = self._hops.health().events
        except ProxyError:
            return False
        with self._moved:
            self._moved.wait_for(lambda: self._last >= newest or self._gone is not None, timeout_s)
            return self._last >= newest

    def __enter__(self) -> EventStream:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            gone = self._follow_until_gone()
        except Exception as error:  # whoever waits for an event must learn that none will come
            _log.exception("the reader of eosproxy's events failed")
            gone = ProxyGoneError(f"the reader of eosproxy's events failed: {error!r}")
        with self._moved:
            self._gone = gone
            self._moved.notify_all()

    def _follow_until_gone(self) -> FaultError | None:
        """None when the stream was closed."""
        failing_since: float | None = None
        while not self._closing.is_set():
            try:
                self._refuse_a_stranger()
                failing_since = None
                self._follow()
            except (_StrangerError, ProxyRefusedError, ProxyFailedError) as error:
                return error
            except ProxyGoneError as error:
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > self._gone_after_s:
                    return error
            self._closing.wait(_RETRY_S)
        return None

    def _refuse_a_stranger(self) -> None:
        newest = self._hops.health().events
        if newest < self._last:
            raise _StrangerError(
                f"eosproxy at {self._hops.url} was restarted: its hops, rules and holds are lost"
                f" (its newest event is {newest}, event {self._last} was seen before)"
            )

    def _follow(self) -> None:
        with self._hops.follow(self._last, idle_s=self._idle_s) as followed:
            self._followed = followed
            try:
                # Asked before each event: `close()` may have come before there was anything that it could stop.
                while not self._closing.is_set():
                    event = next(followed, None)
                    if event is None:
                        return
                    self._take(event)
            finally:
                self._followed = None

    def _take(self, event: HopEvent) -> None:
        if event.kind == "dropped_events":
            self._lost += event.count
        elif event.seq <= self._last:
            return
        with self._moved:
            sinks = [*self._sinks.get(event.rule, ()), *self._sinks.get(None, ())]
        for sink in sinks:
            try:
                sink(event)
            except Exception:  # one bad sink must not take the events from all others
                _log.exception("a sink of eosproxy's events failed at %s", event)
        with self._moved:
            self._last = max(self._last, event.seq)
            self._moved.notify_all()


class _StrangerError(ProxyGoneError):
    """Another eosproxy answers at the same address."""
