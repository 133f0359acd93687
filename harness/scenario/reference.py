"""The reference of the scenario language in Markdown, from the same declarations as the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.model import FENCED, GROUPS, Anomaly
from harness.scenario.faults import KINDS
from harness.scenario.grammar import APP_KINDS, EXPECT_WORDS, ExpectEntry, ScenarioFile, json_schema
from harness.scenario.model import App, AppKind, Commit, Mailbox, Restart, Service, Table, Topic
from harness.scenario.steps import OUTSIDE_KAFKA, STEPS_OF_BROKERS, steps_of
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
    places = (Topic, Table, Service, Mailbox)
    faults = (KINDS[kind] for kind in sorted(KINDS))
    models: tuple[type[Strict], ...] = (ScenarioFile, *places, *APP_KINDS.values(), Restart, *faults, ExpectEntry)
    parts = [_section(model, schema if model is ScenarioFile else schema["$defs"][model.__name__]) for model in models]
    return "\n".join([*parts, _steps()])


def _section(model: type[Strict], schema: Mapping[str, Any]) -> str:
    lines = [f"### {model.thing.capitalize()}", schema["description"].replace("\n", " ")]
    required = schema.get("required", ())
    rows = [
        _row(f"`{key}`", _forms(about), _default(about, required=key in required), about.get("description", ""))
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
    single = ", ".join(f"`{word}`" for word in Anomaly)
    yield _row(single, quantifiers, "`none`", "How often it is shown.")
    told = "How often an app that writes the place was told that another has taken its place."
    yield _row(f"`{FENCED}`", quantifiers, "`any`", told)


def _forms(about: Mapping[str, Any]) -> str:
    return "; or ".join(map(_values, about.get("oneOf", [about])))


def _values(about: Mapping[str, Any]) -> str:
    if "prefixItems" in about:
        return f"two of {_values(about['prefixItems'][0])}, each alone or in a list"
    if about.get("anyOf", [{}])[0].get("examples"):
        return _values(about["anyOf"][0])
    listed = about.get("enum") or about.get("examples") or [about[key] for key in ("const",) if key in about]
    if listed:
        return " · ".join(f"`{value}`" for value in listed)
    if about.get("type") == "integer":
        return f"{about['minimum']} to {about['maximum']}"
    if "$ref" in about:
        return "a mapping"
    words = {
        "object": "a mapping",
        "array": "a list",
        "boolean": "`true` · `false`",
        "string": "a name" if "pattern" in about else "text",
    }
    return words[about["type"]] if "type" in about else "text, or a list of texts"


def _default(about: Mapping[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    default = about.get("default")
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return "" if default in (None, {}, []) else f"`{default}`"


def _steps() -> str:
    lines = ["### Steps, by whose they are", "", _row("app", "its steps"), "|---|---|"]
    for kind, commit in _PIPELINES:
        app = App(name="", kind=kind, client="kafka-python", target="", commit=commit)
        name = f"a {kind}" + (f", `commit: {commit}`" if commit else "")
        lines.append(_row(name, ", ".join(f"`{step}`" for step in sorted(steps_of(app)))))
    lines += [
        _row(f"… that writes a {kind}, also", ", ".join(f"`{step}`" for step in sorted(own)))
        for kind, own in OUTSIDE_KAFKA.items()
    ]
    lines.append(_row("a broker, towards the others", ", ".join(f"`{step}`" for step in sorted(STEPS_OF_BROKERS))))
    return "\n".join([*lines, ""])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
