"""Text → Scenario, or every mistake at once.

YAML with marks (`document`) → one view per cell of the matrix (`matrix`) → the grammar (`grammar`) → what it all means
(`checks`). A mistake that several cells share is told once, where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.errors import Problem, ScenarioError
from harness.scenario.checks import check, check_coverage
from harness.scenario.document import Document, View, read
from harness.scenario.draft import Draft
from harness.scenario.faults import FaultEntry
from harness.scenario.grammar import AppEntry, ExpectBase, ExpectEntry, ScenarioFile
from harness.scenario.matrix import cells
from harness.scenario.model import App, Mailbox, Scenario, Service, Table, Topic, Variant
from harness.scenario.places import PLACE_SECTIONS
from harness.scenario.problems import problems_of

T = TypeVar("T")

_TOPIC: TypeAdapter[Topic] = TypeAdapter(Topic)
_TABLE: TypeAdapter[Table] = TypeAdapter(Table)
_SERVICE: TypeAdapter[Service] = TypeAdapter(Service)
_MAILBOX: TypeAdapter[Mailbox] = TypeAdapter(Mailbox)
_APP: TypeAdapter[Any] = TypeAdapter(AppEntry)
_FAULT: TypeAdapter[Any] = TypeAdapter(FaultEntry)
_EXPECT: TypeAdapter[ExpectBase] = TypeAdapter(ExpectEntry)


def load(path: Path) -> Scenario:
    """The scenario in a file.

    Raises:
        ScenarioError: With every mistake, each located.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8").split("\n")
        message = f"byte {error.object[error.start]:#04x} is not UTF-8"
        at = len(before), len(before[-1]) + 1
        raise ScenarioError([Problem(message, str(path), *at, hint="save the file as UTF-8")]) from None
    except OSError as error:
        raise ScenarioError([Problem(f"cannot be read: {error.strerror}", str(path))]) from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Scenario:
    """The scenario in a text.

    Args:
        file: What messages call it.

    Raises:
        ScenarioError: With every mistake, each located.
    """
    document = read(text, file)
    base = View.of(document)
    found, grammar = _validated(base)
    views, matrix_problems = cells(base)
    problems = [*document.problems, *grammar, *matrix_problems]
    for axes, view in views:
        problems += _problems_of_cell(axes, view, base)
    if problems or found is None:
        raise ScenarioError(_once(problems))
    variants = []
    for axes, view in views:
        file_of_cell, _ = _validated(view)
        assert file_of_cell is not None, "it had no problems"
        variants.append(Variant(axes=axes, scenario=_scenario(file_of_cell, view, document)))
    return _scenario(found, base, document, tuple(variants))


def _validated(view: View) -> tuple[ScenarioFile | None, list[Problem]]:
    try:
        return ScenarioFile.model_validate(view.data), []
    except ValidationError as error:
        return None, list(problems_of(error, view))


def _problems_of_cell(axes: Mapping[str, str], view: View, base: View) -> Iterator[Problem]:
    found, problems = _validated(view)
    yield from problems
    draft = _draft(view, base, complete=found is not None)
    yield from check(draft, view)
    yield from check_coverage(axes, draft, view)


def _draft(view: View, base: View, *, complete: bool) -> Draft:
    """What can be understood of a file, even where other parts of it are wrong."""
    data = view.data
    tables = _accepted(_TABLE, _entries(data, "tables"))
    apps = {name: entry.named(name) for name, entry in _accepted(_APP, _entries(data, "apps")).items()}
    expect = _accepted(_EXPECT, _listed(data, "expect"))
    axes = base.data.get("matrix")
    return Draft(
        names={section: tuple(_entries(data, section)) for section in (*PLACE_SECTIONS, "apps")},
        topics=_accepted(_TOPIC, _entries(data, "topics")),
        tables=tables,
        services=_accepted(_SERVICE, _entries(data, "services")),
        mailboxes=_accepted(_MAILBOX, _entries(data, "mailboxes")),
        apps=_resolved(apps, tables),
        faults=_accepted(_FAULT, _listed(data, "faults")),
        expect={index: entry.as_written(_listed(data, "expect")[index]) for index, entry in expect.items()},
        axes={axis: tuple(options) for axis, options in _mapping(axes).items() if isinstance(options, dict)},
        complete=complete,
    )


def _accepted(adapter: TypeAdapter[T], entries: Mapping[Any, object]) -> dict[Any, T]:
    accepted = {}
    for key, entry in entries.items():
        try:
            accepted[key] = adapter.validate_python(entry)
        except ValidationError:
            continue  # told by the grammar
    return accepted


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _entries(data: Mapping[str, object], section: str) -> Mapping[str, Any]:
    return _mapping(data.get(section))


def _listed(data: Mapping[str, object], section: str) -> Mapping[int, Any]:
    entries = data.get(section)
    return dict(enumerate(entries)) if isinstance(entries, list) else {}


def _resolved(apps: Mapping[str, App], tables: Iterable[str]) -> dict[str, App]:
    """With the defaults that depend on what an app writes, or how."""

    def defaults(app: App) -> dict[str, Any]:
        if app.kind == "sink" and app.target in tables:
            return {"write": app.write or "insert"}
        if app.kind == "processor" and app.commit == "in_transaction":
            return {"group_metadata": app.group_metadata or "at_poll"}
        return {}

    return {name: replace(app, **defaults(app)) for name, app in apps.items()}


def _scenario(file: ScenarioFile, view: View, document: Document, variants: tuple[Variant, ...] = ()) -> Scenario:
    written = _listed(view.data, "expect")
    expect: list[ExpectBase] = file.expect
    return Scenario(
        name=file.scenario,
        seed=file.seed,
        repeat=file.repeat,
        question=document.question,
        file=document.file,
        topics=file.topics,
        tables=file.tables,
        services=file.services,
        mailboxes=file.mailboxes,
        apps=_resolved({name: entry.named(name) for name, entry in file.apps.items()}, file.tables),
        faults=tuple(file.faults),
        matrix=file.matrix,
        expect=tuple(entry.as_written(written[index]) for index, entry in enumerate(expect)),
        variants=variants,
    )


def _once(problems: Iterable[Problem]) -> list[Problem]:
    """In the order of the file, each once: cells share what the matrix does not touch."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.column))
