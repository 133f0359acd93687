"""What faults mean beyond their grammar: whom they name is there, what they wait for can come, no two are in the way of
each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

from faults.names import Step
from harness.errors import Problem
from harness.scenario.document import Path, View
from harness.scenario.draft import Draft
from harness.scenario.faults import Fault, Lose, Partition, Refuse, Replace, SlowLink
from harness.scenario.model import App
from harness.scenario.steps import OUTSIDE_KAFKA, STEPS_OF_BROKERS, kind_of_step, steps_of
from harness.scenario.targets import (
    RESERVED,
    AllOf,
    AppTarget,
    End,
    RoleTarget,
    ServerTarget,
    Sides,
    is_broker,
    side_text,
)
from harness.scenario.triggers import Acked, AfterFault, AtStep, Trigger
from harness.scenario.words import did_you_mean, join_hints, shown

_PLURALS = {"mailbox": "mailboxes"}
_PROTOCOL_OF_KIND = {"table": "SQL", "service": "HTTP", "mailbox": "SMTP"}


def check_faults(draft: Draft, view: View) -> Iterator[Problem]:
    """Every problem of meaning of the faults in `draft`."""
    for index, fault in draft.faults.items():
        path: Path = ("faults", index)
        yield from _check_ends(path, fault, draft, view)
        for key, trigger in fault.triggers:
            yield from _check_trigger((*path, key), trigger, fault, draft, view)
        yield from _check_answer((*path, "at"), fault, draft, view)
    yield from _check_labels(draft, view)
    yield from _check_names(draft, view)


# -- whom ------------------------------------------------------------------------------------------------------------


def _check_ends(path: Path, fault: Fault, draft: Draft, view: View) -> Iterator[Problem]:
    path = (*path, fault.kind)
    sides = fault.between if isinstance(fault, Partition | SlowLink) else None
    if sides is None:
        yield from _check_end(path, fault.ends[0], draft, view)
        return
    problems = [problem for at, end in _written_ends(path, sides, view) for problem in _check_end(at, end, draft, view)]
    yield from problems or _check_between(path, sides, draft, view)


def _written_ends(path: Path, sides: Sides, view: View) -> Iterator[tuple[Path, End]]:
    for number, side in enumerate(sides):
        at = (*path, number)
        listed = (*at, 0) in view.locations
        yield from (((*at, index) if listed else at, end) for index, end in enumerate(side))


def _check_end(path: Path, end: End, draft: Draft, view: View) -> Iterator[Problem]:
    if isinstance(end, AppTarget):
        yield from _check_app(path, end, draft, view)
    elif isinstance(end, RoleTarget):
        yield from _check_role(path, end, draft, view)
    elif isinstance(end, ServerTarget) and end.kind == "database" and not draft.names["tables"]:
        yield view.problem(
            path, "there is no table: nobody talks to the database", "name one in 'tables'", at_value=True
        )
    elif isinstance(end, ServerTarget) and end.kind != "database":
        known = draft.names["services" if end.kind == "service" else "mailboxes"]
        yield from _unknown(path, end.kind, end.name, known, view)


def _check_app(path: Path, target: AppTarget, draft: Draft, view: View) -> Iterator[Problem]:
    yield from _unknown(path, "app", target.app, draft.names["apps"], view, words=RESERVED)
    app = draft.apps.get(target.app)
    if app and target.instance is not None and not 1 <= target.instance <= app.instances:
        has = f"{app.name} has instance 1 only" if app.instances == 1 else f"instances: 1 to {app.instances}"
        yield view.problem(path, f"there is no instance {shown(str(target))}", has, at_value=True)


def _check_role(path: Path, target: RoleTarget, draft: Draft, view: View) -> Iterator[Problem]:
    if target.role == "leader":
        yield from _check_partition(path, target.name, target.partition, draft, view)
    elif target.role == "group coordinator":
        groups = [app.name for app in draft.apps.values() if app.source is not None]
        yield from _unknown(path, "group", target.name, groups, view)
    elif target.role == "transaction coordinator":
        yield from _unknown(path, "transactional id", target.name, _transactional_ids(draft.apps.values()), view)


def _check_partition(path: Path, topic: str, partition: int | None, draft: Draft, view: View) -> Iterator[Problem]:
    yield from _unknown(path, "topic", topic, draft.names["topics"], view)
    known = draft.topics.get(topic)
    if known and partition is not None and partition >= known.partitions:
        last = known.partitions - 1
        has = f"its partitions: 0 to {last}" if last else f"{topic} has partition 0 only"
        yield view.problem(path, f"there is no partition {topic}-{partition}", has, at_value=True)


def _transactional_ids(apps: Iterable[App]) -> list[str]:
    return [
        f"{app.name}-{instance}"
        for app in apps
        if app.commit == "in_transaction"
        for instance in range(1, app.instances + 1)
    ]


def _unknown(
    path: Path, what: str, name: str, known: Iterable[str], view: View, *, whose: str = "", words: Iterable[str] = ()
) -> Iterator[Problem]:
    """
    Args:
        whose: The app that it would be of.
        words: What else may have been meant.
    """
    known = list(known)
    if name in known:
        return
    several, of = _PLURALS.get(what, f"{what}s"), f" of {whose}" if whose else ""
    choices = f"{several}{of}: {', '.join(known)}" if known else f"there is no {what}{of} at all"
    message = f"{whose} has no {what} {shown(name)}" if whose else f"there is no {what} {shown(name)}"
    yield view.problem(path, message, join_hints(did_you_mean(name, [*known, *words]), choices), at_value=True)


def _check_between(path: Path, sides: Sides, draft: Draft, view: View) -> Iterator[Problem]:
    first, second = sides
    rest = AllOf("rest")
    if rest in first and rest in second:
        yield view.problem(path, "both sides are the rest", "name one of them", at_value=True)
        return
    if any(rest in side and len(side) > 1 for side in sides):
        yield view.problem(path, "'rest' is everybody else already", "write it alone", at_value=True)
        return
    both = [str(end) for end in first if end in second and end != AllOf("brokers")]
    if both:
        yield view.problem(path, f"{both[0]} is on both sides", "a side has no link to itself", at_value=True)
    elif not any(_linked(one, other, draft) for one, other in product(first, second)):
        message = f"there is no link between {side_text(first)} and {side_text(second)}"
        hint = "links go between an app and brokers or what it writes outside Kafka, or between two brokers"
        yield view.problem(path, message, hint, at_value=True)


def _linked(one: End, other: End, draft: Draft) -> bool:
    """Whether anybody of one end talks to anybody of the other."""
    if AllOf("rest") in (one, other):
        return True
    apps = [end for end in (one, other) if isinstance(end, AppTarget)]
    if not apps:
        return is_broker(one) and is_broker(other) and not one == other == AllOf("brokers")
    (opposite,) = [end for end in (one, other) if end is not apps[0]]
    if is_broker(opposite):
        return True
    app = draft.apps.get(apps[0].app)
    return app is None or _writes_to(app, opposite, draft)


def _writes_to(app: App, end: End, draft: Draft) -> bool:
    kinds = draft.kinds_written(app)
    if end == AllOf("services"):
        return not kinds.isdisjoint({"service", "mailbox"})
    if isinstance(end, ServerTarget):
        return "table" in kinds if end.kind == "database" else end.name in app.writes
    return False


# -- when ------------------------------------------------------------------------------------------------------------


def _check_trigger(path: Path, trigger: Trigger, fault: Fault, draft: Draft, view: View) -> Iterator[Problem]:
    if isinstance(trigger, AfterFault):
        known = [other.name for other in draft.faults.values() if other.name]
        yield from _unknown(path, "named fault", trigger.fault, known, view)
        return
    actor = trigger.target if isinstance(trigger, Acked) else trigger.actor if isinstance(trigger, AtStep) else None
    if isinstance(actor, AppTarget):
        if actor not in fault.ends:  # else it was said at the target
            yield from _check_app(path, actor, draft, view)
        app = draft.apps.get(actor.app)
        if app and isinstance(trigger, AtStep):
            yield from _check_step_of_app(path, trigger, app, draft, view)
        elif app and isinstance(trigger, Acked):
            yield from _check_acked(path, trigger, app, view)
    elif isinstance(trigger, AtStep):
        yield from _check_step_of_brokers(path, trigger, draft, view)


def _check_acked(path: Path, trigger: Acked, app: App, view: View) -> Iterator[Problem]:
    if app.kind == "sink":
        message = f"{app.name} is a sink: nothing is acknowledged to it"
        yield view.problem(path, message, "name the producer", at_value=True)
    elif app.kind == "producer" and trigger.count > app.records:
        message = f"{app.name} sends {app.records} records: {trigger.count} are never acknowledged"
        yield view.problem(path, message, at_value=True)


def _check_step_of_app(path: Path, at: AtStep, app: App, draft: Draft, view: View) -> Iterator[Problem]:
    steps = steps_of(app, draft.kinds_written(app))
    if kind_of_step(at.step) in steps:
        yield from _check_selectors(path, Step.parse(at.step), app, draft, view)
        return
    needed = next((kind for kind, own in OUTSIDE_KAFKA.items() if Step.parse(at.step).name in own), None)
    if needed:
        message = f"{shown(at.step)} is {_PROTOCOL_OF_KIND[needed]}, and {app.name} writes no {needed}"
        meant = "its commit in Kafka is 'commit'" if at.step == "COMMIT" else ""
        hint = join_hints(meant, f"its steps: {', '.join(sorted(steps))}")
    else:
        what = f"a {app.kind}" + (f" with commit: {app.commit}" if app.commit else " without transactions")
        message = f"{shown(at.step)} never happens in {app.name}, {what}"
        hint = f"its steps: {', '.join(sorted(steps))}"
    yield view.problem(path, message, hint, at_value=True)


def _check_step_of_brokers(path: Path, at: AtStep, draft: Draft, view: View) -> Iterator[Problem]:
    if at.step not in STEPS_OF_BROKERS:
        message = f"{shown(at.step)} is no step that brokers take towards each other"
        yield view.problem(path, message, f"their steps: {', '.join(sorted(STEPS_OF_BROKERS))}", at_value=True)


def _check_selectors(path: Path, step: Step, app: App, draft: Draft, view: View) -> Iterator[Problem]:
    """Each selector names something that this app deals with."""
    if step.topic is not None:
        own = [name for name in (app.source, app.target) if name in draft.names["topics"]]
        yield from _unknown(path, "topic", step.topic, [name for name in own if name], view, whose=app.name)
        if step.topic in own:
            yield from _check_partition(path, step.topic, step.partition, draft, view)
    if step.transactional_id is not None:
        known = _transactional_ids([app])
        yield from _unknown(path, "transactional id", step.transactional_id, known, view, whose=app.name)
    if step.path is not None:
        services = [f"/{name}" for name in app.writes if name in draft.names["services"]]
        yield from _unknown(path, "path", step.path, services, view, whose=app.name)


# -- how -------------------------------------------------------------------------------------------------------------


def _check_answer(path: Path, fault: Fault, draft: Draft, view: View) -> Iterator[Problem]:
    """Where there is no reply, none can be lost or be an error."""
    if not isinstance(fault, Refuse | Replace | Lose) or not isinstance(fault.target, AppTarget):
        return
    app = draft.apps.get(fault.target.app)
    asks_for_none = app is not None and str(app.producer.get("acks", app.producer.get("request.required.acks"))) == "0"
    if (
        asks_for_none
        and Step.parse(fault.step.step).name == "Produce"
        and (fault.step.when == "after" or isinstance(fault, Refuse))
    ):
        message = f"{fault.target} sends with acks=0: nothing answers its Produce"
        yield view.problem(path, message, "write another step, or acks: 1", at_value=True)


def _check_labels(draft: Draft, view: View) -> Iterator[Problem]:
    counts = Counter(fault.label for fault in draft.faults.values())
    for index, fault in draft.faults.items():
        if counts[fault.label] > 1:
            yield view.problem(("faults", index), f"'{fault.label}' stands here twice", "keep one of them")
            return


def _check_names(draft: Draft, view: View) -> Iterator[Problem]:
    """Each name is one fault's, and no faults wait for each other in a circle."""
    named: dict[str, int] = {}
    for index, fault in draft.faults.items():
        if fault.name in named:
            message = f"two faults are called {shown(fault.name)}"
            hint = f"the other is faults[{named[fault.name]}]"
            yield view.problem(("faults", index, "name"), message, hint, at_value=True)
        elif fault.name:
            named[fault.name] = index
    for index in draft.faults:
        chain = _waits_for(index, named, draft)
        if chain and chain[-1] == index and index == min(chain):
            message = f"{' waits for '.join(str(draft.faults[each].name) for each in (index, *chain))}: none ever acts"
            yield view.problem(("faults", index, "at"), message, "let one of them begin by itself", at_value=True)


def _waits_for(index: int, named: dict[str, int], draft: Draft) -> list[int]:
    """The faults that one waits for, each for the next, up to the first that stands there already."""
    chain: list[int] = []
    here = index
    while True:
        at = draft.faults[here].at
        following = named.get(at.fault) if isinstance(at, AfterFault) else None
        if following is None:
            return chain
        chain.append(following)
        if following == index or chain.count(following) > 1:
            return chain
        here = following
