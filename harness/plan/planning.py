"""Scenario → Plan: cells, seeds, places, and expectations per cell. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from harness.errors import NothingSelectedError, UsageError
from harness.model import UNCOMMITTED_SUFFIX, Isolation, Place, PlaceKind
from harness.plan.model import Cell, Expectation, Plan
from harness.plan.warnings import warnings_of
from harness.scenario.model import App, Scenario, Variant
from harness.scenario.words import did_you_mean, join_hints

WITHOUT_MATRIX = "all"
_SEED_BITS = 31


def make_plan(
    scenario: Scenario, *, only: Sequence[str] = (), repeat: int | None = None, seed: int | None = None
) -> Plan:
    """Decide everything that can be decided before anything runs.

    Args:
        only: `axis=value` texts. Values of one axis are alternatives; several axes must all agree.
        repeat: Instead of the file's; likewise `seed`.

    Raises:
        UsageError: `only` is not of that form.
        NothingSelectedError: It names an axis or a value that the matrix does not have: no cell is like that.
    """
    seed = scenario.seed if seed is None else seed
    wanted = _selection(scenario, only)
    chosen = [v for v in scenario.variants if all(v.axes[axis] in values for axis, values in wanted.items())]
    cells = tuple(_cell(variant, seed) for variant in chosen)
    return Plan(
        scenario=scenario,
        cells=cells,
        warnings=tuple(warnings_of(cells)),
        seed=seed,
        repeat=scenario.repeat if repeat is None else repeat,
    )


def label_of(axes: Mapping[str, str]) -> str:
    """`write=insert`, several axes joined by commas; `all` without a matrix."""
    return ",".join(f"{axis}={value}" for axis, value in axes.items()) or WITHOUT_MATRIX


def places_of(scenario: Scenario) -> tuple[Place, ...]:
    """Every place of a scenario in the order data flows, each topic at both isolation levels."""
    return tuple(place for name in _in_order(scenario) for place in _places(name, scenario))


def _selection(scenario: Scenario, only: Sequence[str]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for text in only:
        axis, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--only {text}: write AXIS=VALUE")
        if axis not in scenario.matrix:
            known = f"axes: {', '.join(scenario.matrix)}" if scenario.matrix else "it has no matrix"
            hint = join_hints(did_you_mean(axis, scenario.matrix), known)
            raise NothingSelectedError(f"--only {text}: {scenario.file} has no axis {axis!r}; {hint}")
        if value not in scenario.matrix[axis]:
            known = f"values: {', '.join(scenario.matrix[axis])}"
            hint = join_hints(did_you_mean(value, scenario.matrix[axis]), known)
            message = f"--only {text}: axis {axis!r} of {scenario.file} has no value {value!r}; {hint}"
            raise NothingSelectedError(message)
        wanted.setdefault(axis, set()).add(value)
    return wanted


def _cell(variant: Variant, seed: int) -> Cell:
    label = label_of(variant.axes)
    expectations = [
        Expectation(index=index, places=expect.places, wanted=expect.wanted, cause=expect.cause, text=expect.text)
        for index, expect in enumerate(variant.scenario.expect)
        if expect.about(variant.axes)
    ]
    return Cell(
        label=label,
        axes=variant.axes,
        scenario=variant.scenario,
        seed=_seed(seed, label),
        places=places_of(variant.scenario),
        expectations=tuple(expectations),
    )


def _seed(seed: int, label: str) -> int:
    """From the plan's seed and the cell's label alone, whatever other cells run."""
    digest = hashlib.sha256(f"{seed} {label}".encode()).digest()
    return int.from_bytes(digest[:8]) >> (64 - _SEED_BITS)


def _in_order(scenario: Scenario) -> Iterator[str]:
    """Every place, each after the one it is fed from; otherwise as the file has them."""
    feeds = {place: app.source for app in scenario.apps.values() if app.source is not None for place in app.writes}

    def depth(name: str) -> int:
        source = feeds.get(name)
        return 0 if source is None else 1 + depth(source)

    yield from sorted(
        [*scenario.topics, *scenario.tables, *scenario.services, *scenario.mailboxes],
        key=depth,
    )


def _places(name: str, scenario: Scenario) -> Iterator[Place]:
    writers = [app for app in scenario.apps.values() if name in app.writes]
    mover: App | None = next((app for app in writers if app.source is not None), None)
    upstream, group = (mover.source, mover.name) if mover else (None, None)
    names = tuple(app.name for app in writers)
    if name not in scenario.topics:
        kind = _kind_outside_kafka(name, scenario)
        yield Place(name=name, kind=kind, resource=name, upstream=upstream, group=group, writers=names)
        return
    partitions = scenario.topics[name].partitions
    for isolation in get_args(Isolation):
        yield Place(
            name=name if isolation == "read_committed" else name + UNCOMMITTED_SUFFIX,
            kind="topic",
            resource=name,
            isolation=isolation,
            partitions=partitions,
            upstream=upstream,
            group=group,
            writers=names,
        )


def _kind_outside_kafka(name: str, scenario: Scenario) -> PlaceKind:
    if name in scenario.tables:
        return "table"
    return "service" if name in scenario.services else "mailbox"
