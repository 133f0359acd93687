"""Link faults without Toxiproxy: a partition of the links that named hops relay."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from faults.errors import FaultError, HealError, ProxyError
from faults.evidence import Evidence
from faults.hops import HopClient
from faults.messages import HopState

Way = Literal["both", "forward", "backward"]
"""forward = what the side that connects sends (requests); backward = what it would receive (replies)."""

How = Literal["withhold", "refuse", "reset"]
"""withhold = bytes are held back and connections stay, as when packets vanish; refuse = connections are closed, and new
ones meet ECONNREFUSED, as when a listener is down; reset = connections are closed, and new ones are accepted and reset
at once, as by a balancer with nothing behind it."""

_CLOSING_S = 2.0

_NOWHERE = "127.0.0.1:1"
"""Nothing listens there. A hop that relays to it accepts, fails to connect, resets its client, and counts that."""


class LinkPartition:
    """Cuts links, and mends them.

    It bit only if bytes were really withheld in a direction that is cut, connections really closed, or new ones really
    reset. A closed listener cannot count whom the kernel turns away, so refusing where no connection is open is no
    bite; resetting counts every attempt, and can be proved there too.

    Several partitions may last at once, of one hop too, but not of the same direction of it: its bytes could not be
    told apart, and the first heal would mend both.

    Args:
        hops: The proxy.
        hop_names: The hops to cut, `lane-3/broker-1` or `link/1-2/INTERNAL`.
        way: For withhold; a refused or reset connection has no direction.
        how: See `How`.

    Raises:
        FaultError: Refuse or reset in one way only, or no hop at all.
    """

    def __init__(self, hops: HopClient, hop_names: Sequence[str], way: Way = "both", how: How = "withhold") -> None:
        if how != "withhold" and way != "both":
            raise FaultError(
                f"a {_DONE[how]} connection has no way {way!r}: use way='both', or how='withhold',"
                f" or name only the hops whose connections are to be {_DONE[how]}"
            )
        if not hop_names:
            raise FaultError("a partition needs at least one hop")
        self._hops = hops
        self._names = tuple(hop_names)
        self._way = way
        self._how = how
        self._cuts = _cuts(way, how)
        self._to_mend: dict[str, Mapping[str, Any]] = {}  # hop → what makes it whole again
        self._fired = 0
        self._counted = False
        self._refused_before = 0
        self._facts: dict[str, Any] = {"how": how, "way": way, "hops": list(self._names)}

    def inject(self) -> None:
        """Cut. On an error, what was cut already is mended again, as far as possible; `heal()` mends the rest.

        Raises:
            ProxyError: The proxy refuses, or does not answer.
            FaultError: It has no such hop, or one of them is cut in this way already.
        """
        before = self._states()
        for state in before:
            if any(getattr(state, setting) == value for setting, value in self._cut_marks.items()):
                raise FaultError(f"{state.name} is cut in this way already: heal the other partition first")
        self._refused_before = sum(state.refused_upstream for state in before)
        try:
            for state in before:
                self._to_mend[state.name] = {setting: getattr(state, setting) for setting in self._cut_marks}
                for change in self._cuts:
                    self._hops.patch_hop(state.name, **change)
        except FaultError:
            self._mend()
            raise
        self._fired, self._counted = self._fired + 1, False
        self._facts["injected_ns"] = time.monotonic_ns()
        self._facts.pop("healed_ns", None)
        if self._how != "withhold":
            self._facts["connections_closed"] = self._closed_since(before)

    def heal(self) -> None:
        """Mend all that can be mended, and read the hops back. May be called twice.

        Raises:
            HealError: A hop is still cut, or cannot be asked; heal again once that has been seen to.
        """
        if not self._to_mend:
            return
        self._count()
        mended = dict(self._to_mend)
        problems = self._mend()
        try:
            states = self._states(tuple(mended))
            problems += [f"{state.name} is still cut" for state in states if not _is(state, mended[state.name])]
        except FaultError as error:
            problems.append(f"its gates cannot be read back: {error}")
        if problems:
            self._to_mend = mended
            raise HealError("the partition is not healed: " + "; ".join(problems))
        self._facts["healed_ns"] = time.monotonic_ns()

    def evidence(self) -> Evidence:
        """What the hops counted between inject and heal; while the partition lasts, as of now."""
        if self._to_mend:
            self._count()
        why = self._why_no_bite()
        return Evidence(fired=self._fired, bit=not why, facts=dict(self._facts), why=why)

    @property
    def _cut_marks(self) -> Mapping[str, Any]:
        """The settings of a hop that is cut in this way."""
        return self._cuts[-1] if self._how != "reset" else {"upstream": _NOWHERE}

    def _mend(self) -> list[str]:
        """Undo only what this partition did: another may hold the other gate. Returns what went wrong."""
        problems, remaining = [], {}
        for name, whole in self._to_mend.items():
            try:
                self._hops.patch_hop(name, **whole)
            except ProxyError as error:
                problems.append(f"{name}: {error}")
                remaining[name] = whole
        self._to_mend = remaining
        return problems

    def _count(self) -> None:
        """Keep the hops' counters; a proxy that does not answer leaves what was counted before."""
        if not self._fired or self._how == "refuse":
            return
        try:
            states = self._states()
        except FaultError:
            return
        if self._how == "reset":
            self._facts["connections_reset"] = sum(state.refused_upstream for state in states) - self._refused_before
        else:
            self._facts["bytes_withheld_up"] = sum(state.withheld_up for state in states)
            self._facts["bytes_withheld_down"] = sum(state.withheld_down for state in states)
        self._counted = True

    def _closed_since(self, before: Sequence[HopState]) -> int:
        """How many of the connections that were open have been closed; those that came since are told apart."""
        deadline = time.monotonic() + _CLOSING_S
        while (still := self._still_open(before)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return sum(state.open_connections for state in before) - still

    def _still_open(self, before: Sequence[HopState]) -> int:
        accepted = {state.name: state.accepted for state in before}
        return sum(max(state.open_connections - (state.accepted - accepted[state.name]), 0) for state in self._states())

    def _states(self, names: Sequence[str] = ()) -> list[HopState]:
        states = {state.name: state for state in self._hops.hops()}
        wanted = names or self._names
        missing = [name for name in wanted if name not in states]
        if missing:
            raise FaultError(f"eosproxy at {self._hops.url} has no hop {', '.join(map(repr, missing))}")
        return [states[name] for name in wanted]

    def _why_no_bite(self) -> str:
        if not self._fired:
            return "the partition was never injected"
        return self._why_nothing_waited() if self._how == "withhold" else self._why_nobody_was_turned_away()

    def _why_nothing_waited(self) -> str:
        if not self._counted:
            return "the withheld bytes could not be counted: eosproxy did not answer"
        up, down = self._facts["bytes_withheld_up"], self._facts["bytes_withheld_down"]
        if (up and self._way != "backward") or (down and self._way != "forward"):
            return ""
        return "not a byte was sent on these links while they were cut"

    def _why_nobody_was_turned_away(self) -> str:
        if self._facts.get("connections_closed") or self._facts.get("connections_reset"):
            return ""
        if self._how == "refuse":
            return (
                "no connection was open when the hops began to refuse, so that nobody was seen to be cut off"
                " (how='reset' counts new connections too)"
            )
        if not self._counted:
            return "the connections that were reset could not be counted: eosproxy did not answer"
        return "no connection was open when the links were cut, and nobody tried to connect"


_DONE = {"refuse": "refused", "reset": "reset"}


def _cuts(way: Way, how: How) -> Sequence[Mapping[str, Any]]:
    """What of a hop is changed, one after another, as `HopClient.patch_hop` takes it."""
    if how == "refuse":
        return [{"enabled": False}]
    if how == "reset":
        return [{"enabled": False}, {"enabled": True, "upstream": _NOWHERE}]
    ways = {"forward": ("requests",), "backward": ("replies",), "both": ("requests", "replies")}
    return [dict.fromkeys(ways[way], "withhold")]


def _is(state: HopState, settings: Mapping[str, Any]) -> bool:
    return all(getattr(state, setting) == value for setting, value in settings.items())
