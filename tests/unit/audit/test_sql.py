"""The SQL files: one for every type, portable to other engines, each saying in its head what it needs and shows."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from harness.audit.auditing import evidence_columns, judged_where
from harness.audit.causes import Cause
from harness.audit.engine import Engine
from harness.audit.schema import TABLES
from harness.model import GROUPS, Anomaly

SQL = {path.name.removesuffix(".sql"): path.read_text() for path in files("harness.audit").joinpath("sql").iterdir()}
TYPES = {name: text for name, text in SQL.items() if name != "_tables"}
CAUSED = {kind for group in GROUPS.values() for kind in group}

NOT_PORTABLE = {
    r"\blist\([^()]*ORDER BY": "its order is dropped silently elsewhere: list_sort(list(x))",
    r"\barray_agg\(": "list_sort(list(x))",
    r"\bhash\(": "another function elsewhere",
    r"\bHUGEINT\b": "not known elsewhere",
    r"\blen\(": "refused elsewhere",
    r"\bASOF\b": "refused elsewhere",
    r"\brange\(": "refused elsewhere",
    r"\bTRY_CAST\b": "lost phantoms when it was tried",
}


def code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


@pytest.fixture
def engine() -> Engine:
    engine = Engine(TABLES, memory="256MB", threads=1)
    engine.run(SQL["_tables"])
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
    for pattern, instead in NOT_PORTABLE.items():
        assert not re.search(pattern, code(SQL[name]), re.IGNORECASE), f"{pattern}: {instead}"


def test_the_causes_that_the_queries_name_are_the_causes_there_are() -> None:
    named = {text for sql in SQL.values() for text in re.findall(r"(?:THEN|ELSE|r\.cause,)\s+'([^']+)'", code(sql))}
    outcomes = {"ok", "failed", "unknown"}
    assert named - outcomes == {cause.value for cause in Cause}
