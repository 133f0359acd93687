"""The reference of the scenario language in Markdown, from the same declarations as the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.model import GROUPS
from harness.scenario.faults import KINDS
from harness.scenario.grammar import APP_KINDS, EXPECT_WORDS, ExpectEntry, ScenarioFile, json_schema
from harness.scenario.model import App, AppKind, Commit, Table, Topic
from harness.scenario.steps import steps_of
from harness.scenario.strict import Strict

_PIPELINES: tuple[tuple[AppKind, Commit | None], ...] = (
    ("producer", None),
    ("producer", "in_transaction"),
    ("processor", "after_write"),
    ("processor", "in_transaction"),
    ("sink", "after_write"),
)


def reference() -> str:
    """Every key of every part of a scenario, then every step of every app; ends with a newline."""
    schema = json_schema()
    models = (ScenarioFile, Topic, Table, *APP_KINDS.values(), *(KINDS[kind] for kind in sorted(KINDS)), ExpectEntry)
    parts = [_section(model, schema if model is ScenarioFile else schema["$defs"][model.__name__]) for model in models]
    return "\n".join([*parts, _steps()])


def _section(model: type[Strict], schema: Mapping[str, Any]) -> str:
    lines = [f"### {model.thing.capitalize()}", schema["description"].replace("\n", " ")]
    required = schema.get("required", ())
    rows = [
        _row(f"`{key}`", _values(about), _default(about, required=key in required), about.get("description", ""))
        for key, about in schema["properties"].items()
        if key not in EXPECT_WORDS
    ]
    if model is ExpectEntry:
        rows += _word_rows(schema)
    if rows:
        lines += ["", _row("key", "value", "default", "meaning"), "|---|---|---|---|", *rows]
    return "\n".join([*lines, ""])


def _word_rows(schema: Mapping[str, Any]) -> Iterator[str]:
    quantifiers = _values(schema["properties"][EXPECT_WORDS[0]])
    for group, types in GROUPS.items():
        yield _row(f"`{group}`", quantifiers, "`none`", f"How often any of {', '.join(types)} is shown.")
    single = ", ".join(f"`{word}`" for word in EXPECT_WORDS if word not in GROUPS)
    yield _row(single, quantifiers, "`none`", "How often it is shown.")


def _values(about: Mapping[str, Any]) -> str:
    if "prefixItems" in about:
        return f"two of {_values(about['prefixItems'][0])}"
    listed = about.get("enum") or about.get("examples") or [about[key] for key in ("const",) if key in about]
    if listed:
        return " · ".join(f"`{value}`" for value in listed)
    if about.get("type") == "integer":
        return f"{about['minimum']} to {about['maximum']}"
    words = {"object": "a mapping", "array": "a list", "string": "a name" if "pattern" in about else "text"}
    return words[about["type"]] if "type" in about else "text, or a list of texts"


def _default(about: Mapping[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    default = about.get("default")
    return "" if default in (None, {}, []) else f"`{default}`"


def _steps() -> str:
    lines = ["### Steps, by whose they are", "", _row("app", "its steps"), "|---|---|"]
    for kind, commit in _PIPELINES:
        app = App(name="", kind=kind, client="kafka-python", target="", commit=commit)
        name = f"a {kind}" + (f", `commit: {commit}`" if commit else "")
        lines.append(_row(name, ", ".join(f"`{step}`" for step in sorted(steps_of(app)))))
    return "\n".join([*lines, ""])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
