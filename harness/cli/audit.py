"""`eos-chaos audit DIR`"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypedDict

import click

from harness.errors import UsageError

FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, exists=True))


@click.command()
@click.argument("address", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json, or the findings of a bare history.")
@click.option("--cycles", is_flag=True, help="Search a bare history for G0 and G1c too, which Kafka allows.")
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "spark"]),
    default="duckdb",
    help="Who runs the queries over a bare history: DuckDB here, or Apache Spark.",
)
@click.option(
    "--memory", default="2GB", metavar="SIZE", help="What DuckDB may use for a bare history; beyond it, it spills."
)
def audit(address: str, as_json: bool, cycles: bool, engine: Literal["duckdb", "spark"], memory: str) -> int:
    """Judge stored evidence again, without a broker. DIR is a run folder, or any history (docs/ledger.md).

    A run folder is judged by its own scenario. A history without expectations exits 1 on any finding that is
    not legal, 3 when it cannot be judged. With --engine spark, DIR may be an address such as s3a://bucket/history.
    """
    from harness.run_folder import is_history, is_run_folder

    options: _Options = {"cycles": cycles, "engine": engine, "memory": _size(memory)}
    if "://" in address:
        return _audit_address(address, as_json, options)
    folder = Path(address)
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    if is_run_folder(folder):
        if engine != "duckdb":
            raise UsageError(f"--engine {engine} judges one repeat: {folder}/cells/<cell>/repeat-<n>")
        return _audit_run(folder, as_json)
    if is_history(folder):
        return _audit_history(folder, as_json, options)
    raise UsageError(f"{folder}: neither a run folder (plan.json, scenario.yaml) nor a history (places.json)")


class _Options(TypedDict):
    cycles: bool
    engine: Literal["duckdb", "spark"]
    memory: str


def _size(text: str) -> str:
    """A size as DuckDB takes it."""
    if not re.fullmatch(r"\d+(\.\d+)?\s*[KMGT]i?B", text, re.IGNORECASE):
        raise UsageError(f"--memory {text}: a size is written as 500MB or 2GB")
    return text


def _audit_address(address: str, as_json: bool, options: _Options) -> int:
    """A history on whatever file system Spark knows."""
    if options["engine"] != "spark":
        raise UsageError(f"{address}: only --engine spark reads addresses; DuckDB reads a folder")
    from harness.audit.spark import local_copy, spark_session

    with local_copy(address, spark_session(None)) as folder:
        return _audit_history(folder, as_json, options)


def _audit_run(folder: Path, as_json: bool) -> int:
    from harness.cli.console import result_console
    from harness.report.json import as_json as text_of
    from harness.report.terminal import print_report
    from harness.run_folder import SCENARIO
    from harness.session import judge_run_folder

    run = judge_run_folder(folder)
    if as_json:
        click.echo(text_of(run.to_json()), nl=False)
    else:
        print_report(result_console(), run, folder, str(folder / SCENARIO))
    return run.exit_code


def _audit_history(folder: Path, as_json: bool, options: _Options) -> int:
    from harness.audit import audit as find
    from harness.cli.console import result_console
    from harness.report.history import history_exit_code, history_json, print_history
    from harness.report.json import as_json as text_of

    found = find(folder, **options)
    click.echo(", ".join(f"{part} {seconds:.1f} s" for part, seconds in found.seconds.items()), err=True)
    if as_json:
        click.echo(text_of(history_json(found)), nl=False)
    else:
        print_history(result_console(), found, folder)
    return history_exit_code(found)
