"""The JSON Schema says what the checks say, as far as a schema can."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from harness.scenario import json_schema
from harness.scenario.faults import KINDS
from harness.scenario.grammar import APP_KINDS, ScenarioFile
from harness.scenario.steps import KNOWN_STEPS

SCHEMA = json_schema()


def parts(schema: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield path, schema
        for key, part in schema.items():
            yield from parts(part, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from parts(part, f"{path}/{index}")


def test_it_is_the_one_that_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "harness.scenario", "schema"], capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout) == SCHEMA


def test_every_reference_leads_somewhere() -> None:
    known = {path for path, _ in parts(SCHEMA)}
    references = {part["$ref"] for _, part in parts(SCHEMA) if "$ref" in part}
    assert references <= known
    others = {"Topic", "Service", "Table", "Mailbox", "Restart", "Expect"}
    assert len(references) == len(KINDS) + len(APP_KINDS) + len(others)


def test_no_mapping_takes_unknown_keys_but_where_names_or_properties_stand() -> None:
    open_ones = {
        path.rpartition("/")[2]
        for path, part in parts(SCHEMA)
        if part.get("type") == "object" and part.get("additionalProperties") is not False
    }
    # The value of an option is what a path leads to; `cell`, `config` and the properties are checked by name later.
    assert open_ones == {"producer", "consumer", "config", "cell", "^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"}


def test_no_default_contradicts_its_own_type() -> None:
    types: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "object": dict,
        "array": list,
    }
    for path, part in parts(SCHEMA):
        if "default" in part and isinstance(part.get("type"), str):
            assert isinstance(part["default"], types[part["type"]]), path
            assert "pattern" not in part or re.search(part["pattern"], str(part["default"])), path
            assert "enum" not in part or part["default"] in part["enum"], path


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_needs_its_kind_and_when(kind: str) -> None:
    schema = SCHEMA["$defs"][KINDS[kind].__name__]
    assert {kind, "at"} <= set(schema["required"])
    assert set(schema["properties"]) == set(KINDS[kind].yaml_keys())


def test_top_level_keys() -> None:
    assert set(SCHEMA["properties"]) == set(ScenarioFile.yaml_keys())
    assert SCHEMA["required"] == ["scenario", "apps"]


@pytest.mark.parametrize("step", KNOWN_STEPS)
def test_a_trigger_may_name_every_step_and_no_other(step: str) -> None:
    pattern = SCHEMA["$defs"]["Crash"]["properties"]["at"]["pattern"]
    assert re.search(pattern, f"before {step} 3 of processor")
    assert not re.search(pattern, f"before {step}x 3")


def test_no_key_may_be_null() -> None:
    assert not [path for path, part in parts(SCHEMA) if part.get("type") == "null" or "null" in part.get("enum", ())]
