"""What commands share: durations, the proxy, and how evidence is told."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click
import orjson

from faults.cli.exits import ExitCode
from faults.errors import ProcessError, StepError
from faults.evidence import Evidence
from faults.names import Step
from faults.process import ProcessHandle
from faults.proxy import LANE
from faults.tree import ProcessTree

API = "127.0.0.1:8474"

Command = TypeVar("Command", bound=Callable[..., Any])

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class _Duration(click.ParamType[float]):
    """`1.5s`, `200ms`, `2m`; seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        parts = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", str(value).strip())
        if not parts:
            self.fail(f"{value!r} is no duration: write 200ms, 1.5s or 2m", param, ctx)
        return float(parts[1]) * _UNITS_S[parts[2]]


class _Step(click.ParamType[Step]):
    """A step by its text."""

    name = "step"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Step:
        try:
            return value if isinstance(value, Step) else Step.parse(str(value))
        except StepError as error:
            self.fail(str(error), param, ctx)


DURATION = _Duration()
STEP = _Step()

proxy_option = click.option(
    "--proxy",
    "url",
    envvar="EOSPROXY_URL",
    default=f"http://{API}",
    show_default=True,
    help="The API of a running proxy; EOSPROXY_URL sets it too.",
)
lanes_option = click.option(
    "--lane", "lanes", multiple=True, default=[LANE], show_default=True, help="Whose steps count; may be repeated."
)
lane_option = click.option("--lane", default=LANE, show_default=True, help="Whose links.")
for_option = click.option("--for", "for_s", type=DURATION, required=True, help="How long it lasts.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the evidence as one JSON document.")
wait_option = click.option(
    "--wait", "wait_s", type=DURATION, default="60s", show_default=True, help="How long to wait for it to happen."
)


def all_of(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator; they appear in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def say(text: str) -> None:
    """Progress; the result alone goes to standard output."""
    click.echo(text, err=True)


def tell(what: str, evidence: Evidence, as_json: bool) -> ExitCode:
    """Print what became of a fault, and give the exit code that says the same."""
    if as_json:
        body = {
            "fault": what,
            "bit": evidence.bit,
            "fired": evidence.fired,
            "why": evidence.why,
            "facts": evidence.facts,
        }
        click.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(f"{what}: {'bit' if evidence.bit else f'did not bite: {evidence.why}'}")
        for name, value in evidence.facts.items():
            click.echo(f"  {name.replace('_', ' ')}: {_shown(value)}")
    return ExitCode.BIT if evidence.bit else ExitCode.NO_BITE


def process_of(pid: int, tree: bool = False) -> ProcessHandle | ProcessTree:
    """
    Raises:
        click.BadParameter: There is no such process.
    """
    try:
        return ProcessTree.of(pid) if tree else ProcessHandle.of(pid)
    except ProcessError as error:
        raise click.BadParameter(str(error)) from error


def last(seconds: float) -> None:
    """Let a fault last; Ctrl-C ends it early, and it is healed all the same."""
    time.sleep(seconds)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
