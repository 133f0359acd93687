"""Looking without touching: hops, events, and what may be named."""

from __future__ import annotations

import contextlib

import click
import orjson
from pydantic import TypeAdapter

from faults.cli.exits import ExitCode
from faults.cli.options import proxy_option
from faults.codes import error_code, known_errors
from faults.hops import HopClient
from faults.messages import HopEvent
from faults.names import PROTOCOL_WORDS, known_steps

_EVENT = TypeAdapter(HopEvent)
_protocol = click.argument("protocol", type=click.Choice(list(PROTOCOL_WORDS)), default="kafka")


@click.command()
@proxy_option
def hops(url: str) -> ExitCode:
    """List hops and what they carried."""
    for state in HopClient(url).hops():
        cut = "" if state.enabled else " disabled"
        cut += "".join(f" {name} withheld" for name in ("requests", "replies") if getattr(state, name) == "withhold")
        click.echo(
            f"{state.name}: {state.listen} -> {state.upstream} {state.protocol},"
            f" {state.open_connections} connections, {state.bytes_up} bytes up, {state.bytes_down} down{cut}"
        )
    return ExitCode.BIT


@click.command()
@proxy_option
@click.option("--follow", is_flag=True, help="Go on with those to come, until Ctrl-C.")
@click.option("--since", default=0, metavar="SEQ", help="Only those after this number.")
def events(url: str, follow: bool, since: int) -> ExitCode:
    """Print events, one JSON object a line."""
    client = HopClient(url)
    if not follow:
        for event in client.events(since):
            click.echo(_line(event))
        return ExitCode.BIT
    with contextlib.suppress(KeyboardInterrupt), client.follow(since) as followed:
        for event in followed:
            click.echo(_line(event))
    return ExitCode.BIT


@click.command()
@_protocol
def steps(protocol: str) -> ExitCode:
    """List the names of steps."""
    for step in known_steps(protocol):  # type: ignore[arg-type]  # click has checked it
        click.echo(step)
    return ExitCode.BIT


@click.command()
@_protocol
def errors(protocol: str) -> ExitCode:
    """List the names of errors."""
    for name in known_errors(protocol):  # type: ignore[arg-type]  # click has checked it
        click.echo(f"{error_code(name, protocol)} {name}")  # type: ignore[arg-type]
    return ExitCode.BIT


def _line(event: HopEvent) -> str:
    return orjson.dumps(_EVENT.dump_python(event, mode="json", exclude_defaults=True)).decode()


COMMANDS = (hops, events, steps, errors)
