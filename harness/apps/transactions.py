"""One batch as one Kafka transaction, with every failure handled the same way for producer and processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from harness.apps.clients.base import Outgoing, ProducerClient
from harness.apps.config import Topic
from harness.apps.errors import AbortNeededError
from harness.apps.operations import Ending, Step, ack_step, batch_operation, first_error
from harness.apps.runner import Runtime


@dataclass(frozen=True, slots=True)
class InputOffsets:
    """Offsets that are committed together with the outputs.

    Args:
        offsets: partition → offset of the next record to read.
        membership: The group metadata; asked for when the offsets are sent.
    """

    topic: str
    offsets: Mapping[int, int]
    membership: Callable[[], object]


class Transactions:
    """The transactions of one process.

    Each is called `<transactional.id>/<incarnation>.<counter>`, so that those of two incarnations, which
    share the transactional id, are never taken for one.
    """

    def __init__(self, runtime: Runtime, producer: ProducerClient, transactional_id: str, incarnation: int) -> None:
        self._runtime = runtime
        self._producer = producer
        self._prefix = f"{transactional_id}/{incarnation}."
        self._count = 0

    def run(
        self,
        target: Topic,
        ids: Sequence[str | None],
        make: Callable[[str], Sequence[Outgoing]],
        announced: Sequence[Step],
        inputs: InputOffsets | None = None,
        inside: Callable[[str, Ending], None] | None = None,
    ) -> None:
        """Begin, send, wait for every acknowledgement, do what else is to be done, add the input's offsets, commit.

        Args:
            make: The records to send, given the transaction's name.
            inside: What is done outside Kafka before the commit, given the transaction's name; no abort undoes it.

        Raises:
            AbortNeededError: It was aborted, and the abort was confirmed.
            RestartNeededError: What became of it is unknown; a successor settles it.
        """
        self._count += 1
        txn = f"{self._prefix}{self._count}"
        with batch_operation(self._runtime.ledger, announced, txn) as ending:
            committing = False
            try:
                with self._bounded("sending in a transaction"):
                    self._producer.begin()
                    deliveries = self._producer.send(target.topic, make(txn))
                ending.do.append(ack_step(target.place, ids, deliveries))
                if error := first_error(deliveries, ids):
                    # To be checked before the commit: kafka-python would commit without the record.
                    raise AbortNeededError(error)
                if inside is not None:
                    inside(txn, ending)
                if inputs is not None:
                    with self._bounded("send_offsets_to_transaction"):
                        self._producer.send_offsets(inputs.topic, inputs.offsets, inputs.membership())
                committing = True
                with self._bounded("commit_transaction"):
                    self._producer.commit()
            except AbortNeededError:
                with self._bounded("abort_transaction"):
                    self._producer.abort()
                if not committing:  # else the commit may have left before the abort did
                    ending.outcome = "failed"
                raise

    def _bounded(self, what: str) -> AbstractContextManager[None]:
        # Once the transaction has timed out, the coordinator has aborted it: there is nothing left to wait
        # for.
        return self._runtime.bounded(what, self._producer.transaction_timeout_s)
