"""From a consumer to batches, correct over rebalances."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.apps.clients.base import ConsumerClient, Incoming, Rebalance
from harness.apps.config import Topic
from harness.apps.records import ID, header
from harness.apps.runner import Runtime

POLL_S = 0.2  # how late a SIGTERM may be noticed


@dataclass(frozen=True, slots=True)
class Batch:
    records: tuple[Incoming, ...]

    @property
    def offsets(self) -> dict[int, int]:
        """partition → offset of the next record to read, once this batch is done."""
        return {each.part: each.pos + 1 for each in self.records}


class BatchReader:
    """Reads batches of exactly `size` records, or of what came within `wait_s` seconds after the first one.

    Partitions that a rebalance takes away take their records out of the batch in hand: their next owner,
    which may be this member again, reads them from the committed offset.
    """

    def __init__(
        self,
        runtime: Runtime,
        consumer: ConsumerClient,
        source: Topic,
        *,
        size: int,
        wait_s: float,
    ) -> None:
        self._runtime = runtime
        self._ledger = runtime.ledger
        self._consumer = consumer
        self._source = source
        self._size = size
        self._wait_s = wait_s
        self._rebalanced = False

    def next(self) -> Batch | None:
        """The next batch; None once the app shall stop and there is none in hand.

        Raises:
            RestartNeededError: The consumer cannot go on.
        """
        held: list[Incoming] = []
        deadline: float | None = None
        while len(held) < self._size and not self._runtime.stopping():
            left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
            if left <= 0:
                break
            with self._runtime.bounded("poll"):
                polled = self._consumer.poll(self._size - len(held), left)
            for rebalance in polled.rebalances:
                held = self._after(rebalance, held)
            if polled.records:
                self._ledger.record("poll", poll_steps(self._source.place, polled.records))
                held += polled.records
            if not held:
                deadline = None
            elif deadline is None:
                deadline = time.monotonic() + self._wait_s
        return Batch(tuple(held)) if held else None

    def _after(self, rebalance: Rebalance, held: Sequence[Incoming]) -> list[Incoming]:
        place, parts = self._source.place, rebalance.parts
        if rebalance.kind == "assigned":
            how = "rebalance" if self._rebalanced else "subscribe"
            self._rebalanced = True
            self._ledger.record("assign", [{"assign": [[place, part] for part in parts], "how": how}])
            return list(held)
        kept = [each for each in held if each.part not in parts]
        self._ledger.note(
            "rebalance",
            change=rebalance.kind,
            parts=[[place, part] for part in parts],
            dropped=len(held) - len(kept),
        )
        return kept


def poll_steps(place: str, records: Sequence[Incoming]) -> list[dict[str, Any]]:
    """One step a partition, in the order in which the partitions first appear."""
    steps: dict[int, dict[str, Any]] = {}
    for each in records:
        step = steps.setdefault(each.part, {"poll": place, "part": each.part, "pos": [], "id": []})
        step["pos"].append(each.pos)
        step["id"].append(header(each, ID))
    return list(steps.values())
