"""The event stream: it outlives silence, notices a proxy that is gone, and counts what it missed."""

import queue
import signal
import threading
import time
from collections.abc import Callable

import pytest

from faults import EventStream, HopClient, HopEvent, ProxyGoneError, Rule, StepRule
from tests.integration.faults.conftest import EosProxy, StartProxy
from tests.integration.faults.peers import Broker, Lane, make_lane, metadata, until

BURST = 3000
"""Frames in one write: a log of one event cannot keep up with them."""


def opened_by(action: Callable[[], object], events: EventStream, lane: Lane) -> HopEvent:
    """The event of the connection that an action opens on a lane."""
    seen: queue.SimpleQueue[HopEvent] = queue.SimpleQueue()
    events.subscribe(None, seen.put)
    try:
        action()
        while True:
            event = seen.get(timeout=5)
            if (event.kind, event.lane) == ("opened", lane.name):
                return event
    finally:
        events.unsubscribe(None, seen.put)


def ask_once(lane: Lane) -> None:
    with lane.connect() as client:
        client.ask(metadata(1))


def test_it_outlives_a_silence(hops: HopClient, lane: Lane) -> None:
    with EventStream(hops, gone_after_s=0.1, idle_s=0.3) as events:
        time.sleep(1)  # three silences, each longer than the proxy may fail to answer
        events.check()
        assert opened_by(lambda: ask_once(lane), events, lane).hop == lane.hop


def test_it_begins_with_its_start(hops: HopClient, lane: Lane) -> None:
    ask_once(lane)
    seen: list[HopEvent] = []
    with EventStream(hops) as events:
        events.subscribe(None, seen.append)
        assert events.catch_up(5)
        assert "opened" not in [event.kind for event in seen if event.lane == lane.name]


def test_catching_up_means_that_the_sinks_have_them(hops: HopClient, events: EventStream, lane: Lane) -> None:
    seen: list[HopEvent] = []

    def slow(event: HopEvent) -> None:
        time.sleep(0.05)
        seen.append(event)

    events.subscribe(None, slow)
    ask_once(lane)
    assert events.catch_up(5)
    assert "opened" in [event.kind for event in seen if event.lane == lane.name]


def test_a_failing_sink_takes_nothing_from_others(events: EventStream, lane: Lane) -> None:
    def fails(event: HopEvent) -> None:
        raise RuntimeError(event.kind)

    events.subscribe(None, fails)
    assert opened_by(lambda: ask_once(lane), events, lane)


def test_it_closes_at_once_in_the_middle_of_a_silence(hops: HopClient) -> None:
    for pause_s in (0.0, 0.01, 0.2):  # while it connects, and after
        events = EventStream(hops, idle_s=30)
        events.start()
        time.sleep(pause_s)
        began = time.monotonic()
        events.close()
        assert time.monotonic() - began < 2
        assert events.gone is None


def test_it_cannot_start_without_a_proxy(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    proxy.process.kill()
    proxy.process.wait(5)
    with pytest.raises(ProxyGoneError), EventStream(HopClient(proxy.url)):
        pass


def test_who_waits_learns_that_the_proxy_died(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    hops = HopClient(proxy.url)
    with EventStream(hops, gone_after_s=0.3) as events:
        held = StepRule(hops, events, id="r", lanes=["lane-1"], step="commit")
        held.arm()
        threading.Timer(0.2, proxy.process.kill).start()
        began = time.monotonic()
        with pytest.raises(ProxyGoneError, match=f"{proxy.url} cannot be reached"):
            held.wait_held(30)
        assert time.monotonic() - began < 5
        assert held.wait_held(0) is None  # only looks
        assert not events.catch_up(5)
        evidence = held.evidence()
        assert (evidence.fired, evidence.bit) == (0, False)
        assert "eosproxy cannot say" in evidence.why


def test_a_proxy_that_hangs_is_gone(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    with EventStream(HopClient(proxy.url, timeout_s=0.3), gone_after_s=0.5, idle_s=0.3) as events:
        proxy.process.send_signal(signal.SIGSTOP)
        try:
            assert until(lambda: events.gone is not None)
            with pytest.raises(ProxyGoneError, match="did not answer"):
                events.check()
        finally:
            proxy.process.send_signal(signal.SIGCONT)


def test_a_short_hang_is_survived(start_proxy: StartProxy, broker: Broker) -> None:
    proxy = start_proxy()
    hops = HopClient(proxy.url)
    lane = make_lane(hops, "lane-1", broker)
    with EventStream(HopClient(proxy.url, timeout_s=0.2), gone_after_s=20, idle_s=0.2) as events:
        proxy.process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        proxy.process.send_signal(signal.SIGCONT)
        assert opened_by(lambda: ask_once(lane), events, lane)
        assert events.lost == 0


def test_another_proxy_at_the_same_address_is_a_stranger(start_proxy: StartProxy, broker: Broker) -> None:
    proxy = start_proxy()
    hops = HopClient(proxy.url)
    lane = make_lane(hops, "lane-1", broker)
    with EventStream(hops, gone_after_s=20) as events:
        opened_by(lambda: ask_once(lane), events, lane)
        proxy.process.kill()
        proxy.process.wait(5)
        start_proxy(api=proxy.url.removeprefix("http://"))
        assert until(lambda: events.gone is not None)
        assert "was restarted: its hops, rules and holds are lost" in str(events.gone)


def test_lost_events_are_counted_and_leave_nothing_proved(start_proxy: StartProxy, broker: Broker) -> None:
    proxy = start_proxy("-events", "1")
    hops = HopClient(proxy.url)
    lane = make_lane(hops, "lane-1", broker)
    with EventStream(hops) as events, lane.connect() as client:
        never = StepRule(hops, events, id="never", lanes=["lane-1"], step="commit", n=3)
        never.arm()
        every = Rule(id="every", lanes=["lane-1"], match=[{"api": "Metadata"}], at="request", action="note", times=-1)
        hops.add_rule(every)
        client.send(b"".join(metadata(number) for number in range(BURST)))
        assert broker.wait_received(BURST - 1)
        assert events.catch_up(5)
        assert 0 < events.lost <= BURST + 1
        never.disarm()
        assert f"lost {events.lost} events: whether commit 3 came on lane-1 cannot be known" in never.evidence().why


def test_two_streams_see_the_same(hops: HopClient, eosproxy: EosProxy, lane: Lane) -> None:
    with EventStream(hops) as first, EventStream(HopClient(eosproxy.url)) as second:
        heard: list[HopEvent] = []
        second.subscribe(None, heard.append)
        event = opened_by(lambda: ask_once(lane), first, lane)
        assert second.catch_up(5)
        assert event in heard
