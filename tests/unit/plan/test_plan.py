"""Scenario → plan: cells, seeds, places, expectations; what `--only` selects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ExitCode, NothingSelectedError, UsageError
from harness.model import Place
from harness.plan import Plan, describe, make_plan
from tests.unit.scenario.texts import FILE, scenario

MATRIX = """
  client:
    k: {apps.processor.client: kafka-python}
    c: {apps.processor.client: confluent-kafka}
  write:
    insert: {apps.sink.write: insert}
    upsert: {apps.sink.write: upsert}
    "2": {apps.sink.batch: 5}"""
LABELS = [f"client={client},write={write}" for client in ("k", "c") for write in ("insert", "upsert", "2")]
SELECTORS = ["client=k", "client=c", "write=insert", "write=upsert", "write=2"]


def plan(*only: str, repeat: int | None = None, seed: int | None = None, **sections: str) -> Plan:
    return make_plan(scenario(**sections), only=only, repeat=repeat, seed=seed)


def labels(of: Plan) -> list[str]:
    return [cell.label for cell in of.cells]


def test_cells_have_labels_that_name_them_and_folders() -> None:
    whole = plan(matrix=MATRIX)
    assert labels(whole) == LABELS
    assert labels(plan()) == ["all"]
    assert whole.cells[5].axes == {"client": "c", "write": "2"}
    assert whole.cells[5].scenario.apps["sink"].batch == 5


@given(st.lists(st.sampled_from(SELECTORS), unique=True))
def test_only_keeps_the_cells_that_agree_with_every_axis(only: list[str]) -> None:
    wanted: dict[str, list[str]] = {}
    for text in only:
        wanted.setdefault(text.split("=")[0], []).append(text)
    expected = [
        label for label in LABELS if all(any(text in label.split(",") for text in texts) for texts in wanted.values())
    ]
    assert labels(plan(*only, matrix=MATRIX)) == expected


@given(st.lists(st.sampled_from(SELECTORS), unique=True), st.integers(0, 2**53))
def test_a_cells_seed_depends_on_nothing_but_its_label_and_the_plans(only: list[str], seed: int) -> None:
    alone = {cell.label: cell.seed for cell in plan(*only, seed=seed, matrix=MATRIX).cells}
    together = {cell.label: cell.seed for cell in plan(seed=seed, matrix=MATRIX).cells}
    assert alone.items() <= together.items()
    assert all(0 <= value < 2**31 for value in together.values())
    assert len(set(together.values())) == len(LABELS)


def test_seed_and_repeat_are_the_files_unless_said_otherwise() -> None:
    written = plan(seed=None, matrix=MATRIX)
    assert (written.seed, written.repeat) == (1, 1)
    said = plan(seed=8, repeat=5, matrix=MATRIX)
    assert (said.seed, said.repeat) == (8, 5)
    assert {cell.seed for cell in said.cells}.isdisjoint(cell.seed for cell in written.cells)
    assert plan(seed=0).seed == 0, "0 is a seed, not the absence of one"


@pytest.mark.parametrize("text", ["write", "", "write:insert"])
def test_only_without_a_value_is_a_mistake_in_the_command(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(text, matrix=MATRIX)
    assert str(caught.value) == f"--only {text}: write AXIS=VALUE"
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wirte=insert", f"{FILE} has no axis 'wirte'; did you mean 'write'?  axes: client, write"),
        (
            "write=updert",
            f"axis 'write' of {FILE} has no value 'updert'; did you mean 'upsert'?  values: insert, upsert, 2",
        ),
        ("write=", f"axis 'write' of {FILE} has no value ''; values: insert, upsert, 2"),
    ],
)
def test_only_of_what_the_matrix_does_not_have_selects_nothing(text: str, message: str) -> None:
    with pytest.raises(NothingSelectedError) as caught:
        plan("client=k", text, matrix=MATRIX)
    assert str(caught.value) == f"--only {text}: {message}"
    assert caught.value.exit_code is ExitCode.NOTHING_SELECTED


def test_only_of_a_file_without_a_matrix_selects_nothing() -> None:
    with pytest.raises(NothingSelectedError, match="it has no matrix"):
        plan("write=insert")


def test_places_in_the_order_data_flows_each_topic_at_both_levels() -> None:
    (cell,) = plan(
        topics="{invoices: {partitions: 3}, orders: {partitions: 2}}",
        apps="""
  sink: {is: sink, from: invoices, to: invoices_seen}
  processor: {is: processor, from: orders, to: invoices}
  first: {is: producer, to: orders}
  second: {is: producer, to: orders}""",
    ).cells
    assert [place.name for place in cell.places] == [
        "orders",
        "orders@read_uncommitted",
        "invoices",
        "invoices@read_uncommitted",
        "invoices_seen",
    ]
    orders, _, invoices, uncommitted, rows = cell.places
    assert orders == Place(
        name="orders",
        kind="topic",
        resource="orders",
        isolation="read_committed",
        partitions=2,
        writers=("first", "second"),
    )
    assert (invoices.upstream, invoices.group, invoices.partitions) == ("orders", "processor", 3)
    assert (uncommitted.resource, uncommitted.isolation) == ("invoices", "read_uncommitted")
    assert rows == Place(
        name="invoices_seen",
        kind="table",
        resource="invoices_seen",
        upstream="invoices",
        group="sink",
        writers=("sink",),
    )


EXPECT = """
  - {in: orders, duplicates: none}
  - {in: [invoices, invoices@read_uncommitted], cell: {write: [insert, 2]}, losses: any,
     cause: several producers sent it}
  - {in: invoices_seen, cell: {write: upsert, client: c}, stalled: any}"""


def test_an_expectation_goes_to_the_cells_that_it_names() -> None:
    whole = plan(matrix=MATRIX, expect=EXPECT)
    assert {cell.label: [e.index for e in cell.expectations] for cell in whole.cells} == {
        "client=k,write=insert": [0, 1],
        "client=k,write=upsert": [0],
        "client=k,write=2": [0, 1],
        "client=c,write=insert": [0, 1],
        "client=c,write=upsert": [0, 2],
        "client=c,write=2": [0, 1],
    }
    expectation = whole.cells[0].expectations[1]
    assert expectation.places == ("invoices", "invoices@read_uncommitted")
    assert (expectation.wanted, expectation.cause) == ({"losses": "any"}, "several producers sent it")


def test_an_expectation_without_in_is_one_about_every_place() -> None:
    (cell,) = plan(expect="[{losses: none}]").cells
    assert cell.expectations[0].places == ()


def test_the_plan_of_a_file_says_what_is_not_judged_only_where_something_is_not() -> None:
    told = describe(plan(matrix=MATRIX, expect=EXPECT)).split("\n\n")
    not_judged = {part.split("\n")[0].strip(): part for part in told if "not judged" in part}
    assert not_judged["client=c,write=upsert"].endswith("not judged: invoices")
    assert not_judged["client=k,write=insert"].endswith("not judged: invoices_seen")
    assert "not judged" not in describe(plan(expect="[{losses: none}]"))


def test_what_is_stored_can_be_read_by_any_json_reader() -> None:
    stored: dict[str, Any] = json.loads(json.dumps(plan(matrix=MATRIX, expect=EXPECT, seed=2**53 - 1).to_json()))
    assert stored["schema"] == 1
    assert stored["seed"] == 2**53 - 1
    assert [cell["label"] for cell in stored["cells"]] == LABELS
    assert stored["cells"][4]["expectations"] == [
        "{in: orders, duplicates: none}",
        "{in: invoices_seen, cell: {write: upsert, client: c}, stalled: any}",
    ]
    assert stored["cells"][0]["places"][0]["name"] == "orders"
