"""`eos-chaos audit DIR`"""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import UsageError

FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, exists=True))


@click.command()
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json, or the findings of a bare history.")
def audit(folder: Path, as_json: bool) -> int:
    """Judge stored evidence again, without a broker. DIR is a run folder, or any history (docs/ledger.md).

    A run folder is judged by its own scenario. A history without expectations exits 1 on any finding that is
    not legal, 3 when it cannot be judged.
    """
    from harness.run_folder import is_history, is_run_folder

    if is_run_folder(folder):
        return _audit_run(folder, as_json)
    if is_history(folder):
        return _audit_history(folder, as_json)
    raise UsageError(f"{folder}: neither a run folder (plan.json, scenario.yaml) nor a history (places.json)")


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


def _audit_history(folder: Path, as_json: bool) -> int:
    from harness.audit import audit as find
    from harness.cli.console import result_console
    from harness.report.history import history_exit_code, history_json, print_history
    from harness.report.json import as_json as text_of

    found = find(folder)
    if as_json:
        click.echo(text_of(history_json(found)), nl=False)
    else:
        print_history(result_console(), found, folder)
    return history_exit_code(found)
