"""Link faults without Toxiproxy: a partition of the links that named hops relay."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from faults.errors import FaultError, HealError, ProxyError
from faults.evidence import Evidence
from faults.hops import HopClient, HopState

Way = Literal["both", "forward", "backward"]
"""forward = what the side that connects sends (requests); backward = what it would receive (replies)."""

How = Literal["withhold", "refuse"]
"""withhold = bytes are held back and connections stay, as when packets vanish; refuse = ECONNREFUSED, as when a
listener is down."""

_CLOSING_S = 2.0

_WHOLE: Mapping[str, Any] = {"enabled": True, "requests": "pass", "replies": "pass"}


class LinkPartition:
    """Cuts links, and mends them.

    It bit only if bytes were really withheld in a direction that is cut, or connections really closed. (A closed
    listener cannot count whom the kernel turns away: a refusal with no connection open at its beginning is no bite.)

    Several partitions may last at once, of one hop too, but not of the same direction of it: its bytes could not be
    told apart, and the first heal would mend both.

    Args:
        hops: The proxy.
        hop_names: The hops to cut, `lane-3/broker-1` or `link/1-2/INTERNAL`.
        way: For withhold; a refused connection has no direction.
        how: See `How`.

    Raises:
        FaultError: Refuse in one way only, or no hop at all.
    """

    def __init__(self, hops: HopClient, hop_names: Sequence[str], way: Way = "both", how: How = "withhold") -> None:
        if how == "refuse" and way != "both":
            raise FaultError(
                f"a refused connection has no way {way!r}: use way='both', or how='withhold',"
                " or name only the hops whose connections are to be refused"
            )
        if not hop_names:
            raise FaultError("a partition needs at least one hop")
        self._hops = hops
        self._names = tuple(hop_names)
        self._way = way
        self._how = how
        self._cut: Mapping[str, Any] = _cut_settings(way, how)
        self._to_mend: list[str] = []
        self._fired = 0
        self._counted = False
        self._facts: dict[str, Any] = {"how": how, "way": way, "hops": list(self._names)}

    def inject(self) -> None:
        """Cut. On an error, what was cut already is mended again, as far as possible; `heal()` mends the rest.

        Raises:
            ProxyError: The proxy refuses, or does not answer.
            FaultError: It has no such hop, or one of them is cut in this way already.
        """
        before = self._states()
        for state in before:
            if any(getattr(state, setting) == value for setting, value in self._cut.items()):
                raise FaultError(f"{state.name} is cut in this way already: heal the other partition first")
        try:
            for name in self._names:
                self._to_mend.append(name)
                self._hops.patch_hop(name, **self._cut)
        except FaultError:
            self._mend()
            raise
        self._fired, self._counted = self._fired + 1, False
        self._facts["injected_ns"] = time.monotonic_ns()
        self._facts.pop("healed_ns", None)
        if self._how == "refuse":
            self._facts["connections_closed"] = self._closed_since(before)

    def heal(self) -> None:
        """Mend all that can be mended, and read the gates back. May be called twice.

        Raises:
            HealError: A hop is still cut, or cannot be asked; heal again once that has been seen to.
        """
        if not self._to_mend:
            return
        self._count()
        mended = list(self._to_mend)
        problems = self._mend()
        try:
            problems += [f"{state.name} is still cut" for state in self._states(mended) if not self._is_whole(state)]
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

    def _mend(self) -> list[str]:
        """Undo only what this partition did: another may hold the other gate. Returns what went wrong."""
        whole = {setting: _WHOLE[setting] for setting in self._cut}
        problems, remaining = [], []
        for name in self._to_mend:
            try:
                self._hops.patch_hop(name, **whole)
            except ProxyError as error:
                problems.append(f"{name}: {error}")
                remaining.append(name)
        self._to_mend = remaining
        return problems

    def _is_whole(self, state: HopState) -> bool:
        return all(getattr(state, setting) == _WHOLE[setting] for setting in self._cut)

    def _count(self) -> None:
        """Keep the hops' counters; a proxy that does not answer leaves what was counted before."""
        if not self._fired or self._how == "refuse":
            return
        try:
            states = self._states()
        except FaultError:
            return
        self._facts["bytes_withheld_up"] = sum(state.withheld_up for state in states)
        self._facts["bytes_withheld_down"] = sum(state.withheld_down for state in states)
        self._counted = True

    def _closed_since(self, before: Sequence[HopState]) -> int:
        deadline = time.monotonic() + _CLOSING_S
        while (still := sum(state.open_connections for state in self._states())) and time.monotonic() < deadline:
            time.sleep(0.01)
        return sum(state.open_connections for state in before) - still

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
        if self._how == "refuse":
            if self._facts.get("connections_closed"):
                return ""
            return "no connection was open when the hops began to refuse, so that nobody was seen to be cut off"
        if not self._counted:
            return "the withheld bytes could not be counted: eosproxy did not answer"
        up, down = self._facts["bytes_withheld_up"], self._facts["bytes_withheld_down"]
        if (up and self._way != "backward") or (down and self._way != "forward"):
            return ""
        return "not a byte was sent on these links while they were cut"


def _cut_settings(way: Way, how: How) -> dict[str, Any]:
    """What of a hop is changed, as `HopClient.patch_hop` takes it."""
    if how == "refuse":
        return {"enabled": False}
    ways = {"forward": ("requests",), "backward": ("replies",), "both": ("requests", "replies")}
    return dict.fromkeys(ways[way], "withhold")
