"""Faults of processes."""

from __future__ import annotations

import signal

import click

from faults.cli.exits import ExitCode
from faults.cli.options import DURATION, all_of, for_option, json_option, last, process_of, say, tell

_process = all_of(
    click.argument("pid", type=int),
    click.option("--tree", is_flag=True, help="With all of its descendants, such as a database's."),
    json_option,
)


@click.command()
@_process
def crash(pid: int, tree: bool, as_json: bool) -> ExitCode:
    """Kill a process: SIGKILL."""
    return tell(f"crash {pid}", process_of(pid, tree).crash(), as_json)


@click.command()
@_process
@click.option(
    "--signal",
    "name",
    type=click.Choice(["SIGTERM", "SIGINT", "SIGQUIT"]),
    default="SIGTERM",
    show_default=True,
    help="PostgreSQL waits for its clients at SIGTERM, and not at SIGINT.",
)
@click.option("--wait", "wait_s", type=DURATION, default="30s", show_default=True, help="How long it may take.")
def stop(pid: int, tree: bool, as_json: bool, name: str, wait_s: float) -> ExitCode:
    """Tell a process to end: SIGTERM."""
    return tell(f"stop {pid}", process_of(pid, tree).stop(wait_s, by=signal.Signals[name]), as_json)


@click.command()
@_process
@for_option
def pause(pid: int, tree: bool, as_json: bool, for_s: float) -> ExitCode:
    """Let a process stand still: SIGSTOP, SIGCONT."""
    process = process_of(pid, tree)
    begun = process.pause()
    try:
        if begun.bit:
            say(f"pause {pid}: stopped")
            last(for_s)
    finally:
        ended = process.resume()
    return tell(f"pause {pid}", ended if begun.bit else begun, as_json)


COMMANDS = (crash, stop, pause)
