"""A hop of a text protocol in front of a real server, and its rules, by nothing but eosproxy's API."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from faults import HopClient
from faults.hops import At, Ending, Rule
from faults.messages import HopEvent, HopProtocol, HopSpec, RuleState

ANSWER_S = 10.0

_names = itertools.count(1)


@dataclass
class TextRule:
    """A rule that is armed."""

    lane: TextLane
    id: str

    def wait(self, kind: str, count: int = 1) -> list[HopEvent]:
        """The first `count` events of a kind. Raises AssertionError when they do not come."""
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            found = [each for each in self.lane.events() if (each.rule, each.kind) == (self.id, kind)]
            if len(found) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(f"no {kind} of {self.id}: {self.lane.events()}")

    def held(self) -> int:
        return self.wait("held")[0].hold

    def state(self) -> RuleState:
        return next(each for each in self.lane.hops.rules() if each.id == self.id)


@dataclass
class TextLane:
    """A lane of one hop."""

    hops: HopClient
    name: str
    protocol: HopProtocol

    @property
    def address(self) -> tuple[str, int]:
        hop = next(each for each in self.hops.hops() if each.name == f"{self.name}/{self.protocol}")
        host, _, port = hop.listen.rpartition(":")
        return host, int(port)

    def events(self) -> list[HopEvent]:
        found: list[HopEvent] = []
        while more := self.hops.events(found[-1].seq if found else 0):
            found += more
        return [each for each in found if each.lane == self.name]

    @contextmanager
    def rule(
        self,
        api: str,
        at: At,
        action: str,
        *,
        path: str | None = None,
        connection: Ending | None = None,
        error: str | None = None,
        nth: int = 1,
        times: int = 1,
    ) -> Iterator[TextRule]:
        """Armed as long as the context."""
        match = {"protocol": self.protocol, "api": api} | ({"path": path} if path else {})
        rule = TextRule(self, f"{self.name}-rule-{next(_names)}")
        self.hops.add_rule(
            Rule(
                id=rule.id, match=[match], at=at, action=action, lanes=[self.name],  # type: ignore[arg-type]
                connection=connection, error=error, nth=nth, times=times,
            )
        )  # fmt: skip
        yield rule
        self.hops.remove_rule(rule.id)


@contextmanager
def text_lane(hops: HopClient, protocol: HopProtocol, upstream: tuple[str, int]) -> Iterator[TextLane]:
    lane = TextLane(hops, f"text-{next(_names)}", protocol)
    hop = f"{lane.name}/{protocol}"
    where = f"{upstream[0]}:{upstream[1]}"
    hops.create_hops([HopSpec(name=hop, lane=lane.name, listen="127.0.0.1:0", upstream=where, protocol=protocol)])
    yield lane
    hops.patch_hop(hop, enabled=False)
