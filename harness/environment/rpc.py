"""The line between a harness and the keeper of its cluster: one JSON object a line, request and answer in turn.

Its end is a message too: the kernel closes it when the harness dies, however it dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import EnvironmentFailedError

SOCKET_NAME = "keeper.sock"
_CALL_S = 30.0


class Line:
    """The harness's end; may be used by several threads.

    Raises:
        EnvironmentFailedError: From every call: what the keeper refused, or that it is gone.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_CALL_S)
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()

    def call(self, name: str, **arguments: Any) -> Any:
        with self._lock:
            try:
                self._connection.sendall(encode({"call": name, **arguments}))
                answer = self._lines.readline()
            except OSError as error:
                raise EnvironmentFailedError(f"the cluster's keeper does not answer {name!r}: {error}") from error
        if not answer:
            raise EnvironmentFailedError(f"the cluster's keeper is gone (asked: {name!r})")
        message = json.loads(answer)
        if "error" in message:
            raise EnvironmentFailedError(message["error"])
        return message["ok"]

    def hang_up(self) -> None:
        """Our end closes; a cluster that is not kept ends with that, and we wait until it has (at most 30 s)."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            while self._connection.recv(4096):  # the keeper hangs up when all is done
                pass
        self.close()

    def end_cluster(self) -> None:
        """Hang up, and end the cluster even if it is to be kept; in the middle of its start, too."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(encode({"call": "shutdown"}))
        self.hang_up()

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


@contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """A path of `folder`'s socket that fits into the 107 bytes that the kernel allows, however deep the folder is."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def listen(folder: Path) -> socket.socket:
    """Be found by a later harness of the same OS user."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(folder) as path:
        listener.bind(path)
    (folder / SOCKET_NAME).chmod(0o600)
    listener.listen(4)
    listener.setblocking(False)
    return listener


def connect(folder: Path) -> Line | None:
    """The line to the keeper of `folder`; None where none listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(folder) as path:
            connection.connect(path)
    except OSError:
        connection.close()
        return None
    return Line(connection)
