"""`eos-chaos check FILE…`"""

from __future__ import annotations

from pathlib import Path

import click

FILES = click.argument(
    "files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
)


@click.command()
@FILES
def check(files: tuple[Path, ...]) -> int:
    """Read scenarios, show every mistake where it stands, print the plan. Starts nothing."""
    from harness.cli.plans import plans_of
    from harness.plan import describe

    click.echo("\n\n".join(describe(plan) for plan in plans_of(files)))
    return 0
