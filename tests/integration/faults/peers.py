"""What stands at both ends of a hop in these tests: a client and a broker that speak Kafka's framing, and little else.

The bytes are written out by hand, so that nothing but eosproxy itself decides how they are understood.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from faults import HopClient, HopSpec, HopState

ANSWER_S = 5.0
SILENCE_S = 0.3
"""How long nothing must come before we believe that nothing comes."""

PRODUCE, METADATA, OFFSET_COMMIT, HEARTBEAT, END_TXN = 0, 3, 8, 12, 26


def _string(text: str | None) -> bytes:
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()


def request(api: int, version: int, correlation_id: int, body: bytes = b"") -> bytes:
    frame = struct.pack(">hhi", api, version, correlation_id) + _string("app") + body
    return struct.pack(">i", len(frame)) + frame


def end_txn(correlation_id: int, *, commit: bool = True, transactional_id: str = "t") -> bytes:
    body = _string(transactional_id) + struct.pack(">qh?", 1000, 0, commit)
    return request(END_TXN, 1, correlation_id, body)


def offset_commit(correlation_id: int) -> bytes:
    partition = struct.pack(">iq", 0, 17) + _string(None)
    topics = struct.pack(">i", 1) + _string("orders") + struct.pack(">i", 1) + partition
    return request(
        OFFSET_COMMIT, 2, correlation_id, _string("g") + struct.pack(">i", 1) + _string("m") + b"\xff" * 8 + topics
    )


def produce(correlation_id: int, partition: int = 0, records: bytes = b"records") -> bytes:
    data = struct.pack(">i", partition) + struct.pack(">i", len(records)) + records
    topics = struct.pack(">i", 1) + _string("orders") + struct.pack(">i", 1) + data
    return request(PRODUCE, 3, correlation_id, _string(None) + struct.pack(">hi", -1, 30_000) + topics)


def metadata(correlation_id: int) -> bytes:
    return request(METADATA, 1, correlation_id, struct.pack(">i", -1))


class LostConnectionError(Exception):
    """`how` is `closed` or `reset`."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(how)


class Peer:
    """One connection of a client. Use it as a context manager."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), ANSWER_S)

    def send(self, frame: bytes) -> None:
        self._socket.sendall(frame)

    def answer(self, timeout_s: float = ANSWER_S) -> int | None:
        """Correlation id of the next reply; None when none comes in time. Raises LostConnectionError."""
        self._socket.settimeout(timeout_s)
        try:
            return _read_frame(self._socket)[0]
        except TimeoutError:
            return None
        except EOFError:
            raise LostConnectionError("closed") from None
        except ConnectionResetError:
            raise LostConnectionError("reset") from None

    def ask(self, frame: bytes) -> int | None:
        self.send(frame)
        return self.answer()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Received:
    """A request as the broker saw it."""

    api: int
    correlation_id: int
    connection: int
    mono_ns: int


class Broker:
    """Answers every request with its correlation id, on as many connections as come."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.hang_up_at: int | None = None
        """Close the connection instead of answering requests of this api key."""
        self.answer_bytes = 2
        """How long the body of an answer is."""
        self._arrived = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._connections):
            with suppress(OSError):  # its peer has closed it already
                each.shutdown(socket.SHUT_RDWR)  # close() alone would leave it to the thread that waits on it
            each.close()

    def wait_received(self, correlation_id: int, timeout_s: float = ANSWER_S) -> Received | None:
        """The request of that id; None when it does not come in time."""

        def found() -> Received | None:
            return next((each for each in self.received if each.correlation_id == correlation_id), None)

        with self._arrived:
            self._arrived.wait_for(lambda: found() is not None, timeout_s)
            return found()

    def saw(self, correlation_id: int) -> bool:
        return self.wait_received(correlation_id, 0) is not None

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            number = len(self._connections)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        while True:
            try:
                api_and_version, frame = _read_frame(connection)
            except (EOFError, OSError):
                connection.close()
                return
            received = Received(
                api_and_version >> 16, struct.unpack_from(">i", frame, 4)[0], number, time.monotonic_ns()
            )
            with self._arrived:
                self.received.append(received)
                self._arrived.notify_all()
            if received.api == self.hang_up_at:
                connection.close()
                return
            with suppress(OSError):  # the client is gone, which the next read tells
                head = struct.pack(">ii", 4 + self.answer_bytes, received.correlation_id)
                connection.sendall(head + bytes(self.answer_bytes))


@dataclass
class Lane:
    """One hop with a broker behind it and an address for clients in front."""

    hops: HopClient
    name: str
    hop: str
    broker: Broker

    @property
    def address(self) -> str:
        return self.state().listen

    def state(self) -> HopState:
        return next(state for state in self.hops.hops() if state.name == self.hop)

    def connect(self) -> Peer:
        return Peer(self.address)


def make_lane(hops: HopClient, name: str, broker: Broker) -> Lane:
    hop = f"{name}/broker-1"
    hops.create_hops([HopSpec(name=hop, lane=name, listen="127.0.0.1:0", upstream=broker.address)])
    return Lane(hops, name, hop, broker)


@contextmanager
def stalled_client(lane: Lane) -> Iterator[None]:
    """A client that asks and does not read, so that everything on its way down to it is full."""
    lane.broker.answer_bytes = 4 << 20
    with lane.connect() as client:
        client.send(b"".join(metadata(number) for number in range(10)))
        came_down = -1
        while came_down < (came_down := lane.state().bytes_down) or came_down == 0:
            time.sleep(SILENCE_S)
        yield


def until(condition: Callable[[], bool], timeout_s: float = ANSWER_S) -> bool:
    """Whether it has come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _read_frame(source: socket.socket) -> tuple[int, bytes]:
    """The first four bytes of a frame as a number, and all of it. Raises EOFError at its end."""
    frame = _read(source, struct.unpack(">i", _read(source, 4))[0])
    return struct.unpack_from(">i", frame)[0], frame


def _read(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data
