"""The group of all verbs, and the edge where every error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from harness.cli.audit import audit
from harness.cli.check import check
from harness.cli.clean import clean
from harness.cli.diagnose import diagnose
from harness.cli.doctor import doctor
from harness.cli.explain import explain
from harness.cli.run import run
from harness.cli.setup import setup
from harness.errors import EosChaosError, ExitCode


class _ReaderGoneError(Exception):
    """`eos-chaos … | head`: nobody read the verdict, so neither 0 nor 1 would be true."""


class Commands(click.Group):
    """Verbs return their exit code; what they raise is said here, once, for all of them."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        sys.exit(self._exit_code(args, extra))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # click would exit with 1, which means FAILED here
            raise _ReaderGoneError from error

    def _exit_code(self, args: Sequence[str] | None, extra: dict[str, Any]) -> int:
        extra |= {"standalone_mode": False, "prog_name": "eos-chaos"}
        try:
            return int(super().main(args, **extra) or ExitCode.AS_EXPECTED)
        except click.ClickException as error:
            error.show()
            return ExitCode.USAGE
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted: everything was torn down at once, nothing was judged", err=True)
            return ExitCode.INTERRUPTED
        except _ReaderGoneError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush complains
            return ExitCode.INTERRUPTED
        except EosChaosError as error:
            click.echo(f"eos-chaos: {error}", err=True)
            return error.exit_code
        except Exception:
            click.echo("this is a bug in eos-chaos; please report it with all of the following", err=True)
            click.echo(traceback.format_exc(), err=True, nl=False)
            return ExitCode.INTERNAL


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eos-chaos")
def commands() -> None:
    """Under this fault, does this Kafka pipeline duplicate or lose records, and where does exactly-once stop?

    \b
    Exit codes: 0 as expected, 1 failed, 2 usage, 3 inconclusive, 4 environment,
    5 nothing selected, 70 a bug of ours, 130 interrupted.
    """


for _verb in (setup, doctor, clean, check, run, audit, explain, diagnose):
    commands.add_command(_verb)


def main() -> None:
    """The entry point of the installed command."""
    commands.main()
