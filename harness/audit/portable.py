"""What the files in `sql/` may say, so that every engine understands the same; and their translation for Spark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

NOT_PORTABLE: Mapping[str, str] = MappingProxyType(
    {
        r"\b(list|string_agg|first|last)\([^()]*(\([^()]*\)[^()]*)*\bORDER BY": "its order is "
        "dropped silently elsewhere: list_sort(list(x))",
        r"\barray_agg\(": "list_sort(list(x))",
        r"\bhash\(": "another function elsewhere",
        r"\bU?HUGEINT\b": "not known elsewhere",
        r"\bU(BIG|INTEGER|SMALL|TINY)": "not known elsewhere",
        r"\blen\(": "refused elsewhere: count, or size of what is counted",
        r"\bASOF\b": "refused elsewhere",
        r"\b(range|generate_series|generate_subscripts)\(": "refused elsewhere",
        r"\bTRY_CAST\b": "lost phantoms when it was tried",
        r"(?<![/*])/(?![/*])|//": "another division elsewhere",
        r"\{": "structs are written in another way elsewhere",
        r"\bORDER BY ALL\b|\bGROUP BY ALL\b": "name the columns",
        r"\bpos \* ": "may overflow",
        r"\bEXCLUDE\b|\bREPLACE \(|\bCOLUMNS\(": "name the columns",
        r"\bDISTINCT ON\b": "refused elsewhere",
        r"\brandom\(|\bnow\(|\bcurrent_": "not the same twice",
    }
)
"""Pattern → why it is refused, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A table or view that a file makes.

    Args:
        name: Its name.
        stored: Whether it is a table; a view is worked out wherever it is used.
        query: What it is made of, in Spark's SQL.
    """

    name: str
    stored: bool
    query: str


def code(sql: str) -> str:
    """A file's text without its comments."""
    return "\n".join(line.partition(" --")[0] for line in sql.splitlines() if not line.lstrip().startswith("--"))


def not_portable(sql: str) -> list[str]:
    """What in a file would mean something else on another engine, and why."""
    text = code(sql)
    return [f"{found[0]}: {why}" for pattern, why in NOT_PORTABLE.items() if (found := re.search(pattern, text, re.I))]


def statements(sql: str) -> Iterator[Statement]:
    """The statements of a file, all of which make something, for Spark."""
    import sqlglot
    from sqlglot import exp

    for parsed in sqlglot.parse(code(sql), read="duckdb"):
        if parsed is None:
            continue
        assert isinstance(parsed, exp.Create), parsed
        query = parsed.expression.transform(_empty_list_is_null).sql(
            "spark", unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        yield Statement(parsed.this.name, parsed.args["kind"] == "TABLE", query)


def _empty_list_is_null(node: exp.Expression) -> exp.Expression:
    """A list of nothing, which is NULL in DuckDB and empty in Spark."""
    from sqlglot import exp

    if isinstance(node, exp.Filter) and isinstance(node.this, exp.ArrayAgg):
        return exp.Nullif(this=node.copy(), expression=exp.Array(expressions=[]))
    return node
