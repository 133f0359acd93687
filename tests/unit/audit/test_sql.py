"""The SQL files: one for every type, portable to other engines, each saying in its head what it needs and shows."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from harness.audit.auditing import evidence_columns, judged_where
from harness.audit.engine import Engine
from harness.audit.portable import not_portable, statements
from harness.audit.schema import TABLES
from harness.model import GROUPS, Anomaly, Cause

SQL = {path.name.removesuffix(".sql"): path.read_text() for path in files("harness.audit").joinpath("sql").iterdir()}
TYPES = {name: text for name, text in SQL.items() if not name.startswith("_")}
CAUSED = {kind for group in GROUPS.values() for kind in group}


def code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


@pytest.fixture
def engine() -> Engine:
    engine = Engine(TABLES, memory="256MB", threads=1)
    engine.run(SQL["_facts"])
    engine.run(SQL["_tables"])
    engine.run(SQL["_order"])
    return engine


def test_every_type_has_its_file_and_every_file_its_type() -> None:
    assert set(TYPES) == set(Anomaly)


@pytest.mark.parametrize("kind", list(Anomaly))
def test_a_file_says_what_proves_it_and_what_does_not(kind: Anomaly) -> None:
    head = SQL[kind].partition("\n\n")[0]
    for word in ("Proof:", "Not proof:", "Evidence:", "Judged where:"):
        assert f"-- {word}" in head
    assert head.startswith(f"-- {kind.value}")


@pytest.mark.parametrize("kind", list(Anomaly))
def test_a_query_selects_the_columns_that_its_head_declares(kind: Anomaly, engine: Engine) -> None:
    with engine:
        columns = [row[0] for row in engine.query(f"DESCRIBE {SQL[kind]}").fetchall()]
    assert columns == ["place", "id", *evidence_columns(kind)]
    assert ("cause" in columns) == (kind in CAUSED)


@pytest.mark.parametrize("kind", list(Anomaly))
def test_the_condition_of_judging_is_one_on_places(kind: Anomaly, engine: Engine) -> None:
    with engine:
        assert engine.query(f"SELECT place FROM places WHERE {judged_where(kind)}").fetchall() == []


@pytest.mark.parametrize("name", sorted(SQL))
def test_nothing_in_it_would_mean_something_else_on_another_engine(name: str) -> None:
    assert not_portable(SQL[name]) == []
    made = SQL[name] if name.startswith("_") else f"CREATE TABLE found AS {SQL[name]}"
    assert list(statements(made))


def test_the_causes_that_the_queries_name_are_the_causes_there_are() -> None:
    literal = r"(?:THEN|ELSE|r\.cause,)\s+'([^']+)'|'([^']+)' AS cause"
    named = {text for sql in SQL.values() for texts in re.findall(literal, code(sql)) for text in texts if text}
    outcomes = {"ok", "failed", "unknown"}
    assert named - outcomes == {cause.value for cause in Cause}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT list(x ORDER BY y)",
        "SELECT list(DISTINCT [x, y] ORDER BY z)",
        "SELECT hash(x)",
        "SELECT CAST(x AS HUGEINT)",
        "SELECT len(x)",
        "SELECT * FROM a ASOF JOIN b",
        "SELECT * FROM range(3)",
        "SELECT TRY_CAST(x AS UUID)",
        "SELECT x // 2",
        "SELECT x / 2",
        "SELECT {'a': 1}",
        "SELECT array_agg(x)",
    ],
)
def test_what_another_engine_would_silently_change_is_refused(text: str) -> None:
    assert not_portable(text)
    assert not not_portable(f"-- {text}")
