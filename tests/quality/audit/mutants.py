"""Mutation of the auditor itself: every condition of its SQL, negated and dropped, one at a time.

A condition is a leaf of what stands behind WHERE, HAVING, ON, FILTER and CASE WHEN. A mutant is killed when the corpus
shows other findings, with all of their evidence, or when the engine refuses or does not finish it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from harness.audit.auditing import sql_of
from harness.audit.cycles import find_cycles
from harness.audit.engine import Engine
from harness.audit.evidence import load, read_places
from harness.audit.schema import TABLES
from harness.model import Anomaly

FILES = ("_facts", "_tables", "_order")
_LIMIT_S = 30

Shown = dict[str, tuple[tuple[object, ...], ...]]
"""Type → all that is found."""


@dataclass(frozen=True)
class Mutant:
    """One condition changed.

    Args:
        file: Name of the file in `sql/`.
        statement: Which one of the file, from 0.
        change: `not CONDITION` or `without CONDITION`, and what it stands in.
        sql: The changed statement.
    """

    file: str
    statement: int
    change: str
    sql: str

    def __str__(self) -> str:
        return f"{self.file}: {self.change}"


def statements(file: str) -> list[exp.Expression]:
    return [each for each in sqlglot.parse(sql_of(file), read="duckdb") if each is not None]


def mutants(file: str) -> Iterator[Mutant]:
    for number, statement in enumerate(statements(file)):
        count = len(list(_conditions(statement)))
        for index in range(count):
            for word in ("not", "without"):
                changed = statement.copy()
                leaf = list(_conditions(changed))[index]
                told = f"{word} {leaf.sql(dialect='duckdb')} [{_whereabouts(leaf, statement)}, condition {index}]"
                neutral = exp.false() if isinstance(leaf.parent, exp.Or) else exp.true()
                leaf.replace(exp.not_(exp.paren(leaf.copy())) if word == "not" else neutral)
                yield Mutant(file, number, told, changed.sql(dialect="duckdb"))


def _conditions(statement: exp.Expression) -> Iterator[exp.Expression]:
    for node in statement.walk():
        root = None
        if isinstance(node, exp.Where | exp.Having | exp.If):
            root = node.this
        elif isinstance(node, exp.Join):
            root = node.args.get("on")
        if root is not None:
            yield from _leaves(root)


def _leaves(node: exp.Expression) -> Iterator[exp.Expression]:
    inner = node.unnest()
    if isinstance(inner, exp.And | exp.Or):
        yield from _leaves(inner.left)
        yield from _leaves(inner.right)
    else:
        yield node


def _whereabouts(leaf: exp.Expression, statement: exp.Expression) -> str:
    """The table or view, and the part of the query, that a condition stands in."""
    part = leaf.find_ancestor(exp.CTE)
    named = statement.this.sql() if isinstance(statement, exp.Create) else "query"
    return f"{named}/{part.alias}" if part else named


class Corpus:
    """Histories in one folder, loaded once; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._engine = Engine(TABLES, memory="1GB", threads=1, folder=folder)
        load(folder, read_places(folder), self._engine)
        for file in FILES:
            self._engine.run(_replacing(sql_of(file)))
        find_cycles(self._engine)
        self._texts = {file: [each.sql(dialect="duckdb") for each in statements(file)] for file in FILES}
        self.shown = self._all()

    def __enter__(self) -> Corpus:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.__exit__(None, None, None)

    def kills(self, mutant: Mutant) -> bool:
        timer = threading.Timer(_LIMIT_S, self._engine._database.interrupt)
        timer.start()
        try:
            if mutant.file not in FILES:
                return self._of_type(mutant.sql) != self.shown[mutant.file]
            return self._kills_table(mutant)
        except duckdb.Error:
            return True
        finally:
            timer.cancel()

    def _kills_table(self, mutant: Mutant) -> bool:
        later = self._texts[mutant.file][mutant.statement + 1 :]
        for file in FILES[FILES.index(mutant.file) + 1 :]:
            later += self._texts[file]
        original = [self._texts[mutant.file][mutant.statement], *later]
        try:
            self._engine.run(_replacing("; ".join([mutant.sql, *later])))
            return any(self._of_type(sql_of(kind)) != self.shown[kind] for kind in Anomaly)
        finally:
            self._engine.run(_replacing("; ".join(original)))

    def _all(self) -> Shown:
        return {kind.value: self._of_type(sql_of(kind)) for kind in Anomaly}

    def _of_type(self, sql: str) -> tuple[tuple[object, ...], ...]:
        self._engine.run(f"CREATE OR REPLACE TABLE found AS {sql}")
        return tuple(self._engine.query("SELECT * FROM found ORDER BY ALL").fetchall())


def _replacing(sql: str) -> str:
    return re.sub(r"\bCREATE (TABLE|VIEW)\b", r"CREATE OR REPLACE \1", sql)
