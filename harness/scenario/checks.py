"""What a scenario means beyond its grammar: every name refers to something, and nothing contradicts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import Problem
from harness.scenario.document import Path, View
from harness.scenario.faults import Delay, Fault, Hold, Lose
from harness.scenario.grammar import LANES_MAX, ExpectEntry
from harness.scenario.model import App, Expect, Table, Topic
from harness.scenario.places import can_occur, place_kinds
from harness.scenario.properties import Role, check_property
from harness.scenario.steps import steps_of
from harness.scenario.triggers import Acked, AppTarget, AtStep, did_you_mean, join_hints, shown


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a scenario that the grammar accepted, by the path they stand at.

    Names of refused entries are still names: `names` has all of each section.
    """

    names: Mapping[str, tuple[str, ...]]
    topics: Mapping[str, Topic]
    tables: Mapping[str, Table]
    apps: Mapping[str, App]
    faults: Mapping[int, Fault]
    expect: Mapping[int, Expect]
    axes: Mapping[str, tuple[str, ...]]
    complete: bool


def check(draft: Draft, view: View) -> Iterator[Problem]:
    """Every problem of meaning in `draft`."""
    yield from _check_names(draft, view)
    for app in draft.apps.values():
        yield from _check_links(app, draft, view)
        yield from _check_properties(app, view)
    if draft.complete:
        yield from _check_flow(draft, view)
    yield from _check_lanes(draft, view)
    for index, fault in draft.faults.items():
        yield from _check_targets(("faults", index), fault, draft, view)
        yield from _check_trigger(("faults", index, "at"), fault, draft, view)
    yield from _check_fault_labels(draft, view)
    for index, expect in draft.expect.items():
        yield from _check_expect(("expect", index), expect, draft, view)
