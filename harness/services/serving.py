"""What both servers' processes do alike: read their arguments, listen, serve HTTP."""

from __future__ import annotations

import argparse
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import uvicorn
from starlette.applications import Starlette

_BACKLOG = 128
_KEEP_ALIVE_S = 75
"""nginx's. uvicorn's own five seconds would close connections between two batches of a slow app."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """
    Args:
        listen: `host:port`.
        store: The file to keep everything in.
        api: `host:port` of the HTTP side of a service that is not HTTP itself; empty for others.
    """

    listen: str
    store: Path
    cluster_id: str
    api: str = ""

    @classmethod
    def parse(cls, service: str, *, with_api: bool = False) -> Self:
        parser = argparse.ArgumentParser(prog=f"harness.services.{service}")
        parser.add_argument("listen")
        parser.add_argument("store", type=Path)
        parser.add_argument("cluster_id")
        if with_api:
            parser.add_argument("api")
        return cls(**vars(parser.parse_args()))


def listening(address: str) -> socket.socket:
    """
    Raises:
        OSError: Somebody else listens there.
    """
    host, _, port = address.rpartition(":")
    return socket.create_server((host, int(port)), backlog=_BACKLOG)


async def serve_http(application: Starlette, address: str) -> None:
    """Until SIGTERM."""
    config = uvicorn.Config(
        application, log_level="warning", access_log=False, lifespan="off", timeout_keep_alive=_KEEP_ALIVE_S
    )
    await uvicorn.Server(config).serve(sockets=[listening(address)])
