"""Reading the log of one partition, batch by batch with what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from harness.collect.batches import Batch
from harness.collect.cluster import FETCH_BYTES, Cluster, Ends, Partition
from harness.collect.status import Status, resolve
from harness.collect.wire import BrokerAwayError

RETRY_S = 0.1
STANDSTILL_S = 20.0
"""A broker that did not answer one question for so long is not waited for any longer."""

R = TypeVar("R")


class Deadline:
    """How long everything together may take.

    Args:
        seconds: From now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return self.left_s <= 0

    @property
    def left_s(self) -> float:
        return self._end - time.monotonic()

    def within(self, seconds: float) -> Deadline:
        """The earlier of this one and `seconds` from now."""
        return Deadline(min(seconds, self.left_s))

    def insist(self, ask: Callable[[], R]) -> R:
        """Asks until a broker answers.

        Raises:
            BrokerAwayError: It did not for 20 s, or the deadline passed.
        """
        patience = self.within(STANDSTILL_S)
        while True:
            try:
                return ask()
            except BrokerAwayError:
                if patience.passed:
                    raise
                time.sleep(RETRY_S)


def read_log(
    cluster: Cluster,
    partition: Partition,
    ends: Ends,
    deadline: Deadline,
    start: int | None = None,
    bytes_max: int = FETCH_BYTES,
) -> Iterator[tuple[Status | None, Batch]]:
    """Every batch from `start` (or the beginning) to the high watermark, with its status; None for control markers.

    Args:
        bytes_max: At most so many bytes at a time.

    Raises:
        BrokerAwayError: Its leader does not answer, or does not have all of it.
        UnreadableBatchError: At the first batch that cannot be read.
    """

    def fetched(offset: int) -> list[Batch]:
        return deadline.insist(lambda: _fetched(cluster, partition, offset, bytes_max))

    low = ends.low if start is None else start
    return resolve(_batches(fetched, low, ends.high), ends.stable)


def _batches(fetched: Callable[[int], list[Batch]], low: int, high: int) -> Iterator[Batch]:
    offset = low
    while offset < high:
        for batch in fetched(offset):
            if batch.first >= high:
                return
            if batch.next > offset:
                yield batch
                offset = batch.next


def _fetched(cluster: Cluster, partition: Partition, offset: int, bytes_max: int) -> list[Batch]:
    """At least one batch that reaches beyond `offset`."""
    leader = cluster.partitions([partition[0]])[partition].leader
    batches = list(cluster.fetch(leader, partition, offset, bytes_max))
    if not any(batch.next > offset for batch in batches):
        # A new leader learns the high watermark a little later than it is one.
        raise BrokerAwayError(f"broker {leader} has nothing of {partition[0]}/{partition[1]} at offset {offset} yet")
    return batches
