"""Whom a scenario's words mean: which hops are between two sides."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from harness.conductor.injections.reach import Reach
from harness.conductor.names import Names
from harness.scenario.model import Scenario
from harness.scenario.targets import parse_brokers, parse_end, parse_side
from harness.topology import Topology
from tests.unit.scenario.texts import WITH_SERVICES, scenario

TOPOLOGY = Topology(20)
LANES = {
    ("producer", 1): 0,
    ("processor", 1): 1,
    ("processor", 2): 2,
    ("sink", 1): 3,
    ("caller", 1): 4,
    ("mailer", 1): 5,
}


@dataclass
class Lanes:
    """The processes of a repeat, as far as lanes go."""

    instances: list[Any]

    def of(self, app: str, number: int | None = None) -> list[Any]:
        return [each for each in self.instances if each.app == app and number in (None, each.number)]


@pytest.fixture
def reach() -> Reach:
    instances = [
        SimpleNamespace(app=app, number=number, lane=SimpleNamespace(index=index))
        for (app, number), index in LANES.items()
    ]
    environment: Any = SimpleNamespace(topology=TOPOLOGY)
    processes: Any = Lanes(instances)
    read: Scenario = scenario(**WITH_SERVICES)
    return Reach(environment, processes, read, Names("k3f9-1-1"))


def links(*pairs: str) -> set[str]:
    return {f"link/{pair}/{listener}" for pair in pairs for listener in ("INTERNAL", "CONTROLLER")}


@pytest.mark.parametrize(
    ("first", "second", "there", "back"),
    [
        ("producer", "brokers", {"lane-0/broker-1", "lane-0/broker-2", "lane-0/broker-3"}, set()),
        ("broker 2", "processor#2", set(), {"lane-2/broker-2"}),
        ("sink", "database", {"lane-3/postgres"}, set()),
        ("processor", "service billing", {"lane-1/rest", "lane-2/rest"}, set()),
        ("services", ["mailer", "caller"], set(), {"lane-5/rest", "lane-5/smtp", "lane-4/rest", "lane-4/smtp"}),
        ("broker 1", ["broker 2", "broker 3"], links("1-2", "1-3"), links("2-1", "3-1")),
        ("broker 1", "brokers", links("1-2", "1-3"), links("2-1", "3-1")),
        (["broker 1", "broker 2"], "broker 3", links("1-3", "2-3"), links("3-1", "3-2")),
        (["broker 1", "processor#1"], "broker 3", links("1-3") | {"lane-1/broker-3"}, links("3-1")),
    ],
)
def test_the_hops_between_two_sides(
    reach: Reach, first: str | list[str], second: str | list[str], there: set[str], back: set[str]
) -> None:
    found = reach.hops_between(parse_side(first), parse_side(second))
    assert tuple(map(set, found)) == (there, back)
    assert [len(each) for each in found] == [len(there), len(back)], "none twice"
    turned = reach.hops_between(parse_side(second), parse_side(first))
    assert tuple(map(set, turned)) == (back, there)


def test_the_rest_is_everybody_else(reach: Reach) -> None:
    there, back = reach.hops_between(parse_side("broker 1"), parse_side("rest"))
    assert set(there) == links("1-2", "1-3")
    assert set(back) == links("2-1", "3-1") | {f"lane-{lane}/broker-1" for lane in LANES.values()}
    there, back = reach.hops_between(parse_side(["sink", "mailer"]), parse_side("rest"))
    ends = ("broker-1", "broker-2", "broker-3", "postgres", "rest", "smtp")
    assert set(there) == {f"lane-{lane}/{end}" for lane in (3, 5) for end in ends}
    assert back == []


@pytest.mark.parametrize(
    ("target", "lanes"),
    [
        ("processor#2", {2: {"broker-1", "broker-2", "broker-3"}}),
        ("broker 3", {lane: {"broker-3"} for lane in LANES.values()}),
        ("leader of orders-0", {lane: {"broker-1", "broker-2", "broker-3"} for lane in LANES.values()}),
        ("database", {3: {"postgres"}}),
        ("service billing", {1: {"rest"}, 2: {"rest"}}),
        ("service audit", {4: {"rest"}}),
        ("mailbox outbox", {5: {"smtp"}}),
    ],
)
def test_the_ways_that_a_toxic_lengthens(reach: Reach, target: str, lanes: dict[int, set[str]]) -> None:
    expected = {lane: {f"lane-{lane}/{end}" for end in ends} for lane, ends in lanes.items()}
    assert {lane: set(names) for lane, names in reach.lanes_to(parse_end(target)).items()} == expected


@pytest.mark.parametrize(
    ("sides", "possible"),
    [
        (("broker 1", "broker 2"), links("1-2", "2-1")),
        (("broker 3", "brokers"), links("3-1", "3-2", "1-3", "2-3")),
        (("leader of orders-0", "broker 2"), links("1-2", "3-2", "2-1", "2-3")),
        (("quorum leader", "brokers"), links("1-2", "1-3", "2-1", "2-3", "3-1", "3-2")),
    ],
)
def test_the_links_between_brokers_that_a_toxic_may_lengthen(
    reach: Reach, sides: tuple[str, str], possible: set[str]
) -> None:
    first, second = map(parse_brokers, sides)
    found = reach.possible_links((first, second))
    assert (set(found), len(found)) == (possible, len(possible))
    if "leader" not in str(sides):
        assert reach.links_between((first, second)) == found


def test_steps_are_named_as_they_are_on_the_wire() -> None:
    names = Names("k3f9-1-1")
    assert str(names.step("EndTxn(commit, processor-1)")) == "EndTxn(commit, processor-1.k3f9-1-1)"
    produce = names.step("Produce(orders-0)")
    assert (produce.topic, produce.partition) == ("orders.k3f9-1-1", 0)
    assert names.step("POST(/billing)").path == "/billing.k3f9-1-1"
    assert str(names.step("commit")) == "commit"
