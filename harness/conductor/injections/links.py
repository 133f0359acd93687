"""Partitions and toxics: something on links that lasts a while."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from faults import Bandwidth as BandwidthToxic
from faults import Evidence, FaultError, LaneDetour, LinkDetour, LinkLatency, LinkPartition, LinkReset, Way
from faults import Latency as LaneLatency
from faults import Reset as LaneReset
from faults import Slicing as SlicingToxic
from harness.conductor.injections.base import SingleInjection
from harness.conductor.injections.stage import Stage
from harness.conductor.triggers import Hit
from harness.scenario.model import (
    AppTarget,
    Bandwidth,
    Latency,
    Partition,
    RoleTarget,
    Sides,
    Slicing,
    SlowLink,
    Target,
)

_OPPOSITE: dict[Way, Way] = {"both": "both", "forward": "backward", "backward": "forward"}


class _LinkFault(Protocol):
    def inject(self) -> None: ...

    def heal(self) -> None: ...

    def evidence(self) -> Evidence: ...


class _WindowInjection(SingleInjection):
    """Something on links that lasts a while. What it consists of is decided when it acts."""

    def __init__(self, fault: Partition | SlowLink, stage: Stage) -> None:
        self._length = stage.lasting(fault.for_s, fault.until)
        super().__init__(fault, stage, lasting=self._length)
        self._parts: Sequence[_LinkFault] = ()

    def _inject(self, hit: Hit) -> None:
        self.busy = True
        self._parts = self._made()
        for part in self._parts:
            part.inject()
        self._length.begin()
        self._trigger.release(deliver=self._delivers)

    @property
    def _delivers(self) -> bool:
        """What becomes of the frame that was held at the beginning."""
        return True

    def _heal(self) -> None:
        for part in self._parts:
            part.heal()
        self.busy = False

    @abstractmethod
    def _made(self) -> Sequence[_LinkFault]: ...

    def _evidence(self) -> Sequence[Evidence]:
        return [part.evidence() for part in self._parts]

    def _any_is_enough(self) -> Sequence[Evidence]:
        """An idle link shows nothing, and is hit all the same: one that was not idle proves it for all."""
        parts = [part.evidence() for part in self._parts]
        if any(part.bit for part in parts):
            return [Evidence(fired=part.fired, bit=True, facts=part.facts) for part in parts]
        return parts


class LinkCut(_WindowInjection):
    """A partition. It bit if bytes were withheld or connections refused on at least one of its hops."""

    def __init__(self, fault: Partition, stage: Stage) -> None:
        super().__init__(fault, stage)
        self._fault = fault

    @property
    def _delivers(self) -> bool:
        return self._fault.how == "withhold"  # else its connection is closed with the others: it is lost with them

    def _made(self) -> Sequence[LinkPartition]:
        there, back = self._stage.reach.hops_between(*self._fault.between)
        way: Way = self._fault.way
        return [
            LinkPartition(self._stage.hops, names, way=each, how=self._fault.how)
            for names, each in ((there, way), (back, _OPPOSITE[way]))
            if names
        ]

    def _evidence(self) -> Sequence[Evidence]:
        return self._any_is_enough()


class LinkSlow(_WindowInjection):
    """A toxic, on ways that lead through Toxiproxy since before the apps connected."""

    def __init__(self, fault: SlowLink, stage: Stage) -> None:
        super().__init__(fault, stage)
        self._fault = fault
        self._toxic_name = f"{fault.kind}.{stage.rule_id()}"

    def _prepare(self) -> None:
        target, reach, detours = self._fault.target, self._stage.reach, self._stage.detours
        if isinstance(target, tuple):
            detours.prepare_links(reach.possible_links(target))
        else:
            for lane, names in reach.lanes_to(target).items():
                detours.prepare(lane, names)
        super()._prepare()

    def _made(self) -> Sequence[_LinkFault]:
        target, detours = self._fault.target, self._stage.detours
        if isinstance(target, tuple):
            return [self._toxic(detours.view_links(self._links(target)))]
        return [self._toxic(detours.view(lane, names)) for lane, names in self._lanes(target).items() if names]

    def _links(self, sides: Sides) -> list[str]:
        names = self._stage.reach.links_between(sides)
        if not names:
            raise FaultError("both sides are the same broker: it has no link to itself")
        return names

    def _lanes(self, target: Target) -> dict[int, list[str]]:
        if not isinstance(target, RoleTarget):
            return self._stage.reach.lanes_to(target)
        leading = f"/broker-{self._stage.reach.node_of(target)}"
        found = self._stage.reach.lanes_to(target)
        return {lane: [name for name in names if name.endswith(leading)] for lane, names in found.items()}

    def _toxic(self, detour: LaneDetour) -> _LinkFault:
        match self._fault:
            case Latency(delay_ms=delay_ms, jitter_ms=jitter_ms) if isinstance(detour, LinkDetour):
                return LinkLatency(detour, delay_ms, jitter_ms, name=self._toxic_name)
            case Latency(delay_ms=delay_ms, jitter_ms=jitter_ms):
                return LaneLatency(detour, delay_ms, jitter_ms, name=self._toxic_name)
            case Bandwidth(rate_kb_s=rate):
                return BandwidthToxic(detour, rate, name=self._toxic_name)
            case Slicing(size=size, delay_ms=delay_ms):
                return SlicingToxic(detour, size, delay_ms, name=self._toxic_name)
            case _ if isinstance(detour, LinkDetour):
                return LinkReset(detour, name=self._toxic_name)
            case _:
                return LaneReset(detour, self._stage.stream, name=self._toxic_name)

    def _evidence(self) -> Sequence[Evidence]:
        if isinstance(self._fault.target, AppTarget):
            return super()._evidence()
        return self._any_is_enough()

    def clear(self) -> None:
        self._stage.detours.remove()
