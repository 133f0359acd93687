"""verdict.json: what `--json` prints and a run folder keeps (schema 1, docs/results.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson


def as_json(document: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """One indented JSON document that ends with a newline."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(document, option=options, default=str).decode()


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write `document`; a reader sees the old file or the new one, never a part."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(as_json(document))
    partial.replace(path)
