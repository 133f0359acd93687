"""What a scenario means beyond its grammar: every name refers to something, and nothing contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import Problem
from harness.model import Cause, PlaceKind
from harness.scenario.contradictions import contradictions_of, contradictions_of_topic
from harness.scenario.document import Path, View
from harness.scenario.draft import Draft
from harness.scenario.fault_checks import check_faults
from harness.scenario.grammar import EXPECT_WORDS, LANES_MAX
from harness.scenario.model import App, Expect, Topic
from harness.scenario.places import PLACE_SECTIONS, can_occur, covered_places, kinds_of_names, place_kinds
from harness.scenario.properties import Role, check_property, check_topic_property
from harness.scenario.targets import RESERVED
from harness.scenario.words import did_you_mean, join_hints, shown


def check(draft: Draft, view: View) -> Iterator[Problem]:
    """Every problem of meaning in `draft`."""
    yield from _check_names(draft, view)
    for app in draft.apps.values():
        yield from _check_links(app, draft, view)
        yield from _check_keys(app, draft, view)
        yield from _check_properties(app, view)
    for name, topic in draft.topics.items():
        yield from _check_config(name, topic, view)
    if draft.complete:
        yield from _check_flow(draft, view)
    yield from _check_lanes(draft, view)
    yield from check_faults(draft, view)
    for index, expect in draft.expect.items():
        yield from _check_expect(("expect", index), expect, draft, view)


def _check_names(draft: Draft, view: View) -> Iterator[Problem]:
    seen: dict[str, PlaceKind] = {}
    for section, kind in PLACE_SECTIONS.items():
        for name in draft.names[section]:
            if name in seen:
                message = f"{shown(name)} is a {seen[name]} and a {kind}"
                yield view.problem((section, name), message, "give them two names: both are places")
            seen.setdefault(name, kind)
    for name in RESERVED:
        if name in draft.names["apps"]:
            yield view.problem(("apps", name), f"{shown(name)} cannot name an app", "faults use it for something else")


def _check_links(app: App, draft: Draft, view: View) -> Iterator[Problem]:
    if app.source is not None:
        yield from _check_link(("apps", app.name, "from"), app.source, ("topic",), draft, view)
    kinds: tuple[PlaceKind, ...] = ("table", "service", "mailbox") if app.kind == "sink" else ("topic",)
    yield from _check_link(("apps", app.name, "to"), app.target, kinds, draft, view)
    if app.calls is not None:
        yield from _check_link(("apps", app.name, "calls"), app.calls, ("service",), draft, view)
    if app.source == app.target:
        message = f"{app.name} reads what it writes: {shown(app.target)}"
        yield view.problem(("apps", app.name, "to"), message, "give it another topic", at_value=True)


def _check_link(path: Path, name: str, wanted: tuple[PlaceKind, ...], draft: Draft, view: View) -> Iterator[Problem]:
    is_, needed = draft.kind_of(name), " or ".join(wanted)
    if is_ in wanted:
        return
    if is_ is not None:
        hint = "a sink writes a table, service or mailbox; producers and processors write topics, and all read topics"
        yield view.problem(path, f"{shown(name)} is a {is_}, and a {needed} is needed here", hint, at_value=True)
        return
    known = [other for other, kind in kinds_of_names(draft.names).items() if kind in wanted]
    sections = [section for section, kind in PLACE_SECTIONS.items() if kind in wanted]
    choices = f"{', '.join(sections)}: {', '.join(known)}" if known else f"name it under '{sections[0]}'"
    hint = join_hints(did_you_mean(name, known), choices)
    yield view.problem(path, f"there is no {needed} {shown(name)}", hint, at_value=True)


def _check_keys(app: App, draft: Draft, view: View) -> Iterator[Problem]:
    """Keys that mean something only beside others."""
    kinds = draft.kinds_written(app)
    known = all(draft.kind_of(name) for name in app.writes)
    if app.write is not None and known and "table" not in kinds:
        message = f"{app.name} writes no table: 'write' says how rows are written"
        yield view.problem(("apps", app.name, "write"), message, "leave it out")
    if app.idempotency_key and known and "service" not in kinds:
        message = f"{app.name} calls no service: nobody would see its Idempotency-Key"
        yield view.problem(("apps", app.name, "idempotency_key"), message, "leave it out, or name a service")
    if app.commit == "in_transaction":
        return
    if app.group_metadata is not None:
        message = f"{app.name} has no transactions: its group metadata fences nothing"
        yield view.problem(
            ("apps", app.name, "group_metadata"), message, "write commit: in_transaction, or leave it out"
        )
    if app.resume == "transaction":
        message = f"{app.name} has no transactions: its position can be committed in none"
        yield view.problem(("apps", app.name, "resume"), message, "write commit: in_transaction, or resume: state")


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
        for place in app.writes:
            writers.setdefault(place, []).append(app)
    for section, kind in PLACE_SECTIONS.items():
        for name in draft.names[section]:
            if name not in writers:
                message = f"nobody writes the {kind} {shown(name)}"
                yield view.problem((section, name), message, f"name it in an app's 'to', or remove it from '{section}'")
    for target, apps in writers.items():
        movers = [app for app in apps if app.source is not None]
        if movers and len(apps) > 1:
            rivals = ", ".join(app.name for app in apps)
            message = f"{shown(target)} is written by {rivals}: what arrives there has no single origin"
            key = "to" if apps[-1].target == target else "calls"
            yield view.problem(("apps", apps[-1].name, key), message, "give each its own place", at_value=True)
    upstream = {app.target: app for app in draft.apps.values() if app.source is not None}
    for app in draft.apps.values():
        seen = {app.target}
        origin = app.source
        while origin is not None and origin not in seen and origin in upstream:
            seen.add(origin)
            origin = upstream[origin].source
        if origin is not None and origin == app.target and app.source != app.target:
            message = f"{app.name} closes a circle: what it writes to {shown(app.target)} comes back to it"
            yield view.problem(("apps", app.name, "to"), message, "a pipeline has a beginning", at_value=True)
            return


def _check_lanes(draft: Draft, view: View) -> Iterator[Problem]:
    instances = sum(app.instances for app in draft.apps.values())
    if instances > LANES_MAX:
        message = f"the apps have {instances} instances together"
        yield view.problem(("apps",), message, f"at most {LANES_MAX}: each needs a lane of its own")


def _check_expect(path: Path, expect: Expect, draft: Draft, view: View) -> Iterator[Problem]:
    if not expect.wanted:
        hint = f"name a group or a type, and how often: {', '.join(EXPECT_WORDS)}"
        yield view.problem(path, "this expectation says nothing", hint)
    kinds = place_kinds(draft.names)
    for place in expect.places:
        if place not in kinds:
            hint = join_hints(did_you_mean(place, kinds), f"places: {', '.join(kinds)}")
            yield view.problem((*path, "in"), f"there is no place {shown(place)}", hint, at_value=True)
            continue
        for word in expect.wanted:
            if not can_occur(word, kinds[place]):
                message = f"'{word}' cannot be seen at {shown(place)}, which is a {kinds[place]}"
                yield view.problem((*path, str(word)), message, "leave it out")
    if expect.cause is not None and expect.cause not in [*Cause]:
        hint = did_you_mean(expect.cause, [*Cause]) or "docs/ledger.md lists the causes"
        yield view.problem((*path, "cause"), f"there is no cause {shown(expect.cause)}", hint, at_value=True)
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
    kinds = place_kinds(draft.names)
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
