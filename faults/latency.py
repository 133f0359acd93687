"""Latency on a lane: Toxiproxy, put between the lane's hops and the brokers before the app connects.

The detour is permanent for the app's life (a connection keeps its path), the delay is not::

    detour = LaneDetour(hops, toxics, "lane-3", [Detour(hop="lane-3/broker-1", listen=…, upstream=…), …])
    detour.prepare()                                    # before the app starts
    latency = LaneLatency(detour, delay_ms=200)
    latency.inject(); …; latency.heal(); latency.evidence()
    detour.remove()                                     # after the app has ended
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from faults.errors import FaultError, HealError, ProxyError, ProxyRefusedError
from faults.evidence import Evidence
from faults.hops import HopClient, Rtt
from faults.toxics import Toxics

_ENOUGH = 0.8
"""How much of the delay the shortest round trip must show: timers are not exact, but a round trip that escaped the
toxic takes a small fraction of it."""

_PASSING_S = 0.05
"""How long a reply may be on its way from Toxiproxy to the hop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """The way of one hop through Toxiproxy.

    Args:
        hop: `lane-3/broker-1`.
        listen: `host:port` where Toxiproxy is to listen for it.
        upstream: `host:port` of the broker, to which the hop goes without the detour.
    """

    hop: str
    listen: str
    upstream: str

    @property
    def proxy(self) -> str:
        """Its name at Toxiproxy, where it is part of a path."""
        return self.hop.replace("/", ".")


class LaneDetour:
    """Leads the hops of one lane through Toxiproxy.

    Args:
        hops: The proxy.
        toxics: The Toxiproxy in it.
        lane: `lane-3`.
        detours: One for each hop of the lane.
    """

    def __init__(self, hops: HopClient, toxics: Toxics, lane: str, detours: Sequence[Detour]) -> None:
        self.hops = hops
        self.toxics = toxics
        self.lane = lane
        self.detours = tuple(detours)
        self._made: list[Detour] = []

    def prepare(self) -> None:
        """Call it before the app connects. On an error everything is as it was.

        Raises:
            ProxyError: An address is taken, there is no such hop, or the lane has a detour already.
        """
        try:
            for detour in self.detours:
                self.toxics.create_proxy(detour.proxy, detour.listen, detour.upstream)
                self._made.append(detour)
                self.hops.patch_hop(detour.hop, upstream=detour.listen)
        except FaultError:
            self._undo()
            raise

    def remove(self) -> None:
        """Lead new connections straight to the brokers again; those through Toxiproxy are closed. May be called twice.

        Raises:
            HealError: Something could not be removed.
        """
        problems = self._undo()
        if problems:
            raise HealError(f"the detour of {self.lane} through Toxiproxy remains: " + "; ".join(problems))

    def _undo(self) -> list[str]:
        """Undo only what this detour did: the lane may have had one already. Returns what went wrong."""
        problems, remaining = [], []
        for detour in self._made:
            try:
                self.hops.patch_hop(detour.hop, upstream=detour.upstream)
                self.toxics.remove_proxy(detour.proxy)
            except FaultError as error:
                problems.append(f"{detour.hop}: {error}")
                remaining.append(detour)
        self._made = remaining
        return problems


class LaneLatency:
    """Delays every reply on a prepared lane, which adds `delay_ms` ± `jitter_ms` to each round trip.

    It bit only if round trips were measured on that lane while it lasted, the shortest of them took at least
    0.8 · (delay - jitter), and the toxics were still there, unchanged, at its end.

    Args:
        detour: Prepared before the app connected.
        delay_ms: Mean delay.
        jitter_ms: Less than the delay.
        name: Of the toxics; two latencies at once on one lane need two names.

    Raises:
        FaultError: No delay, or a jitter that could swallow it.
    """

    def __init__(self, detour: LaneDetour, delay_ms: int, jitter_ms: int = 0, name: str = "latency") -> None:
        if not 0 <= jitter_ms < delay_ms:
            raise FaultError(
                f"a latency of {delay_ms} ms ± {jitter_ms} ms cannot be proved:"
                " the delay must be above 0 and above its jitter"
            )
        self._detour = detour
        self._delay_ms = delay_ms
        self._jitter_ms = jitter_ms
        self._name = name
        self._fired = 0
        self._slow: list[Detour] = []
        self._window: Rtt | None = None
        self._changed = ""
        self._facts: dict[str, Any] = {"lane": detour.lane, "delay_ms": delay_ms, "jitter_ms": jitter_ms}

    def inject(self) -> None:
        """Add the delay on all hops, and begin to measure. On an error no hop has it, as far as that can be.

        Raises:
            ToxicError: Toxiproxy lists something else than was asked for.
            ProxyError: No detour was prepared, or Toxiproxy does not answer.
        """
        try:
            for detour in self._detour.detours:
                self._slow_down(detour)
            # A reply that left Toxiproxy before the toxic was there must not count as one that escaped it.
            time.sleep(_PASSING_S)
            self._detour.hops.reset_rtt(self._detour.lane)
        except FaultError:
            self._take_back()
            raise
        self._fired += 1
        self._facts["injected_ns"] = time.monotonic_ns()
        self._facts.pop("healed_ns", None)

    def heal(self) -> None:
        """Remove the delay everywhere; delayed replies go on at once. May be called twice.

        Raises:
            HealError: It is still there somewhere; heal again once that has been seen to.
        """
        if not self._slow:
            return
        self._observe()
        problems = self._take_back()
        if problems:
            raise HealError(f"the latency of {self._detour.lane} is not healed: " + "; ".join(problems))
        self._facts["healed_ns"] = time.monotonic_ns()

    def evidence(self) -> Evidence:
        """The round trips measured between inject and heal; while it lasts, until now."""
        if self._slow:
            self._observe()
        window, facts = self._window, dict(self._facts)
        if window is not None:
            facts["round_trips"] = window.count
            facts["rtt_min_ms"] = round(window.min_us / 1000, 3)
            facts["rtt_mean_ms"] = round(window.sum_us / window.count / 1000, 3) if window.count else None
            facts["rtt_max_ms"] = round(window.max_us / 1000, 3)
        facts["proxies_made_anew"] = sum(self._detour.toxics.remade(d.proxy) for d in self._detour.detours)
        why = self._why_no_bite(window)
        return Evidence(fired=self._fired, bit=not why, facts=facts, why=why)

    def _slow_down(self, detour: Detour) -> None:
        self._slow.append(detour)
        try:
            self._detour.toxics.add_latency(detour.proxy, self._name, self._delay_ms, self._jitter_ms)
        except ProxyRefusedError:  # a toxic of this name is another's, which we must not remove
            self._slow.remove(detour)
            raise

    def _take_back(self) -> list[str]:
        problems, remaining = [], []
        for detour in self._slow:
            try:
                self._detour.toxics.remove_toxic(detour.proxy, self._name)
            except FaultError as error:
                problems.append(f"{detour.hop}: {error}")
                remaining.append(detour)
        self._slow = remaining
        return problems

    def _observe(self) -> None:
        """The round trips so far, and whether the toxics are as they were asked for."""
        if not self._fired:
            return
        self._window, self._changed = self._measured(), ""
        try:
            for detour in self._slow:
                self._detour.toxics.check(detour.proxy)
        except FaultError as error:
            self._changed = str(error)

    def _measured(self) -> Rtt | None:
        """The lane's window; None when eosproxy does not answer."""
        try:
            states = self._detour.hops.hops()
        except ProxyError:
            return None
        windows = [state.rtt for state in states if state.lane == self._detour.lane and state.rtt.count]
        return Rtt(
            count=sum(window.count for window in windows),
            min_us=min((window.min_us for window in windows), default=0),
            max_us=max((window.max_us for window in windows), default=0),
            sum_us=sum(window.sum_us for window in windows),
        )

    def _why_no_bite(self, window: Rtt | None) -> str:
        if not self._fired:
            return "the latency was never injected"
        if window is None:
            return "the delay could not be measured: eosproxy did not answer"
        if self._changed:
            return f"the delay did not last: {self._changed}"
        if not window.count:
            return f"not one request was answered on {self._detour.lane} while it was slow"
        least_ms = _ENOUGH * (self._delay_ms - self._jitter_ms)
        if window.min_us / 1000 < least_ms:
            return (
                f"a round trip on {self._detour.lane} took only {window.min_us / 1000:.1f} ms, less than"
                f" {least_ms:.0f} ms: not all of it went through Toxiproxy"
            )
        return ""
