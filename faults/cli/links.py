"""Faults of links that last a while."""

from __future__ import annotations

from typing import Protocol

import click

from faults.cli.exits import ExitCode
from faults.cli.options import (
    DURATION,
    all_of,
    for_option,
    json_option,
    lane_option,
    last,
    proxy_option,
    say,
    tell,
)
from faults.evidence import Evidence
from faults.hops import HopClient
from faults.latency import Latency
from faults.links import How, LinkPartition, Way
from faults.proxy import LANE, Proxy
from faults.resets import Reset
from faults.shaping import Bandwidth, Slicing

_link = all_of(lane_option, for_option, proxy_option, json_option)
_way = click.option(
    "--way",
    type=click.Choice(["both", "forward", "backward"]),
    default="both",
    show_default=True,
    help="forward is what the client sends, backward what it would get.",
)


class _LinkFault(Protocol):
    def inject(self) -> None: ...
    def heal(self) -> None: ...
    def evidence(self) -> Evidence: ...


@click.command()
@click.option("--lane", "lanes", multiple=True, help=f"All hops of a lane; may be repeated. [default: {LANE}]")
@click.option("--hop", "names", multiple=True, help="One hop, by its name in 'hops'; may be repeated.")
@for_option
@_way
@click.option(
    "--how",
    type=click.Choice(["withhold", "refuse", "reset"]),
    default="withhold",
    show_default=True,
    help="withhold: bytes wait; refuse: ECONNREFUSED; reset: accepted, then RST, and counted.",
)
@proxy_option
@json_option
def partition(
    lanes: tuple[str, ...], names: tuple[str, ...], for_s: float, way: Way, how: How, url: str, as_json: bool
) -> ExitCode:
    """Cut links, and mend them after a while."""
    client = HopClient(url)
    wanted = lanes or (() if names else (LANE,))
    cut = [*names, *(state.name for state in client.hops() if state.lane in wanted)]
    return _inject("partition", LinkPartition(client, cut, way, how), for_s, as_json)


@click.command()
@click.argument("delay", type=DURATION)
@click.option("--jitter", type=DURATION, default="0ms", help="More or less by up to so much.")
@_link
def latency(delay: float, jitter: float, lane: str, for_s: float, url: str, as_json: bool) -> ExitCode:
    """Let every reply come later, by DELAY."""
    detour = Proxy(url).prepared_detour(lane)
    return _inject("latency", Latency(detour, round(delay * 1000), round(jitter * 1000)), for_s, as_json)


@click.command()
@click.argument("kb_per_s", type=int)
@_way
@_link
def bandwidth(kb_per_s: int, way: Way, lane: str, for_s: float, url: str, as_json: bool) -> ExitCode:
    """Limit the bandwidth of each connection.

    No more than KB_PER_S thousand bytes a second pass in a direction.
    """
    return _inject("bandwidth", Bandwidth(Proxy(url).prepared_detour(lane), kb_per_s, way), for_s, as_json)


@click.command()
@click.argument("size", type=int)
@click.option("--delay", type=DURATION, default="10ms", show_default=True, help="Between two pieces.")
@_link
def slicing(size: int, delay: float, lane: str, for_s: float, url: str, as_json: bool) -> ExitCode:
    """Let replies come in pieces of SIZE bytes."""
    return _inject("slicing", Slicing(Proxy(url).prepared_detour(lane), size, round(delay * 1000)), for_s, as_json)


@click.command()
@click.option("--after", type=DURATION, default="0ms", help="How long the reply is held back before that.")
@_link
def reset(after: float, lane: str, for_s: float, url: str, as_json: bool) -> ExitCode:
    """Reset connections when a reply comes."""
    with Proxy(url) as proxy:
        fault = Reset(proxy.prepared_detour(lane), proxy.events, round(after * 1000))
        return _inject("reset", fault, for_s, as_json)


def _inject(what: str, fault: _LinkFault, for_s: float, as_json: bool) -> ExitCode:
    fault.inject()
    try:
        say(f"{what}: injected")
        last(for_s)
    finally:
        fault.heal()
    return tell(what, fault.evidence(), as_json)


COMMANDS = (partition, latency, bandwidth, slicing, reset)
