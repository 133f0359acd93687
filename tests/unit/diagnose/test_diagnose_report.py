"""What is said of a diagnosis, and the exit code that goes with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.diagnose.comparing import _difference
from harness.diagnose.judging import is_hanging
from harness.diagnose.model import Diagnosis, GroupPosition, OpenTransaction, TableSeen, TopicSeen
from harness.model import Anomaly, Finding
from harness.report.diagnosis import diagnosis_exit_code, diagnosis_json, print_diagnosis

ORDERS = TopicSeen(topic="orders", records={"plain": 1}, unnamed=0, partitions=[{"part": 0}], deleted=0, missing=0)
DUPLICATE = Finding(type=Anomaly.DUPLICATE, place="orders", count=2)


def diagnosis(**fields: Any) -> Diagnosis:
    nothing: dict[str, Any] = {"topics": [ORDERS], "findings": [], "transactions": [], "groups": [], "table": None}
    return Diagnosis(**{"cluster_id": "c", "by": "key", **nothing, **fields})


def table(**fields: Any) -> TableSeen:
    clean: dict[str, Any] = {"only_in_topic": 0, "only_in_table": 0, "mover": None}
    return TableSeen(**{"place": "table", "topic": "orders", "rows": 1, "unnamed": 0, "aborted": 0, **clean, **fields})


def shown(found: Diagnosis) -> list[str]:
    console = Console(width=400, no_color=True)
    with console.capture() as capture:
        print_diagnosis(console, found, Path("runs/x"))
    return capture.get().splitlines()


@pytest.mark.parametrize(
    ("fields", "code", "last"),
    [
        ({}, 0, "CLEAN: no finding in orders"),
        ({"table": table()}, 0, "CLEAN: no finding in orders, table"),
        ({"findings": [DUPLICATE]}, 1, "FOUND: 2 duplicates in orders"),
        ({"findings": [DUPLICATE], "unjudged": ["x"]}, 1, "FOUND: 2 duplicates in orders"),
        ({"unjudged": ["orders: 1 of 1 records have no key"]}, 3, "INCONCLUSIVE: orders: 1 of 1 records have no key"),
        ({"table": table(only_in_table=3)}, 1, "FOUND: 3 in table and not in orders"),
        ({"table": table(only_in_topic=3)}, 1, "FOUND: 3 in orders and not in table"),
        ({"table": table(only_in_topic=3, mover="sink")}, 0, "CLEAN: no finding in orders, table"),
        ({"table": table(only_in_table=None), "unjudged": ["y"]}, 3, "INCONCLUSIVE: y"),
    ],
)
def test_the_last_line_and_the_exit_code(fields: dict[str, Any], code: int, last: str) -> None:
    found = diagnosis(**fields)
    assert diagnosis_exit_code(found) == diagnosis_json(found)["exit_code"] == code
    assert shown(found)[-1] == last


def test_transactions_and_groups_in_words() -> None:
    common: dict[str, Any] = {"topic": "orders", "part": 2, "epoch": 1, "first_offset": 7, "age_ms": 90_000}
    known = {"transactional_id": "pay", "timeout_ms": 60_000}
    unknown = {"transactional_id": None, "timeout_ms": None}
    transactions = [
        OpenTransaction(producer=5, hanging=False, **common, **known),
        OpenTransaction(producer=6, hanging=True, **common, **unknown),
        OpenTransaction(producer=-1, hanging=True, **common, **unknown),
    ]
    common = {"group": "g", "topic": "orders", "part": 0, "committed": 4, "lag": 3}
    groups = [GroupPosition(**common, unread=2, beyond=0), GroupPosition(**common, unread=0, beyond=5)]
    lines = shown(diagnosis(transactions=transactions, groups=groups))
    start = "orders/2: a transaction is"
    assert (
        f"{start} open from offset 7 on, for 90.0 s: producer id 5, epoch 1 (transactional id pay, timeout 60 s)"
        in lines
    )
    assert f"{start} hanging from offset 7 on, for 90.0 s: producer id 6, epoch 1 (no coordinator knows it)" in lines
    assert f"{start} hanging from offset 7 on: nobody knows whose it is, and consumers wait behind it" in lines
    behind = "group g: orders/0 at 4, 3 behind"
    assert f"{behind}; 2 offsets before the beginning were deleted before it came to them" in lines
    assert f"{behind}; 5 past the end: the log was cut back" in lines


@pytest.mark.parametrize(
    ("age_ms", "timeout_ms", "hanging"), [(0, None, True), (70_000, 60_000, False), (70_001, 60_000, True)]
)
def test_when_a_transaction_hangs(age_ms: int, timeout_ms: int | None, hanging: bool) -> None:
    assert is_hanging(age_ms, timeout_ms) is hanging


@pytest.mark.parametrize(
    ("one", "other", "same_part", "said"),
    [
        ((1, 0, 5), (1, 0, 5), True, "the same producer id, epoch and sequence"),
        ((1, 0, 5), (1, 0, 5), False, "the same producer id and epoch, another sequence"),
        ((1, 0, 5), (1, 0, 6), True, "the same producer id and epoch, another sequence"),
        ((1, 0, 5), (1, 1, 0), True, "the same producer id, another epoch"),
        ((1, 0, 5), (2, 0, 5), True, "another producer id"),
        ((-1, -1, None), (-1, -1, None), True, "no producer id: idempotence was off"),
        ((1, 0, 0), (-1, -1, None), True, "no producer id: idempotence was off"),
    ],
)
def test_what_batches_say_of_each_other(
    one: tuple[Any, ...], other: tuple[Any, ...], same_part: bool, said: str
) -> None:
    assert _difference(one, other, same_part) == said
