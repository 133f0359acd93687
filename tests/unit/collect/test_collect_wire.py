"""Answers that are none: whatever listens at a broker's address, the caller gets one clean error, in time."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.collect import Observer, collect
from harness.collect.wire import BrokerAwayError, Brokers
from harness.model import Place

TIMEOUT_S = 0.3
Serve = Callable[[bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that sends the same bytes to everyone; returns its address."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            kept = []
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                kept.append(connection)
                connection.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",  # a TLS alert
        struct.pack(">i", -1),
        struct.pack(">i", 5) + b"\x00\x00\x00\x01\xff",
        struct.pack(">ii", 300, 1) + b"\xff" * 296,
        struct.pack(">i", 1000) + b"too short",
        b"",
    ],
)
def test_what_is_no_answer_of_a_broker(serve: Serve, answer: bytes) -> None:
    brokers = Brokers(serve(answer), "cluster", TIMEOUT_S)
    began = time.monotonic()
    try:
        with pytest.raises(BrokerAwayError) as caught:
            brokers.metadata([])
    finally:
        brokers.close()
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 10 * TIMEOUT_S


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        place = Place(name="orders", kind="topic", resource="orders.k3f9", isolation="read_committed")
        began = time.monotonic()
        reasons = collect(bootstrap=address, cluster_id="c", dsn="", places=[place], out=tmp_path, deadline_s=0.5)
        assert time.monotonic() - began < 5
        assert reasons == [f"the topics could not be read: {address} does not answer (Connection refused)"]
        assert not (tmp_path / "sightings").exists()
        observer = Observer(address, "c")
        assert observer.settled({}, ["orders"]) == f"{address} does not answer (Connection refused)"
        observer.delete_topics(["orders"])
        observer.close()


def test_no_database(tmp_path: Path) -> None:
    place = Place(name="seen", kind="table", resource="s.seen")
    dsn = "host=127.0.0.1 port=1 user=nobody"
    (reason,) = collect(bootstrap="127.0.0.1:1", cluster_id="c", dsn=dsn, places=[place], out=tmp_path, deadline_s=5)
    assert reason.startswith("seen could not be read whole: connection failed")
