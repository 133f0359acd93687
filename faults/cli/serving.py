"""`serve`: a proxy with its hops, in the foreground."""

from __future__ import annotations

import re
import signal
import threading
from typing import Any, get_args

import click
import orjson

from faults.cli.exits import ExitCode
from faults.cli.options import API, say
from faults.messages import HopProtocol
from faults.proxy import LANE, Proxy

_HOP = re.compile(r"(?:([\w.-]+)/)?(\w+):([^=\s]+:\d+)=([^=\s]+:\d+)")
_PROTOCOLS: tuple[HopProtocol, ...] = get_args(HopProtocol)


class _Hop(click.ParamType[dict[str, Any]]):
    """`[LANE/]PROTOCOL:LISTEN=UPSTREAM`, as the arguments of `Proxy.hop`."""

    name = "hop"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        parts = _HOP.fullmatch(str(value))
        if not parts:
            self.fail(f"{value!r} is no hop: write PROTOCOL:LISTEN=UPSTREAM, such as {_EXAMPLE}", param, ctx)
        lane, protocol, listen, upstream = parts.groups()
        if protocol not in _PROTOCOLS:
            self.fail(f"there is no protocol {protocol!r}; protocols are {', '.join(_PROTOCOLS)}", param, ctx)
        return {"upstream": upstream, "listen": listen, "protocol": protocol, "lane": lane or LANE}


_EXAMPLE = "kafka:127.0.0.1:19092=127.0.0.1:9092"


@click.command()
@click.argument("hops", nargs=-1, required=True, type=_Hop(), metavar="[LANE/]PROTOCOL:LISTEN=UPSTREAM...")
@click.option("--api", default=API, show_default=True, help="Where the proxy's own API listens.")
@click.option("--program", help="The eosproxy program; else EOSPROXY, PATH, or built by Go.")
@click.option("--toxics", is_flag=True, help="Lead all hops through Toxiproxy, for latency, bandwidth, slicing, reset.")
def serve(hops: tuple[dict[str, Any], ...], api: str, program: str | None, toxics: bool) -> ExitCode:
    """Put hops in front of brokers or services.

    They stay until Ctrl-C. Clients connect to LISTEN instead of UPSTREAM. PROTOCOL is kafka, postgres, http, smtp or
    tcp. A Kafka broker must advertise LISTEN at the listener that UPSTREAM is of, and each broker of a cluster needs a
    hop of its own: docs/faults.md says how. Hops of one LANE (else: app) count their steps together.

    Prints one line of JSON once everything listens.
    """
    with Proxy.start(program, api, progress=say) as proxy:
        states = [proxy.hop(**hop) for hop in hops]
        if toxics:
            for lane in dict.fromkeys(state.lane for state in states):
                proxy.detour(lane)
        listed = [{"name": each.name, "listen": each.listen, "upstream": each.upstream} for each in states]
        told = _told_to_end()  # before it is said to be there: who reads that may end it at once
        click.echo(orjson.dumps({"proxy": proxy.url, "hops": listed}).decode())
        told.wait()
    return ExitCode.BIT


def _told_to_end() -> threading.Event:
    """Set by Ctrl-C or SIGTERM."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    return told


COMMANDS = (serve,)
