"""`eos-chaos setup`"""

from __future__ import annotations

import click


@click.command()
def setup() -> int:
    """Fetch and build, once, what environments are made of: brokers, proxy, database."""
    from harness.cli.console import progress_console
    from harness.environment import setup as set_up
    from harness.report.progress import Progress

    with Progress(progress_console()) as progress:
        set_up(progress.step)
    click.echo("ready: every part is there")
    return 0
