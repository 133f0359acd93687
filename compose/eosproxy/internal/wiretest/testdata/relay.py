"""Writes down what passes between a client and a server, one file a connection.

A line of a file is what came at once: `>` from the client, `<` from the server, and the bytes in base64.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent


@contextmanager
def recorded(name: str, upstream: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """A proxy in front of `upstream`; its first connection that is not silent goes to `name`-1.txt, and so on."""
    said: list[list[str]] = []
    threads: list[threading.Thread] = []

    def carry(source: socket.socket, target: socket.socket, mark: str, lines: list[str]) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                lines.append(f"{mark} {base64.b64encode(data).decode()}\n")
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(upstream)
                said.append([])
                for ends in ((client, server, ">"), (server, client, "<")):
                    threads.append(threading.Thread(target=carry, args=(*ends, said[-1]), daemon=True))
                    threads[-1].start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(5)
    for old in HERE.glob(f"{name}-[0-9]*.txt"):
        old.unlink()
    for number, lines in enumerate(filter(None, said), 1):
        (HERE / f"{name}-{number}.txt").write_text("".join(lines))
