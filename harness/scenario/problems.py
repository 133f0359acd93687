"""pydantic's errors → located problems in the words of a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.errors import Problem
from harness.scenario.document import Path, View
from harness.scenario.faults import KINDS, kind_of
from harness.scenario.grammar import APP_KINDS, ExpectEntry, ScenarioFile
from harness.scenario.model import Mailbox, Restart, Service, Table, Topic
from harness.scenario.strict import NAMES_IN_WORDS, Strict
from harness.scenario.words import did_you_mean, join_hints, shown

_SECTIONS: Mapping[str, type[Strict]] = {
    "topics": Topic,
    "tables": Table,
    "services": Service,
    "mailboxes": Mailbox,
    "expect": ExpectEntry,
}

_TYPES = {
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def problems_of(error: ValidationError, view: View) -> Iterator[Problem]:
    """Each mistake where it stands; none for what the YAML reader refused already, nor for a key that is missing
    because it is misspelt."""
    details = [(_path(detail, view.data), detail) for detail in error.errors(include_url=False)]
    unknown = [path for path, detail in details if detail["type"] == "extra_forbidden"]
    for path, detail in details:
        misspelt = detail["type"] == "missing" and any(
            other[:-1] == path[:-1] and did_you_mean(str(other[-1]), [str(path[-1])]) for other in unknown
        )
        decided_by = (*path, "is") if detail["type"].startswith("union_tag") else path
        if not misspelt and not view.is_broken(decided_by):
            yield _problem(path, detail, view)


def where(path: Path) -> str:
    """A path as people write it: `apps.sink.write`, `faults[0].at`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the scenario"


def model_at(path: Path, data: Mapping[str, Any]) -> type[Strict]:
    """The model whose keys stand at `path`: the whole file, or an entry of a section."""
    if not path:
        return ScenarioFile
    section, name, *rest = path
    if rest == ["restart"]:
        return Restart
    entry = data[str(section)][name]
    if section == "faults":
        return KINDS[str(kind_of(entry))]
    return APP_KINDS[entry["is"]] if section == "apps" else _SECTIONS[str(section)]


def keys_hint(word: object, model: type[Strict]) -> str:
    """Did you mean, and the keys that `model` takes beside the one that names a fault's kind."""
    keys = [key for key in model.yaml_keys() if key != getattr(model, "kind", None)]
    known = f"keys of {model.thing}: {', '.join(keys)}" if keys else f"{model.thing} has no keys"
    return join_hints(did_you_mean(str(word), keys), known)


def _path(detail: ErrorDetails, data: Mapping[str, Any]) -> Path:
    """pydantic's location without the tags of unions and with nothing that the file does not have.

    The name of a missing key stays: it is the last part.
    """
    path: Path = ()
    node: Any = data
    location = [part for part in detail["loc"] if not _is_tag(part)]
    for index, part in enumerate(location):
        last_and_missing = detail["type"] == "missing" and index == len(location) - 1
        if last_and_missing or (isinstance(node, dict) and part in node):
            path = (*path, part)
            node = None if last_and_missing else node[part]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            path, node = (*path, part), node[part]
    key = detail.get("ctx", {}).get("key")
    return (*path, key) if key and isinstance(node, dict) and key in node else path


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def _problem(path: Path, detail: ErrorDetails, view: View) -> Problem:
    kind, ctx, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "refused":
        return view.problem(path, f"{where(path)}: {ctx['message']}", ctx["hint"], at_value=True)
    if kind == "extra_forbidden":
        model = model_at(path[:-1], view.data)
        message = f"unknown key {shown(path[-1])} in {where(path[:-1])}"
        return view.problem(path, message, keys_hint(path[-1], model))
    if kind == "missing":
        model = model_at(path[:-1], view.data)
        return view.problem(path[:-1], f"{where(path[:-1])} has no {shown(path[-1])}", keys_hint("", model))
    if kind.startswith("union_tag"):
        return _nothing_known(path, value, view)
    message, hint = _plain(path, kind, ctx, value, at_key=detail["loc"][-1:] == ("[key]",))
    return view.problem(path, message, hint, at_value=detail["loc"][-1:] != ("[key]",))


def _plain(path: Path, kind: str, ctx: Mapping[str, Any], value: object, *, at_key: bool) -> tuple[str, str]:
    """Message and hint of an error that needs nothing but itself."""
    here = where(path)
    if kind == "literal_error":
        values = [value.strip("'") for value in str(ctx["expected"]).replace(" or ", ", ").split(", ")]
        hint = join_hints(did_you_mean(str(value), values), f"values: {', '.join(values)}")
        return f"{here} cannot be {shown(value)}", hint
    if kind == "string_pattern_mismatch":
        what = f"{shown(value)} is no name" if at_key else f"{here} cannot be {shown(value)}"
        return what, NAMES_IN_WORDS[ctx["pattern"]]
    if kind in _TYPES:
        said = f"must be {_TYPES[kind]}, not {shown(value)}"
    elif kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {ctx['ge']}" if "ge" in ctx else f"at most {ctx['le']}"
        said = f"must be {bound}, not {shown(value)}"
    elif kind in ("too_short", "string_too_short"):
        said = "is empty"
    elif kind in ("too_long", "string_too_long"):
        what = "characters" if kind.startswith("string") else "entries"
        said = f"has more than {ctx['max_length']} {what}"
    else:
        said = f"cannot be {shown(value)}: {kind.replace('_', ' ')}"
    return f"{here} {said}", ""


def _nothing_known(path: Path, value: object, view: View) -> Problem:
    """An app without a known `is`, or a fault that names no kind."""
    if not isinstance(value, Mapping):
        return view.problem(path, f"{where(path)} must be a mapping, not {shown(value)}", at_value=True)
    if path[:1] == ("apps",):
        kinds = f"values: {', '.join(APP_KINDS)}"
        if "is" not in value:
            return view.problem(path, f"{where(path)} has no 'is'", kinds)
        hint = join_hints(did_you_mean(str(value["is"]), APP_KINDS), kinds)
        message = f"{where((*path, 'is'))} cannot be {shown(value['is'])}"
        return view.problem((*path, "is"), message, hint, at_value=True)
    faults = sorted(KINDS)
    near = next(filter(None, (did_you_mean(str(key), faults) for key in value)), "")
    message = f"{where(path)} does not name a fault"
    return view.problem(path, message, join_hints(near, f"faults: {', '.join(faults)}"))
