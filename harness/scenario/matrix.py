"""The matrix: axis → option → dotted path into the same file → value. No templates, so no unknown path."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from harness.errors import Problem
from harness.scenario.document import Path, View
from harness.scenario.words import did_you_mean, join_hints, shown

CELLS_MAX = 256

_VARIED = ("apps", "faults", "services", "topics")
_PROPERTIES = ("producer", "consumer", "config")


class UnknownPathError(Exception):
    """A dotted path that leads nowhere; `hint` says where it could."""

    def __init__(self, message: str, hint: str) -> None:
        self.hint = hint
        super().__init__(message)


def resolve(dotted: str, data: Mapping[str, Any]) -> Path:
    """The path in `data` that `dotted` means; what follows `producer`, `consumer` or `config` is one property.

    Whether the last key exists is for the cell's own validation to say.

    Raises:
        UnknownPathError: It leads to no section, entry or mapping.
    """
    section, *rest = dotted.split(".")
    if section not in _VARIED:
        raise _unknown(dotted, section, _VARIED, "the matrix varies")
    if not rest:
        return (section,)
    entries = data.get(section, {})
    name: str | int = rest[0]
    if isinstance(entries, list):
        name = int(rest[0]) if rest[0].isdecimal() and len(rest[0]) < 4 else -1
        known: Sequence[str] = [str(index) for index in range(len(entries))]
    else:
        known = [str(entry) for entry in entries] if isinstance(entries, Mapping) else []
    if rest[0] not in known:
        raise _unknown(dotted, rest[0], known, section)
    if len(rest) <= 2 or (rest[1] == "restart" and len(rest) == 3):
        return (section, name, *rest[1:])
    if rest[1] not in _PROPERTIES:
        raise UnknownPathError(f"path {shown(dotted)} leads nowhere: '{rest[1]}' holds no keys", "")
    return (section, name, rest[1], ".".join(rest[2:]))


def cells(view: View) -> tuple[list[tuple[dict[str, str], View]], list[Problem]]:
    """Every combination of the matrix in file order, with its view of the file, and what is wrong with the matrix.

    One cell without a matrix. What is wrong is left out, so that the rest of the file is looked into all the same.
    """
    written = _well_formed(view.data.get("matrix"))
    problems = dict(_problems(written, view))
    matrix = {
        axis: {
            option: {
                dotted: value for dotted, value in paths.items() if ("matrix", axis, option, dotted) not in problems
            }
            for option, paths in options.items()
        }
        for axis, options in written.items()
        if options
    }
    size = math.prod(len(options) for options in matrix.values())
    if size > CELLS_MAX:
        problems["matrix",] = view.problem(("matrix",), f"the matrix has {size} cells", f"at most {CELLS_MAX}")
        matrix = {}
    combinations = itertools.product(*(options.items() for options in matrix.values()))
    views = [_cell(view, dict(zip(matrix, combination, strict=True))) for combination in combinations]
    return views, list(problems.values())


def _well_formed(matrix: object) -> dict[str, dict[str, dict[str, Any]]]:
    """Without axes and options that are no mappings: the grammar tells of those."""
    axes = matrix.items() if isinstance(matrix, dict) else ()
    return {
        axis: {option: paths for option, paths in options.items() if isinstance(paths, dict)}
        for axis, options in axes
        if isinstance(options, dict)
    }


def _problems(matrix: Mapping[str, Mapping[str, Mapping[str, Any]]], view: View) -> Iterator[tuple[Path, Problem]]:
    owners: dict[Path, str] = {}
    for axis, options in matrix.items():
        if not options:
            path: Path = ("matrix", axis)
            yield path, view.problem(path, f"axis {shown(axis)} has no options", "name at least one")
        for option, paths in options.items():
            for dotted in paths:
                at: Path = ("matrix", axis, option, dotted)
                try:
                    path = resolve(dotted, view.data)
                except UnknownPathError as error:
                    yield at, view.problem(at, str(error), error.hint)
                    continue
                rival = next((own for other, own in owners.items() if own != axis and _overlap(path, other)), None)
                if rival:
                    message = f"axes {shown(rival)} and {shown(axis)} both set {shown(dotted)}"
                    yield at, view.problem(at, message, "give it to one axis")
                owners.setdefault(path, axis)


def _overlap(one: Path, other: Path) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def _cell(view: View, chosen: Mapping[str, tuple[str, Mapping[str, Any]]]) -> tuple[dict[str, str], View]:
    data = deepcopy({key: value for key, value in view.data.items() if key != "matrix"})
    locations = dict(view.locations)
    for axis, (option, paths) in chosen.items():
        for dotted, value in paths.items():
            path = resolve(dotted, view.data)
            _assign(data, path, deepcopy(value))
            home: Path = ("matrix", axis, option, dotted)
            for stale in [known for known in locations if known[: len(path)] == path]:
                del locations[stale]
            for known, location in view.locations.items():
                if known[: len(home)] == home:
                    locations[(*path, *known[len(home) :])] = location
    axes = {axis: option for axis, (option, _) in chosen.items()}
    return axes, View(view.document, data, locations)


def _assign(data: dict[str, Any], path: Path, value: object) -> None:
    """Put `value` at `path`; the grammar reports what stands in its way."""
    node: Any = data
    for part in path[:-1]:
        if isinstance(node, dict):
            node = node.setdefault(str(part), {})
        elif isinstance(node, list):
            node = node[int(part)]
    if isinstance(node, dict):
        node[str(path[-1])] = value
    elif isinstance(node, list) and isinstance(path[-1], int):
        node[path[-1]] = value


def _unknown(dotted: str, word: str, known: Sequence[str], whose: str) -> UnknownPathError:
    choices = f"{whose}: {', '.join(known)}" if known else f"the file has no {whose}"
    message = f"path {shown(dotted)} leads nowhere: no {shown(word)}"
    return UnknownPathError(message, join_hints(did_you_mean(word, known), choices))
