"""Reading the log of one partition, batch by batch with what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from harness.collect.batches import Batch
from harness.collect.cluster import FETCH_BYTES, Cluster, Ends, Partition
from harness.collect.status import Settled, resolve
from harness.collect.wire import BrokerAwayError, RefusedError

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
            RefusedError: At once: it will not.
        """
        patience = self.within(STANDSTILL_S)
        while True:
            try:
                return ask()
            except RefusedError:
                raise
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
) -> Iterator[Settled]:
    """Every batch from `start` (or the beginning) to the high watermark, with its status; None for control markers.

    Args:
        bytes_max: At most so many bytes at a time.

    Raises:
        BrokerAwayError: Its leader does not answer, or does not have all of it.
        LogChangedError: Records were deleted, or the log was cut back, while it was read.
        UnreadableBatchError: At the first batch that cannot be read.
    """
    low = ends.low if start is None else start
    return resolve(raw_log(cluster, partition, low, ends.high, deadline, bytes_max), ends.stable)


def raw_log(
    cluster: Cluster, partition: Partition, start: int, end: int, deadline: Deadline, bytes_max: int = FETCH_BYTES
) -> Iterator[Batch]:
    """Every batch between two offsets, in the order of the log; raises what `read_log` does."""
    offset, leader_epoch = start, -1
    while offset < end:

        def fetched(at: int = offset, epoch: int = leader_epoch) -> list[Batch]:
            return _fetched(cluster, partition, at, bytes_max, epoch)

        for batch in deadline.insist(fetched):
            if batch.first >= end:
                return
            if batch.next > offset:
                yield batch
                offset, leader_epoch = batch.next, batch.leader_epoch


def _fetched(cluster: Cluster, partition: Partition, offset: int, bytes_max: int, leader_epoch: int) -> list[Batch]:
    """At least one batch that reaches beyond `offset`."""
    leader = cluster.partitions([partition[0]])[partition].leader
    batches = list(cluster.fetch(leader, partition, offset, bytes_max, leader_epoch))
    if not any(batch.next > offset for batch in batches):
        # A new leader learns the high watermark a little later than it is one.
        raise BrokerAwayError(f"broker {leader} has nothing of {partition[0]}/{partition[1]} at offset {offset} yet")
    return batches
