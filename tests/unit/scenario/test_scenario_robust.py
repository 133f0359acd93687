"""Whatever the file holds, the answer is a scenario or located mistakes: never another exception."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import ScenarioError
from harness.plan import describe, make_plan
from harness.scenario import load, parse
from harness.scenario.faults import KINDS
from tests.unit.scenario.texts import FILE, text

WHOLE = text(
    faults="""
  - {crash: processor, at: before commit 3, restart_after: 1s}
  - {partition: [sink, brokers], at: 5s, for: 1s}""",
    matrix="{write: {insert: {apps.sink.write: insert}, upsert: {apps.sink.write: upsert}}}",
    expect="[{in: invoices_seen, cell: {write: insert}, duplicates: some, losses: none}]",
)
TREE = yaml.safe_load(WHOLE)
_WORDS = (
    "apps faults matrix expect topics tables scenario is producer processor sink at in cell to from orders invoices "
    "for records partitions none some write config consumer brokers isolation.level acks kafka-python in_transaction "
    "apps.sink.write faults.0.at topics.orders processor#1"
)
TEXTS = ["before commit 3", "5s", "100 acked by producer", "broker 1", "", *KINDS, *_WORDS.split()]


def paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield from paths(value, (*path, key))


def put(tree: Any, path: tuple[Any, ...], value: object) -> Any:
    """`tree` with another value at `path`; unchanged where an earlier change took the path away."""
    if not path:
        return value
    node = tree
    try:
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        pass
    return tree


leaves = st.sampled_from(TEXTS) | st.text(max_size=5) | st.integers() | st.floats() | st.booleans() | st.none()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TEXTS), inner, max_size=4),
    max_leaves=20,
)


def answered(written: str) -> None:
    try:
        found = parse(written, FILE)
    except ScenarioError as error:
        assert error.problems
        assert str(error)
    else:
        assert describe(make_plan(found))


@given(st.text())
@example("\ufeffscenario: x\napps: {p: {is: producer, to: t}}\ntopics: {t: {}}")
@example("a: !!binary x\n? b: c")
@example("{" * 5000)
@example("a: *b")
@example("%YAML 3.0\n---\na: b")
@example("a: 0b")
@example("a: '\\UFFFFFFFF'")
@example("\x00")
@example("seed: 1" + "0" * 400)
@example(f"1{'0' * 5000}: 2")
def test_any_text(written: str) -> None:
    answered(written)


@given(st.integers(0, len(WHOLE)), st.integers(0, 30), st.text(max_size=12))
def test_a_scenario_with_a_piece_exchanged(start: int, length: int, instead: str) -> None:
    answered(WHOLE[:start] + instead + WHOLE[start + length :])


@given(st.lists(st.tuples(st.sampled_from(list(paths(TREE))), values), min_size=1, max_size=3))
def test_a_scenario_with_values_exchanged(changes: list[tuple[tuple[Any, ...], object]]) -> None:
    tree = copy.deepcopy(TREE)
    for path, value in changes:
        tree = put(tree, path, value)
    answered(yaml.safe_dump(tree, allow_unicode=True))


@given(values)
def test_any_tree(tree: object) -> None:
    answered(yaml.safe_dump(tree))


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: text.encode("utf-16")))
def test_any_file(tmp_path_factory: Any, written: bytes) -> None:
    file: Path = tmp_path_factory.getbasetemp() / "any.chaos.yaml"
    file.write_bytes(written)
    try:
        load(file)
    except ScenarioError as error:
        assert str(error).startswith(str(file))
