"""`eos-chaos clean`"""

from __future__ import annotations

import click


@click.command()
@click.option("--cache", is_flag=True, help="Also remove what `setup` fetched and built.")
def clean(cache: bool) -> int:
    """Stop and remove what earlier runs left: kept environments, leftover processes, their folders."""
    from harness.environment import clean as remove

    for line in remove(cache=cache) or ["nothing to remove"]:
        click.echo(line)
    return 0
