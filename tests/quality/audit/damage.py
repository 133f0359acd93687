"""Small damage to histories that were right: the files stay well-formed, and tell something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

Line = dict[str, Any]
Damage = Callable[[Random, list[Line]], None]
COLUMNS = ("id", "pos", "part", "key", "seq", "src", "txn", "writer", "row", "intact", "accepted")


def damage(folder: Path, chance: Random, times: int) -> None:
    """Change something at random places, this many times."""
    for _ in range(times):
        path = chance.choice(sorted([*folder.glob("ledger/*.jsonl"), *folder.glob("sightings/*.jsonl")]))
        header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
        if lines:
            chance.choice(DAMAGES)(chance, lines)
        path.write_text("".join(json.dumps(line) + "\n" for line in _with_unique_ends([header, *lines])))
    if chance.random() < 0.3:
        _change_positions(folder, chance)


def _with_unique_ends(lines: list[Line]) -> list[Line]:
    """A number that is used twice is a broken ledger, of which nothing is concluded."""
    seen: set[tuple[str, int]] = set()
    kept = []
    for line in lines:
        key = next(((word, line[word]) for word in ("begin", "end") if word in line), None)
        if key is None or key not in seen:
            kept.append(line)
        if key is not None:
            seen.add(key)
    return kept


def _columnar(chance: Random, lines: list[Line]) -> Line | None:
    """A batch of sightings or a step of an operation that has elements."""
    every = [step for line in lines for step in (line.get("do") or [line]) if step.get("id")]
    return chance.choice(every) if every else None


def an_element_is_gone(chance: Random, lines: list[Line]) -> None:
    if step := _columnar(chance, lines):
        index = chance.randrange(len(step["id"]))
        for column in COLUMNS:
            if isinstance(step.get(column), list) and len(step[column]) > index:
                del step[column][index]


def an_element_is_there_twice(chance: Random, lines: list[Line]) -> None:
    if step := _columnar(chance, lines):
        index = chance.randrange(len(step["id"]))
        for column in COLUMNS:
            if isinstance(step.get(column), list) and len(step[column]) > index:
                value = step[column][index]
                step[column].append(value + 100 if column in ("row", "pos") else value)


def two_elements_change_places(chance: Random, lines: list[Line]) -> None:
    step = _columnar(chance, lines)
    if step and len(step["id"]) > 1:
        one, other = chance.sample(range(len(step["id"])), 2)
        column = step[chance.choice([name for name in COLUMNS if isinstance(step.get(name), list)])]
        column[one], column[other] = column[other], column[one]


def another_value(chance: Random, lines: list[Line]) -> None:
    if step := _columnar(chance, lines):
        name = chance.choice([name for name in COLUMNS if isinstance(step.get(name), list)])
        index = chance.randrange(len(step[name]))
        value = step[name][index]
        if name in ("pos", "row", "seq", "part"):
            step[name][index] = max(0, (value or 0) + chance.choice([-1, 1, 7]))
        elif name == "src":
            step[name][index] = value and [*value[:2], max(0, value[2] + chance.choice([-1, 1]))]
        elif name not in ("intact", "accepted"):
            step[name][index] = chance.choice(["0-1", "1-1", "stranger", None])


def a_line_is_gone(chance: Random, lines: list[Line]) -> None:
    index = chance.randrange(len(lines))
    if "begin" in lines[index]:  # its end would be without a beginning
        lines[:] = [line for line in lines if line.get("end") != lines[index]["begin"] or "begin" in line]
    lines.pop(index if index < len(lines) else -1)
    begun = {line["begin"] for line in lines if "begin" in line}
    lines[:] = [line for line in lines if "end" not in line or line["end"] in begun]


def a_step_is_gone(chance: Random, lines: list[Line]) -> None:
    with_steps = [line for line in lines if line.get("do")]
    if with_steps:
        steps = chance.choice(with_steps)["do"]
        steps.pop(chance.randrange(len(steps)))


def another_outcome(chance: Random, lines: list[Line]) -> None:
    ends = [line for line in lines if "end" in line]
    if ends:
        chance.choice(ends)["outcome"] = chance.choice(["ok", "failed", "unknown"])


def another_fate(chance: Random, lines: list[Line]) -> None:
    batches = [line for line in lines if "status" in line]
    if batches:
        chance.choice(batches)["status"] = chance.choice(["plain", "committed", "aborted", "open"])


def another_producer(chance: Random, lines: list[Line]) -> None:
    batches = [line for line in lines if "producer" in line]
    if batches:
        chance.choice(batches)[chance.choice(["producer", "epoch", "bseq"])] = chance.randrange(4)


def records_do_not_say_something(chance: Random, lines: list[Line]) -> None:
    if step := _columnar(chance, lines):
        for column in chance.sample(["key", "src", "txn", "writer"], 2):
            if isinstance(step.get(column), list):
                step[column] = [None] * len(step[column])


def something_is_not_intact_or_not_accepted(chance: Random, lines: list[Line]) -> None:
    if (step := _columnar(chance, lines)) and ("row" in step or "status" in step):
        column = "accepted" if "row" in step else "intact"
        step[column] = [chance.random() < 0.5 for _ in step["id"]]


def a_line_is_there_twice(chance: Random, lines: list[Line]) -> None:
    batches = [line for line in lines if line.get("id")]
    if batches:
        again = deepcopy(chance.choice(batches))
        for column in ("pos", "row"):
            if column in again:
                again[column] = [value + 50 for value in again[column]]
        lines.append(again)


def an_operation_is_in_another_transaction(chance: Random, lines: list[Line]) -> None:
    begins = [line for line in lines if "begin" in line]
    if begins:
        names = [line["txn"] for line in begins if line.get("txn")] or ["t/1"]
        chance.choice(begins)["txn"] = chance.choice([*names, None])


def operations_in_another_order(chance: Random, lines: list[Line]) -> None:
    """Whole operations change places, each with its end."""
    numbers = list(dict.fromkeys(line["begin"] for line in lines if "begin" in line))
    if len(numbers) > 1:
        one, other = chance.sample(numbers, 2)
        swapped = {one: other, other: one}
        groups = {n: [line for line in lines if line.get("begin", line.get("end")) == n] for n in numbers}
        lines[:] = [line for n in numbers for line in groups[swapped.get(n, n)]]


def what_was_polled_is_sent_by_the_same_operation(chance: Random, lines: list[Line]) -> None:
    begins = [line for line in lines if "begin" in line and any("send" in step for step in line["do"])]
    if begins:
        line = chance.choice(begins)
        send = next(step for step in line["do"] if "send" in step)
        line["do"].append({"poll": send["send"], "part": 0, "pos": list(range(len(send["id"]))), "id": send["id"]})


DAMAGES: list[Damage] = [
    an_element_is_gone,
    an_element_is_there_twice,
    two_elements_change_places,
    another_value,
    another_value,
    a_line_is_gone,
    a_step_is_gone,
    another_outcome,
    another_fate,
    another_producer,
    records_do_not_say_something,
    something_is_not_intact_or_not_accepted,
    a_line_is_there_twice,
    an_operation_is_in_another_transaction,
    operations_in_another_order,
    what_was_polled_is_sent_by_the_same_operation,
]


def _change_positions(folder: Path, chance: Random) -> None:
    path = folder / "positions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    if lines:
        line = chance.choice(lines)
        name = chance.choice([name for name in ("committed", "stable", "low", "high") if line.get(name) is not None])
        line[name] = max(0, line[name] + chance.choice([-2, -1, 1]))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
