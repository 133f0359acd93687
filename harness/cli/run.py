"""`eos-chaos run FILE…`"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.check import FILES
from harness.topology import MOST_LANES

if TYPE_CHECKING:
    from harness.environment import Environment
    from harness.plan import Plan
    from harness.report.progress import Progress
    from harness.verdict import RunVerdict


@click.command()
@FILES
@click.option("--only", multiple=True, metavar="AXIS=VALUE", help="Run only these cells; may be given again.")
@click.option("--repeat", type=click.IntRange(min=1), help="How often each cell runs, instead of the file's.")
@click.option("--seed", type=click.IntRange(min=0), help="Instead of the file's.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1, max=MOST_LANES),
    default=1,
    show_default=True,
    help="How many repeats go on at a time, where their faults touch only their own apps.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where the evidence goes.")
@click.option("--keep", is_flag=True, help="Leave the environment running; a later run uses it again.")
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json (an array for several files).")
def run(
    *,
    files: tuple[Path, ...],
    only: tuple[str, ...],
    repeat: int | None,
    seed: int | None,
    jobs: int,
    out: Path | None,
    keep: bool,
    as_json: bool,
) -> int:
    """Run scenarios on real brokers and judge what they did. Exits with the worst verdict.

    The evidence goes to runs/<scenario>-<time>/, and runs/latest points to the newest.
    """
    from harness.cli.console import progress_console
    from harness.cli.folders import run_folders
    from harness.cli.plans import plans_of
    from harness.environment import open_environment
    from harness.events import EnvironmentStarted
    from harness.report.progress import Progress
    from harness.verdict import worst_exit_code

    plans = plans_of(files, only=only, repeat=repeat, seed=seed)
    folders = run_folders([plan.scenario.name for plan in plans], out)
    progress = Progress(progress_console())
    verdicts: list[RunVerdict] = []
    with ExitStack() as stack:
        with progress:
            environment = stack.enter_context(open_environment(keep=keep, progress=progress.step))
            started = EnvironmentStarted(
                at=0, cluster_id=environment.cluster_id, seconds=environment.seconds, reused=environment.reused
            )
            progress(started)
        for plan, folder in zip(plans, folders, strict=True):
            verdicts.append(_run_one(plan, environment, folder, progress, jobs, as_json))
            if verdicts[-1].interrupted or verdicts[-1].environment_failure:
                break
    if as_json:
        click.echo(_json_of(verdicts, one=len(plans) == 1), nl=False)
    for plan in plans[len(verdicts) :]:
        click.echo(f"not run: {plan.scenario.file}", err=True)
    return worst_exit_code(verdict.exit_code for verdict in verdicts)


def _run_one(
    plan: Plan, environment: Environment, folder: Path, progress: Progress, jobs: int, as_json: bool
) -> RunVerdict:
    from harness.cli.console import result_console
    from harness.report.terminal import print_report
    from harness.session import run_scenario

    for warning in plan.warnings:
        click.echo(f"warning: {warning}", err=True)
    with progress:
        verdict = run_scenario(plan, environment, folder, progress, jobs=jobs)
    click.echo(f"evidence: {folder}", err=True)
    if not as_json:
        print_report(result_console(), verdict, folder, plan.scenario.file)
    return verdict


def _json_of(verdicts: Sequence[RunVerdict], *, one: bool) -> str:
    """One document: the object of verdict.json for a single file, an array of them for several."""
    from harness.report.json import as_json

    documents = [verdict.to_json() for verdict in verdicts]
    return as_json(documents[0] if one else documents)
