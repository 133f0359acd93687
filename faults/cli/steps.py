"""Faults at the n-th frame of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import click

from faults.acts import StepLose, StepRefuse, StepReplace
from faults.armed import When
from faults.cli.exits import ExitCode
from faults.cli.options import (
    DURATION,
    STEP,
    all_of,
    json_option,
    lanes_option,
    last,
    process_of,
    proxy_option,
    say,
    tell,
    wait_option,
)
from faults.delay import StepDelay
from faults.evidence import Evidence
from faults.messages import Ending, HopEvent
from faults.names import Step
from faults.proxy import Proxy
from faults.steps import StepRule

_step = all_of(
    click.argument("step", type=STEP),
    click.option("-n", default=1, show_default=True, type=click.IntRange(1), help="Which one, from now on."),
    lanes_option,
    proxy_option,
    wait_option,
    json_option,
)
_times = click.option(
    "--times", default=1, show_default=True, type=int, help="How many; -1 is all that come while it waits."
)
_after = click.option("--after", "when", flag_value="after", default="before", help="Its reply, not the request.")
_connection = click.option(
    "--connection",
    type=click.Choice(["close", "reset", "open"]),
    default="close",
    show_default=True,
    help="What becomes of the connection of a lost frame: FIN, RST, or nothing more is heard.",
)
_then = click.option(
    "--then",
    type=click.Choice(["deliver", "drop"]),
    default="deliver",
    show_default=True,
    help="What becomes of it.",
)
_error = click.option("--error", required=True, help="By name or number; see the command 'errors'.")


@click.command()
@_step
@_after
@click.option("--for", "for_s", type=DURATION, required=True, help="How long it is held.")
@_then
@_connection
def hold(
    step: Step, n: int, lanes: tuple[str, ...], url: str, wait_s: float, as_json: bool, when: When, for_s: float,
    then: Literal["deliver", "drop"], connection: Ending,
) -> ExitCode:  # fmt: skip
    """Hold a frame for a while.

    It is the request of the n-th STEP, or with --after its reply. What is behind it on its connection waits too.
    """
    proxy = Proxy(url)
    rule = StepRule(proxy.hops, proxy.events, lanes=lanes, step=step, when=when, n=n)
    with proxy:
        rule.arm()
        try:
            if _seen(rule.wait_held(wait_s), step):
                last(for_s)
                rule.deliver() if then == "deliver" else rule.drop(connection)
        finally:
            rule.disarm()
    return tell(f"hold {when} {step} {n}", rule.evidence(), as_json)


@click.command("kill-while-held")
@_step
@_after
@click.option("--pid", required=True, type=int, help="The process to kill.")
@click.option("--tree", is_flag=True, help="With all of its descendants.")
@click.option(
    "--then",
    type=click.Choice(["drop", "deliver"]),
    default="drop",
    show_default=True,
    help="What becomes of the frame after that.",
)
@_connection
def kill_while_held(
    step: Step, n: int, lanes: tuple[str, ...], url: str, wait_s: float, as_json: bool, when: When, pid: int,
    tree: bool, then: Literal["deliver", "drop"], connection: Ending,
) -> ExitCode:  # fmt: skip
    """Kill a process inside of a step.

    SIGKILL comes while the request of the n-th STEP, or with --after its reply, is held.
    """
    process = process_of(pid, tree)
    proxy = Proxy(url)
    rule = StepRule(proxy.hops, proxy.events, lanes=lanes, step=step, when=when, n=n)
    with proxy:
        rule.arm()
        try:
            if not _seen(rule.wait_held(wait_s), step):
                return tell(f"kill {pid} {when} {step} {n}", rule.evidence(), as_json)
            death = process.crash()
            inside = rule.held_at(death.facts.get("signalled_ns", 0))
            rule.deliver() if then == "deliver" else rule.drop(connection)
        finally:
            rule.disarm()
    frame = rule.evidence()
    why = "; ".join(
        filter(None, [death.why, frame.why, "" if inside else f"process {pid} was hit after its frame had gone on"])
    )
    both = Evidence(fired=1, bit=not why, why=why, facts={"process": dict(death.facts), "frame": dict(frame.facts)})
    return tell(f"kill {pid} {when} {step} {n}", both, as_json)


@click.command()
@_step
@_after
@_times
@_connection
def lose(
    step: Step, n: int, lanes: tuple[str, ...], url: str, wait_s: float, as_json: bool, when: When, times: int,
    connection: Ending,
) -> ExitCode:  # fmt: skip
    """Lose a request, or its reply.

    The broker does not see the request of the n-th STEP, or with --after the client does not see its reply.
    """
    proxy = Proxy(url)
    rule = StepLose(
        proxy.hops, proxy.events, lanes=lanes, step=step, when=when, n=n, times=times, connection=connection
    )
    with proxy:
        return _act(f"lose {when} {step} {n}", rule, rule.wait_lost, wait_s, times, as_json)


@click.command()
@_step
@_times
@_error
def refuse(
    step: Step, n: int, lanes: tuple[str, ...], url: str, wait_s: float, as_json: bool, times: int, error: str
) -> ExitCode:
    """Answer a request by an error.

    The broker does not see the request of the n-th STEP, and the client is told the error.
    """
    proxy = Proxy(url)
    rule = StepRefuse(proxy.hops, proxy.events, lanes=lanes, step=step, n=n, times=times, error=error)
    with proxy:
        return _act(f"refuse {step} {n} with {error}", rule, rule.wait_refused, wait_s, times, as_json)


@click.command()
@_step
@_times
@_error
def replace(
    step: Step, n: int, lanes: tuple[str, ...], url: str, wait_s: float, as_json: bool, times: int, error: str
) -> ExitCode:
    """Replace a reply by an error.

    What the n-th STEP asked for has happened, and the client is told the error all the same.
    """
    proxy = Proxy(url)
    rule = StepReplace(proxy.hops, proxy.events, lanes=lanes, step=step, n=n, times=times, error=error)
    with proxy:
        return _act(f"replace the reply to {step} {n} by {error}", rule, rule.wait_replaced, wait_s, times, as_json)


@click.command()
@_step
@click.option("--for", "for_s", type=DURATION, default="30s", show_default=True, help="How long to wait for a retry.")
def delay(step: Step, n: int, lanes: tuple[str, ...], url: str, wait_s: float, as_json: bool, for_s: float) -> ExitCode:
    """Deliver a request past its retry.

    The request of the n-th STEP is held until the client's retry of it was answered.
    """
    proxy = Proxy(url)
    rule = StepDelay(proxy.hops, proxy.events, lanes=lanes, step=step, n=n)
    with proxy:
        rule.arm()
        try:
            if _seen(rule.wait_held(wait_s), step):
                rule.deliver_after_retry(for_s)
        finally:
            rule.disarm()
    return tell(f"delay {step} {n}", rule.evidence(), as_json)


def _act(
    what: str,
    rule: StepLose | StepRefuse | StepReplace,
    wait: Callable[[float, int], HopEvent | None],
    wait_s: float,
    times: int,
    as_json: bool,
) -> ExitCode:
    """Arm a rule that acts by itself, wait until it has acted as often as it is to, and heal."""
    rule.arm()
    try:
        say(f"{what}: armed")
        if times > 0:
            wait(wait_s, times)
        else:
            last(wait_s)
    finally:
        rule.disarm()
    return tell(what, rule.evidence(), as_json)


def _seen(frame: HopEvent | None, step: Step) -> bool:
    if frame:
        say(f"{step}: held on {frame.hop}, connection {frame.connection}")
    return frame is not None


COMMANDS = (hold, kill_while_held, lose, refuse, replace, delay)
