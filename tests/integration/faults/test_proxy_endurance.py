"""The real eosproxy after thousands of connections, and with a log that is too small."""

from __future__ import annotations

import asyncio
import contextlib

import psutil

from faults import HopClient, HopSpec, Rule
from tests.integration.faults.conftest import StartProxy
from tests.integration.faults.peers import Broker, end_txn, make_lane, metadata, until

CONNECTIONS = 10_000
ABREAST = 100
LEFT_S = 15.0
GROWTH = 32 << 20
"""Bytes of memory by which another half of the connections may move a garbage-collected process."""


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request with its correlation id."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            size = int.from_bytes(await reader.readexactly(4))
            frame = await reader.readexactly(size)
            writer.write((4).to_bytes(4) + frame[4:8])
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def come_and_go(number: int, host: str, port: int, free: asyncio.Semaphore) -> None:
    """One connection, that ends in one of several ways."""
    async with free:
        reader, writer = await asyncio.open_connection(host, port)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            match number % 5:
                case 0:  # at once
                    pass
                case 1:
                    writer.write(metadata(number))
                    await reader.readexactly(8)
                case 2:  # in the middle of a frame
                    writer.write(metadata(number)[:9])
                case 3:  # refused
                    writer.write(end_txn(number))
                    await reader.readexactly(14)
                case 4:  # without waiting for the reply
                    writer.write(metadata(number))
                    writer.transport.abort()
            writer.close()
            await writer.wait_closed()


async def all_come_and_go(numbers: range, host: str, port: int) -> None:
    free = asyncio.Semaphore(ABREAST)
    await asyncio.gather(*(come_and_go(number, host, port, free) for number in numbers))


def test_ten_thousand_connections_leave_nothing(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    hops, process = HopClient(proxy.url), psutil.Process(proxy.process.pid)

    async def run() -> list[int]:
        broker = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1000)
        host, port = broker.sockets[0].getsockname()
        made = HopSpec(name="h", lane="lane-1", listen="127.0.0.1:0", upstream=f"{host}:{port}", protocol="kafka")
        await asyncio.to_thread(hops.create_hops, [made])
        match = [{"api": "EndTxn"}]
        await asyncio.to_thread(
            hops.add_rule,
            Rule(id="r", lanes=["lane-1"], match=match, at="request", action="refuse", error="16", times=-1),
        )
        host, _, port = hops.hops()[0].listen.rpartition(":")
        memory = []
        for half in (range(CONNECTIONS // 2), range(CONNECTIONS // 2, CONNECTIONS)):
            await all_come_and_go(half, host, int(port))
            memory.append(process.memory_info().rss)
        assert await asyncio.to_thread(until, lambda: hops.health().open_connections == 0, LEFT_S)
        broker.close()
        return memory

    before = process.num_fds()
    first, second = asyncio.run(run())
    assert until(lambda: process.num_fds() <= before + 2, LEFT_S)  # the hop's listener, and this client of the API
    state = hops.hops()[0]
    assert (state.accepted, state.open_connections) == (CONNECTIONS, 0)
    assert hops.rules()[0].fired == CONNECTIONS // 5
    assert second - first < GROWTH


def test_events_that_nobody_fetched_are_counted_and_announced(start_proxy: StartProxy, broker: Broker) -> None:
    hops = HopClient(start_proxy("-events", "10").url)
    lane = make_lane(hops, "lane-1", broker)
    match = [{"api": "Metadata"}]
    hops.add_rule(Rule(id="r", lanes=[lane.name], match=match, at="request", action="note", times=-1))
    with lane.connect() as client:
        for number in range(100):
            client.ask(metadata(number))
    assert until(lambda: hops.health().events == 102, LEFT_S)  # opened, noted, closed
    assert hops.health().events_lost == 92
    announced, *kept = hops.events()
    assert (announced.kind, announced.count) == ("dropped_events", 92)
    assert [event.seq for event in kept] == list(range(93, 103))
