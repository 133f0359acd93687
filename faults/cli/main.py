"""The group of all commands, and the edge where every error becomes a message and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from faults.cli import links, looking, processes, serving, steps
from faults.cli.exits import ExitCode
from faults.errors import FaultError, ProxyError, StepError


class Commands(click.Group):
    """Commands return their exit code; what they raise is said here, once, for all of them."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        sys.exit(self._exit_code(args, extra))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added, which is that of use."""
        return list(self.commands)

    def _exit_code(self, args: Sequence[str] | None, extra: dict[str, Any]) -> int:
        extra |= {"standalone_mode": False, "prog_name": "python -m faults"}
        try:
            return int(super().main(args, **extra) or ExitCode.BIT)
        except click.ClickException as error:
            error.show()
            return ExitCode.USAGE
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted: healed, nothing is proved", err=True)
            return ExitCode.INTERRUPTED
        except StepError as error:
            click.echo(f"faults: {error}", err=True)
            return ExitCode.USAGE
        except FaultError as error:
            click.echo(f"faults: {error}{_what_now(error)}", err=True)
            return ExitCode.ENVIRONMENT
        except Exception:
            click.echo("this is a bug; please report it with all of the following", err=True)
            click.echo(traceback.format_exc(), err=True, nl=False)
            return ExitCode.INTERNAL


def _what_now(error: FaultError) -> str:
    if isinstance(error, ProxyError) and "cannot be reached" in str(error):
        return "\n  start one with: python -m faults serve PROTOCOL:LISTEN=UPSTREAM"
    return ""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Faults at exact protocol steps, for any client of Kafka, PostgreSQL, HTTP or SMTP, with proof that each one bit.

    \b
    Put a hop in front of a broker, and let your app connect to it:
      python -m faults serve kafka:127.0.0.1:19092=127.0.0.1:9092
    Kill the app inside its third commit, while the request is held:
      python -m faults kill-while-held 'EndTxn(commit)' -n 3 --pid 4711

    \b
    Exit codes: 0 the fault bit, 2 usage, 3 it did not bite, 4 no proxy or it failed,
    70 a bug of ours, 130 interrupted.
    """


for _module in (serving, looking, steps, links, processes):
    for _command in _module.COMMANDS:
        commands.add_command(_command)


def main() -> None:
    """The entry point of `python -m faults`."""
    commands.main()
