"""What all faults by Toxiproxy have in common: toxics on every hop of a detour, for a while."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from faults.detours import Detour, LaneDetour
from faults.errors import FaultError, HealError, ProxyRefusedError
from faults.evidence import Evidence
from faults.toxics import Stream

_PASSING_S = 0.05
"""How long a frame may be on its way from Toxiproxy to a hop: what left before a toxic was there has arrived then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """One toxic, as Toxiproxy takes it; its attributes are Toxiproxy's own."""

    name: str
    kind: str
    attributes: dict[str, int]
    stream: Stream


class ToxicFault(ABC):
    """Toxics on all hops of a prepared detour.

    It bit only if its effect was measured between inject and heal, and the toxics were still there, unchanged, at its
    end.

    Args:
        detour: Prepared before the app connected.
        toxics: What to add on each hop.
        facts: What was asked for, as evidence.
    """

    what: str
    """The fault in a word, for messages."""

    def __init__(self, detour: LaneDetour, toxics: Sequence[Toxic], facts: dict[str, Any]) -> None:
        self._detour = detour
        self._toxics = tuple(toxics)
        self._fired = 0
        self._added: list[tuple[Detour, Toxic]] = []
        self._changed = ""
        self._facts: dict[str, Any] = {**detour.facts, **facts}

    def inject(self) -> None:
        """Add the toxics on all hops, and begin to measure. On an error no hop has them, as far as that can be.

        Raises:
            ToxicError: Toxiproxy lists something else than was asked for.
            ProxyError: No detour was prepared, or Toxiproxy does not answer.
        """
        try:
            for detour in self._detour.detours:
                for toxic in self._toxics:
                    self._add(detour, toxic)
            time.sleep(_PASSING_S)
            self._begin()
        except FaultError:
            self._take_back()
            raise
        self._fired += 1
        self._facts["injected_ns"] = time.monotonic_ns()
        self._facts.pop("healed_ns", None)

    def heal(self) -> None:
        """Remove the toxics everywhere; what they held back goes on at once. May be called twice.

        Raises:
            HealError: One is still there somewhere; heal again once that has been seen to.
        """
        if not self._added:
            return
        self._observe_all()
        problems = self._take_back()
        if problems:
            raise HealError(f"the {self.what} of {self._detour.lane} is not healed: " + "; ".join(problems))
        self._end()
        self._facts["healed_ns"] = time.monotonic_ns()

    def evidence(self) -> Evidence:
        """What was measured between inject and heal; while it lasts, until now."""
        if self._added:
            self._observe_all()
        remade = sum(self._detour.toxics.remade(detour.proxy) for detour in self._detour.detours)
        facts = {**self._facts, **self._measured(), "proxies_made_anew": remade}
        why = self._why()
        return Evidence(fired=self._fired, bit=not why, facts=facts, why=why)

    @abstractmethod
    def _begin(self) -> None:
        """Begin to measure."""

    @abstractmethod
    def _observe(self) -> None:
        """Measure until now."""

    @abstractmethod
    def _measured(self) -> dict[str, Any]:
        """What was measured so far, as evidence."""

    @abstractmethod
    def _why_no_bite(self) -> str:
        """Why what was measured proves nothing; empty when it proves the bite."""

    def _end(self) -> None:
        """It is healed: end what measures."""
        return

    def _why(self) -> str:
        if not self._fired:
            return f"the {self.what} was never injected"
        if self._changed:
            return f"the {self.what} did not last: {self._changed}"
        return self._why_no_bite()

    def _observe_all(self) -> None:
        """What is measured, and whether the toxics are as they were asked for."""
        if not self._fired:
            return
        self._changed = ""
        self._observe()
        try:
            for detour in dict.fromkeys(detour for detour, _ in self._added):
                self._detour.toxics.check(detour.proxy)
        except FaultError as error:
            self._changed = str(error)

    def _add(self, detour: Detour, toxic: Toxic) -> None:
        self._added.append((detour, toxic))
        try:
            self._detour.toxics.add(detour.proxy, toxic.name, toxic.kind, toxic.attributes, toxic.stream)
        except ProxyRefusedError:  # a toxic of this name is another's, which we must not remove
            self._added.pop()
            raise

    def _take_back(self) -> list[str]:
        problems, remaining = [], []
        for detour, toxic in self._added:
            try:
                self._detour.toxics.remove_toxic(detour.proxy, toxic.name)
            except FaultError as error:
                problems.append(f"{detour.hop}: {error}")
                remaining.append((detour, toxic))
        self._added = remaining
        return problems
