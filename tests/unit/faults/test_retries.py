"""Which answered request counts as the retry of a held one: the proof that a delayed frame came past its retry."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import HopEvent
from faults.delay import is_retry_of
from faults.messages import FrameTopic

ORDERS = (FrameTopic(topic="orders", partitions=(0, 2)),)
HELD = HopEvent(
    seq=7, kind="held", mono_ns=100, lane="lane-3", connection=4, at="request", api="TxnOffsetCommit",
    correlation_id=9, transactional_id="t", topics=ORDERS,
)  # fmt: skip
RETRY = replace(HELD, seq=8, kind="noted", at="reply", mono_ns=200, connection=5, correlation_id=1)


def test_a_retry_comes_over_another_connection() -> None:
    assert is_retry_of(HELD, RETRY)
    assert is_retry_of(HELD, replace(RETRY, hop="lane-3/broker-2"))  # its coordinator may have moved


@pytest.mark.parametrize(
    "other",
    [
        {"connection": 4},  # what was sent before the held request
        {"mono_ns": 100},  # answered before
        {"lane": "lane-4"},
        {"api": "OffsetCommit"},
        {"transactional_id": "u"},
        {"committed": True},
        {"topics": (FrameTopic(topic="orders", partitions=(1,)),)},
        {"topics": (FrameTopic(topic="invoices", partitions=(0, 2)),)},
        {"topics": ()},
    ],
)
def test_anything_else_is_none(other: dict[str, Any]) -> None:
    assert not is_retry_of(HELD, replace(RETRY, **other))


@given(held=st.sets(st.integers(0, 9), min_size=1), retried=st.sets(st.integers(0, 9)))
def test_one_partition_in_common_is_enough(held: set[int], retried: set[int]) -> None:
    def topics(partitions: set[int]) -> tuple[FrameTopic, ...]:
        return (FrameTopic(topic="orders", partitions=tuple(partitions)),)

    is_retry = is_retry_of(replace(HELD, topics=topics(held)), replace(RETRY, topics=topics(retried)))
    assert is_retry == bool(held & retried)


def test_where_a_request_names_no_partitions_none_are_compared() -> None:
    assert is_retry_of(replace(HELD, topics=()), RETRY)
