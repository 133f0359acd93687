"""Faults that could not be proved are refused before anything is touched."""

import pytest

from faults import FaultError, HopClient, LaneDetour, Latency, LinkPartition, Toxics

NOWHERE = "http://127.0.0.1:9"


def test_a_refused_connection_has_no_direction() -> None:
    with pytest.raises(FaultError, match="no way 'forward'"):
        LinkPartition(HopClient(NOWHERE), ["lane-1/broker-1"], way="forward", how="refuse")


def test_a_partition_of_nothing() -> None:
    with pytest.raises(FaultError, match="at least one hop"):
        LinkPartition(HopClient(NOWHERE), [])


@pytest.mark.parametrize(("delay_ms", "jitter_ms"), [(0, 0), (-1, 0), (10, 10), (10, -1)])
def test_a_delay_that_its_jitter_could_swallow(delay_ms: int, jitter_ms: int) -> None:
    detour = LaneDetour(HopClient(NOWHERE), Toxics(NOWHERE), "lane-1", [])
    with pytest.raises(FaultError, match="cannot be proved"):
        Latency(detour, delay_ms, jitter_ms)
