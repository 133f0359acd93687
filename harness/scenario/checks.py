"""What a scenario means beyond its grammar: every name refers to something, and nothing contradicts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import Problem
from harness.scenario.contradictions import contradictions_of, contradictions_of_topic
from harness.scenario.document import Path, View
from harness.scenario.faults import Fault, Latency, Partition
from harness.scenario.grammar import EXPECT_WORDS, LANES_MAX
from harness.scenario.model import App, Expect, Table, Topic
from harness.scenario.places import can_occur, covered_places, place_kinds
from harness.scenario.properties import Role, check_property, check_topic_property
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
    for name, topic in draft.topics.items():
        yield from _check_config(name, topic, view)
    if draft.complete:
        yield from _check_flow(draft, view)
    yield from _check_lanes(draft, view)
    for index, fault in draft.faults.items():
        yield from _check_targets(("faults", index), fault, draft, view)
        yield from _check_trigger(("faults", index, "at"), fault, draft, view)
    yield from _check_fault_labels(draft, view)
    yield from _check_latencies(draft, view)
    for index, expect in draft.expect.items():
        yield from _check_expect(("expect", index), expect, draft, view)


def _check_names(draft: Draft, view: View) -> Iterator[Problem]:
    for name in draft.names["tables"]:
        if name in draft.names["topics"]:
            message = f"{shown(name)} is a topic and a table"
            yield view.problem(("tables", name), message, "give them two names: both are places")
    if "brokers" in draft.names["apps"]:
        yield view.problem(("apps", "brokers"), "'brokers' cannot name an app", "it means all brokers in a partition")


def _check_links(app: App, draft: Draft, view: View) -> Iterator[Problem]:
    topics, tables = draft.names["topics"], draft.names["tables"]
    if app.source is not None:
        yield from _check_link(("apps", app.name, "from"), app.source, "topic", topics, tables, view)
    kind, known, others = ("table", tables, topics) if app.kind == "sink" else ("topic", topics, tables)
    yield from _check_link(("apps", app.name, "to"), app.target, kind, known, others, view)
    if app.source == app.target:
        message = f"{app.name} reads what it writes: {shown(app.target)}"
        yield view.problem(("apps", app.name, "to"), message, "give it another topic", at_value=True)


def _check_link(
    path: Path, name: str, kind: str, known: tuple[str, ...], others: tuple[str, ...], view: View
) -> Iterator[Problem]:
    if name in known:
        return
    if name in others:
        wrong = {"topic": "table", "table": "topic"}[kind]
        hint = "a sink writes a table; producers and processors write topics, and all read topics"
        yield view.problem(path, f"{shown(name)} is a {wrong}, and a {kind} is needed here", hint, at_value=True)
        return
    choices = f"{kind}s: {', '.join(known)}" if known else f"name it under '{kind}s'"
    hint = join_hints(did_you_mean(name, known), choices)
    yield view.problem(path, f"there is no {kind} {shown(name)}", hint, at_value=True)


def _check_properties(app: App, view: View) -> Iterator[Problem]:
    roles: tuple[tuple[Role, Mapping[str, Any]], ...] = (("producer", app.producer), ("consumer", app.consumer))
    refused = [
        ((role, name), *why)
        for role, properties in roles
        for name, value in properties.items()
        if (why := check_property(app.client, role, name, value))
    ]
    # What is refused by itself may look contradictory too.
    for where, message, hint in refused or contradictions_of(app):
        yield view.problem(("apps", app.name, *where), message, hint)


def _check_config(name: str, topic: Topic, view: View) -> Iterator[Problem]:
    refused = [
        (("config", key), *why) for key, value in topic.config.items() if (why := check_topic_property(key, value))
    ]
    for where, message, hint in refused or contradictions_of_topic(topic):
        yield view.problem(("topics", name, *where), message, hint)


def _check_flow(draft: Draft, view: View) -> Iterator[Problem]:
    """Every place is written, and by whom is clear; nothing goes round in a circle."""
    writers: dict[str, list[App]] = {}
    for app in draft.apps.values():
        writers.setdefault(app.target, []).append(app)
    for section in ("topics", "tables"):
        for name in draft.names[section]:
            if name not in writers:
                message = f"nobody writes the {section.removesuffix('s')} {shown(name)}"
                yield view.problem((section, name), message, f"name it in an app's 'to', or remove it from '{section}'")
    for target, apps in writers.items():
        movers = [app for app in apps if app.source is not None]
        if movers and len(apps) > 1:
            rivals = ", ".join(app.name for app in apps)
            message = f"{shown(target)} is written by {rivals}: what arrives there has no single origin"
            yield view.problem(("apps", apps[-1].name, "to"), message, "give each its own place", at_value=True)
    upstream = {app.target: app for app in draft.apps.values() if app.source is not None}
    for app in draft.apps.values():
        seen, place = {app.target}, app.source
        while place is not None and place not in seen and place in upstream:
            seen.add(place)
            place = upstream[place].source
        if place is not None and place == app.target and app.source != app.target:
            message = f"{app.name} closes a circle: what it writes to {shown(app.target)} comes back to it"
            yield view.problem(("apps", app.name, "to"), message, "a pipeline has a beginning", at_value=True)
            return


def _check_lanes(draft: Draft, view: View) -> Iterator[Problem]:
    instances = sum(app.instances for app in draft.apps.values())
    if instances > LANES_MAX:
        message = f"the apps have {instances} instances together"
        yield view.problem(("apps",), message, f"at most {LANES_MAX}: each needs a lane of its own")


def _check_targets(path: Path, fault: Fault, draft: Draft, view: View) -> Iterator[Problem]:
    for index, end in enumerate(fault.ends):
        at = (*path, fault.kind) if len(fault.ends) == 1 else (*path, fault.kind, index)
        if isinstance(end, AppTarget):
            yield from _check_target(at, end, draft, view)
    if isinstance(fault, Partition) and {target.app for target in fault.apps} <= set(draft.names["apps"]):
        yield from _check_between(path, fault, view)


def _check_between(path: Path, fault: Partition, view: View) -> Iterator[Problem]:
    first, second = fault.between
    if len(fault.apps) == 2 or first == second:
        message = f"there is no link between {first} and {second}"
        hint = "links go between an app and brokers, or between two brokers"
        yield view.problem((*path, "partition"), message, hint, at_value=True)


def _check_target(path: Path, target: AppTarget, draft: Draft, view: View) -> Iterator[Problem]:
    apps = draft.names["apps"]
    if target.app not in apps:
        hint = join_hints(did_you_mean(target.app, apps), f"apps: {', '.join(apps)}")
        yield view.problem(path, f"there is no app {shown(target.app)}", hint, at_value=True)
        return
    app = draft.apps.get(target.app)
    if app and target.instance is not None and not 1 <= target.instance <= app.instances:
        has = f"{app.name} has instance 1 only" if app.instances == 1 else f"instances: 1 to {app.instances}"
        yield view.problem(path, f"there is no instance {shown(str(target))}", has, at_value=True)


def _check_trigger(path: Path, fault: Fault, draft: Draft, view: View) -> Iterator[Problem]:
    at = fault.at
    if not isinstance(at, Acked | AtStep) or at.app is None:
        return
    if at.app not in draft.names["apps"]:
        if at.app not in {target.app for target in fault.apps}:  # else it was said at the target
            hint = join_hints(did_you_mean(at.app, draft.names["apps"]), f"apps: {', '.join(draft.names['apps'])}")
            yield view.problem(path, f"there is no app {shown(at.app)}", hint, at_value=True)
        return
    app = draft.apps.get(at.app)
    if app is None:
        return
    if isinstance(at, AtStep):
        if at.step not in steps_of(app):
            what = f"a {app.kind}" + (f" with commit: {app.commit}" if app.commit else " without transactions")
            message = f"{shown(at.step)} never happens in {app.name}, {what}"
            yield view.problem(path, message, f"its steps: {', '.join(sorted(steps_of(app)))}", at_value=True)
    elif app.kind == "sink":
        yield view.problem(
            path, f"{app.name} is a sink: nothing is acknowledged to it", "name the producer", at_value=True
        )
    elif app.kind == "producer" and at.count > app.records:
        message = f"{app.name} sends {app.records} records: {at.count} are never acknowledged"
        yield view.problem(path, message, at_value=True)


def _check_fault_labels(draft: Draft, view: View) -> Iterator[Problem]:
    counts = Counter(fault.label for fault in draft.faults.values())
    for index, fault in draft.faults.items():
        if counts[fault.label] > 1:
            yield view.problem(("faults", index), f"'{fault.label}' stands here twice", "keep one of them")
            return


def _check_latencies(draft: Draft, view: View) -> Iterator[Problem]:
    """One detour through Toxiproxy leads around a lane, and it has one latency."""
    slowed: dict[str, int] = {}
    for index, fault in draft.faults.items():
        if isinstance(fault, Latency):
            if fault.target.app in slowed:
                message = f"'{fault.target.app}' has a latency fault already, in faults[{slowed[fault.target.app]}]"
                yield view.problem(("faults", index), message, "one latency fault an app")
            slowed.setdefault(fault.target.app, index)


def _check_expect(path: Path, expect: Expect, draft: Draft, view: View) -> Iterator[Problem]:
    if not expect.wanted:
        hint = f"name a group or a type, and how often: {', '.join(EXPECT_WORDS)}"
        yield view.problem(path, "this expectation says nothing", hint)
    kinds = place_kinds(draft.names["topics"], draft.names["tables"])
    for place in expect.places:
        if place not in kinds:
            hint = join_hints(did_you_mean(place, kinds), f"places: {', '.join(kinds)}")
            yield view.problem((*path, "in"), f"there is no place {shown(place)}", hint, at_value=True)
            continue
        for word in expect.wanted:
            if not can_occur(word, kinds[place]):
                message = f"'{word}' cannot be seen at {shown(place)}, which is a {kinds[place]}"
                yield view.problem((*path, str(word)), message, "leave it out")
    for axis, values in expect.cell.items():
        yield from _check_axis((*path, "cell", axis), axis, values, draft, view)


def _check_axis(path: Path, axis: str, values: tuple[str, ...], draft: Draft, view: View) -> Iterator[Problem]:
    if axis not in draft.axes:
        known = f"axes: {', '.join(draft.axes)}" if draft.axes else "the file has no matrix"
        yield view.problem(path, f"there is no axis {shown(axis)}", join_hints(did_you_mean(axis, draft.axes), known))
        return
    for value in values:
        if value not in draft.axes[axis]:
            hint = join_hints(did_you_mean(value, draft.axes[axis]), f"values: {', '.join(draft.axes[axis])}")
            yield view.problem(path, f"axis {shown(axis)} has no value {shown(value)}", hint, at_value=True)


def check_coverage(axes: Mapping[str, str], draft: Draft, view: View) -> Iterator[Problem]:
    """A cell and place covered twice: the entries could contradict each other, and types not named must be absent."""
    kinds = place_kinds(draft.names["topics"], draft.names["tables"])
    first: dict[str, int] = {}
    for index, expect in draft.expect.items():
        if not expect.about(axes):
            continue
        twice = [place for place in covered_places(expect.places, kinds) if place in first]
        for place in twice[:1]:
            earlier = view.locations[("expect", first[place])].key[0]
            message = f"{shown(place)} is covered twice in one cell"
            yield view.problem(("expect", index), message, f"first on line {earlier}; join them, or name cells")
        first |= {place: index for place in covered_places(expect.places, kinds) if place not in first}
