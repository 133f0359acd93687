"""The same queries on Apache Spark, for evidence that one machine is too small for.

Evidence is read and checked as always; the tables that it becomes are then Spark's to judge, by the very files in
`sql/`, which sqlglot translates. What is found comes back into DuckDB, where findings are told from it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.audit.engine import WHOLE, Engine, Table
from harness.audit.portable import Statement, statements
from harness.errors import HistoryError, Problem, UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TOLD = frozenset({"places", "sent", "ends", "clashes"})
"""Small tables that are asked for outside of the queries."""
_SENDERS = "SELECT DISTINCT d.process, d.n, d.source, d.id FROM sends AS d LEFT SEMI JOIN found AS f ON f.id = d.id"


class SparkEngine(Engine):
    """An `Engine` whose tables are Spark's as soon as everything is loaded.

    Args:
        session: By default one that is there already, or one on this machine with a thread per core.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        *,
        memory: str,
        threads: int | None,
        folder: Path | None = None,
        session: SparkSession | None = None,
    ) -> None:
        super().__init__(tables, memory=memory, threads=threads, folder=folder)
        self._session = session or spark_session(threads)
        self._brought = 0

    def flush(self) -> None:
        super().flush()
        for name in self._tables:
            path = self.scratch / f"{name}.spark.parquet"
            super().run(f"COPY {WHOLE}.{name} TO '{path}' (FORMAT parquet)")
            self._session.read.parquet(path.as_uri()).createOrReplaceTempView(name)

    def run(self, sql: str) -> None:
        if not hasattr(self, "_session"):  # the tables of the evidence themselves
            super().run(sql)
            return
        for statement in statements(sql):
            self._make(statement)

    def _make(self, statement: Statement) -> None:
        frame = self._session.sql(statement.query)
        if statement.stored:
            frame = frame.localCheckpoint()  # a cached one would carry the plans of all before it along
        frame.createOrReplaceTempView(statement.name)
        if statement.name in _TOLD or statement.name == "found":
            self._bring(statement.name, frame)
        if statement.name == "found" and "id" in frame.columns:
            self._bring("sends", self._session.sql(_SENDERS))

    def _bring(self, name: str, frame: DataFrame) -> None:
        """Make a table of DuckDB's from what Spark has found."""
        self._brought += 1
        path = self.scratch / f"{name}-{self._brought}.brought"
        frame.write.parquet(path.as_uri())
        super().run(f"CREATE OR REPLACE TABLE {WHOLE}.{name} AS SELECT * FROM read_parquet('{path}/*.parquet')")


def spark_session(threads: int | None) -> SparkSession:
    """The session that is there, or a new one: where `spark-submit` says, else on this machine.

    Raises:
        UsageError: Spark is not installed.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        hint = "install it with: pip install 'eos-chaos[spark]' (and a JDK, 17 or newer)"
        raise UsageError(f"--engine spark needs pyspark; {hint}") from error
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.appName("eos-chaos audit").master(f"local[{threads or '*'}]")
    for name, value in _LOCAL.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "true",
}


@contextmanager
def local_copy(address: str, session: SparkSession) -> Iterator[Path]:
    """A folder at any address that Hadoop's file systems understand (`s3a://…`, `hdfs://…`, `file://…`), on this
    machine for as long as it is read.

    Raises:
        HistoryError: There is none.
    """
    jvm, context = session._jvm, session._jsc  # the public API has no file systems
    assert jvm is not None
    source = jvm.org.apache.hadoop.fs.Path(address)
    with tempfile.TemporaryDirectory(prefix="eos-chaos-") as name:
        target = Path(name) / "history"
        try:
            files = source.getFileSystem(context.hadoopConfiguration())
            files.copyToLocalFile(False, source, jvm.org.apache.hadoop.fs.Path(target.as_uri()), True)
        except Exception as error:  # py4j's own type would need pyspark at import
            reason = str(getattr(error, "java_exception", error)).partition("\n")[0]
            raise HistoryError([Problem(f"cannot be read: {reason}", address)]) from error
        yield target
