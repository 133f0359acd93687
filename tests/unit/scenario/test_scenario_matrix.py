"""A matrix is the exact product of its axes, and each cell is the file with that cell's values in it."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.scenario.matrix import CELLS_MAX
from tests.unit.scenario.texts import mistakes, scenario

CHOICES: dict[str, list[Any]] = {
    "apps.producer.records": [1, 10, 100],
    "apps.processor.commit": ["before_write", "after_write", "in_transaction"],
    "apps.sink.write": ["insert", "upsert"],
    "apps.sink.batch": [1, 2, 3, 4],
    "topics.orders.partitions": [1, 6],
    "topics.orders.config.min.insync.replicas": [1, 2],
    "apps.sink.consumer.isolation.level": ["read_committed", "read_uncommitted"],
}
paths = st.lists(st.sampled_from(list(CHOICES)), unique=True, max_size=4)


def axis_of(path: str) -> str:
    return path.rpartition(".")[2]


def matrix_over(chosen: list[str]) -> dict[str, dict[str, dict[str, object]]]:
    return {axis_of(path): {str(value): {path: value} for value in CHOICES[path]} for path in chosen}


@given(paths)
def test_cells_are_the_product_of_the_axes_in_file_order(chosen: list[str]) -> None:
    axes = matrix_over(chosen)
    found = scenario(matrix=json.dumps(axes))
    product = itertools.product(*axes.values())
    assert [dict(variant.axes) for variant in found.variants] == [
        dict(zip(axes, options, strict=True)) for options in product
    ]
    assert len(found.variants) == math.prod(len(CHOICES[path]) for path in chosen)


@given(paths)
def test_a_cell_is_the_file_with_its_values_written_in(chosen: list[str]) -> None:
    for variant in scenario(matrix=json.dumps(matrix_over(chosen))).variants:
        topic, apps = variant.scenario.topics["orders"], variant.scenario.apps
        reads = {
            "apps.producer.records": apps["producer"].records,
            "apps.processor.commit": apps["processor"].commit,
            "apps.sink.write": apps["sink"].write,
            "apps.sink.batch": apps["sink"].batch,
            "topics.orders.partitions": topic.partitions,
            "topics.orders.config.min.insync.replicas": topic.config.get("min.insync.replicas"),
            "apps.sink.consumer.isolation.level": apps["sink"].consumer.get("isolation.level"),
        }
        untouched = scenario()
        for path in chosen:
            assert str(reads[path]) == variant.axes[axis_of(path)]
        if not any(path.startswith("apps.sink") for path in chosen):
            assert apps["sink"] == untouched.apps["sink"]
        assert apps["processor"].target == untouched.apps["processor"].target


def test_without_a_matrix_the_file_is_the_one_cell() -> None:
    found = scenario()
    (variant,) = found.variants
    assert variant.axes == {}
    assert (variant.scenario.apps, variant.scenario.variants) == (found.apps, ())


def test_faults_vary_one_by_one_and_as_a_whole() -> None:
    found = scenario(
        faults="[{crash: sink, at: 5s}]",
        matrix="""
  fault:
    later: {faults.0.at: 9s}
    none: {faults: []}
    other: {faults: [{stop: sink, at: 1s}]}
    instead: {faults.0: {pause: sink, at: 1s, for: 1s}}""",
    )
    labels = [[fault.label for fault in variant.scenario.faults] for variant in found.variants]
    assert labels == [["crash sink at 9s"], [], ["stop sink at 1s"], ["pause sink at 1s"]]


def test_one_axis_may_set_several_paths_and_options_different_ones() -> None:
    found = scenario(
        matrix="{a: {x: {apps.sink.batch: 5, apps.sink.write: upsert}, y: {apps.processor.batch: 5}, z: {}}}"
    )
    sinks = [(v.scenario.apps["sink"].batch, v.scenario.apps["sink"].write) for v in found.variants]
    assert sinks == [(5, "upsert"), (20, "insert"), (20, "insert")]


def test_a_mistake_in_a_value_stands_where_the_value_stands() -> None:
    ((line, column, message),) = mistakes(matrix="{write: {a: {apps.sink.write: insret}}}")
    assert message == "apps.sink.write cannot be 'insret'"
    assert (line, column) == (8, len("matrix: {write: {a: {apps.sink.write: ") + 1)


def test_two_axes_cannot_set_the_same_thing_not_even_a_part_of_it() -> None:
    ((_, _, message),) = mistakes(
        faults="[{crash: sink, at: 5s}]", matrix="{a: {x: {faults.0.at: 9s}}, b: {y: {faults: []}}}"
    )
    assert message == "axes 'a' and 'b' both set 'faults'"


def test_the_largest_matrix() -> None:
    def batches(count: int) -> str:
        return json.dumps(
            {
                "a": {str(n): {"apps.sink.batch": n + 1} for n in range(16)},
                "b": {str(n): {"apps.processor.batch": n + 1} for n in range(count)},
            }
        )

    assert len(scenario(matrix=batches(16)).variants) == CELLS_MAX
    assert mistakes(matrix=batches(17)) == [(8, 1, "the matrix has 272 cells")]
