"""Apache Spark finds what DuckDB finds, row for row: the queries are the same.

One session serves all of it. Many histories are judged at once, since it is the number of queries that takes its time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.audit import audit
from harness.cli import commands
from harness.model import Audit
from harness.report.history import history_json
from harness.report.json import as_json
from tests.unit.audit.histories import History, write
from tests.unit.audit.pipelines import PLANTS, Pipeline
from tests.unit.audit.twins import TWINS


@pytest.fixture(scope="module")
def session() -> Iterator[object]:
    from harness.audit.spark import spark_session

    session = spark_session(2)
    yield session
    session.stop()


def twins() -> list[History]:
    """Every type with its smallest history and its innocent neighbour, which takes part in tests of DuckDB too."""
    histories = []
    for number, twin in enumerate(TWINS):
        for guilty in (True, False):
            history = History(f"t{number}{'g' if guilty else 'i'}.")
            twin.build(history, guilty)
            histories.append(history)
    return histories


def planted(times: int) -> list[History]:
    histories = []
    for number, plant in enumerate(PLANTS * times):
        pipeline = Pipeline(number, f"p{number}.")
        plant(pipeline)
        histories.append(pipeline.history)
    return histories


def judged(folder: Path, engine: str) -> Audit:
    return replace(audit(folder, engine=engine, threads=2), seconds={})  # type: ignore[arg-type]


@pytest.mark.timeout(1800)
def test_the_same_is_found_by_both(tmp_path: Path, session: object) -> None:
    folder = write([*twins(), *planted(times=20)], tmp_path)
    assert judged(folder, "spark") == judged(folder, "duckdb")


@pytest.mark.timeout(600)
def test_a_history_at_an_address(tmp_path: Path, session: object) -> None:
    history = History()
    history.topic("orders", writers=["producer"])
    history.process("producer#1/1", None).batch({"orders": ["a", "b"]}, ack={"a": 0, "b": 1})
    history.see("orders", ["a", "a"])
    folder = history.write(tmp_path / "history")
    told = CliRunner().invoke(commands, ["audit", folder.as_uri(), "--engine", "spark", "--json"])
    assert told.exit_code == 1, told.output
    assert json.loads(told.stdout)["findings"] == json.loads(as_json(history_json(audit(folder))))["findings"]
    nowhere = CliRunner().invoke(commands, ["audit", f"{folder.as_uri()}-gone", "--engine", "spark"])
    assert nowhere.exit_code == 2
    assert "cannot be read" in nowhere.output
