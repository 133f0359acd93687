"""`eos-chaos doctor`"""

from __future__ import annotations

import click

from harness.errors import ExitCode


@click.command()
def doctor() -> int:
    """Say what is there, what is missing, and the command that mends it.

    Exits 4 when something is missing.
    """
    from harness.environment import doctor as examine

    needs = examine()
    width = max((len(need.name) for need in needs), default=0)
    for need in needs:
        click.echo(f"{'ok     ' if need.ok else 'MISSING'}  {need.name:<{width}}  {need.detail}")
        if not need.ok:
            click.echo(f"{'':7}  {'':<{width}}  mend it with: {need.mend}")
    return ExitCode.AS_EXPECTED if all(need.ok for need in needs) else ExitCode.ENVIRONMENT
