"""`eos-chaos clean`"""

from __future__ import annotations

import click


@click.command()
@click.option("--cache", is_flag=True, help="Also remove what `setup` fetched and built.")
def clean(cache: bool) -> int:
    """Stop and remove what earlier runs left: kept environments, leftover processes, their folders."""
    from harness.environment import clean as remove

    removed = remove(cache=cache)
    for line in removed:
        click.echo(f"removed {line}")
    if not removed:
        click.echo("nothing to remove")
    return 0
