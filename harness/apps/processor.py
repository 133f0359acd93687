"""The processor: makes an invoice of every order, and calls a service for it where it is told to; commits the offsets
when its configuration says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from harness.apps.batches import Batch, BatchReader
from harness.apps.clients import library
from harness.apps.clients.base import ConsumerClient, Outgoing, ProducerClient
from harness.apps.config import ProcessorConfig
from harness.apps.effects import Outside, effects_of, outside
from harness.apps.errors import AbortNeededError, CommitFailedError, RestartNeededError
from harness.apps.operations import (
    Ending,
    Step,
    ack_step,
    batch_operation,
    commit_step,
    first_error,
    send_step,
    write_outside,
)
from harness.apps.patience import Patience
from harness.apps.records import identity, invoice
from harness.apps.runner import FINISHED, Runner, Runtime, run
from harness.apps.transactions import InputOffsets, Transactions


def process(config: ProcessorConfig, runner: Runner) -> int:
    client = library(config.client)
    producing = client.producer_settings(config.bootstrap, config.transactional_id, config.producer)
    consuming = client.consumer_settings(config.bootstrap, config.group, config.consumer)
    runtime = runner.open(
        config,
        client.version(),
        consuming.recorded["isolation.level"],
        {"producer": producing.recorded, "consumer": consuming.recorded},
    )
    with runtime.bounded("connecting"):
        producer = client.producer(producing)
        consumer = client.consumer(consuming)
    service = outside(config.calls, config.process, runtime.note_retry) if config.calls else None
    processing = Processing(config, runtime, producer, consumer, service)
    processing.run()
    with runtime.bounded("close"):
        if service is not None:
            service.close()
        consumer.close()
        producer.close()
    return FINISHED


class Processing:
    """
    Args:
        service: What `config.calls` names.
    """

    def __init__(
        self,
        config: ProcessorConfig,
        runtime: Runtime,
        producer: ProducerClient,
        consumer: ConsumerClient,
        service: Outside | None,
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._producer = producer
        self._consumer = consumer
        self._service = service

    def run(self) -> None:
        """Until SIGTERM; the batch in hand is finished."""
        config = self._config
        finish = self._way()
        reader = BatchReader(
            self._runtime, self._consumer, config.source, size=config.batch, wait_s=config.batch_wait_s
        )
        with self._runtime.bounded("subscribe"):
            self._consumer.subscribe(config.source.topic)
        patience = Patience("a batch")
        while batch := reader.next():
            try:
                finish(batch)
                patience.succeeded()
            except (AbortNeededError, CommitFailedError) as error:
                # What is committed decides what comes next, not what this process believes.
                self._runtime.ledger.note("rewind", reason=str(error))
                patience.failed(error)
                with self._runtime.bounded("rewind"):
                    self._consumer.rewind()

    def _way(self) -> Callable[[Batch], None]:
        """How a batch is finished; for transactions, predecessors are fenced before anything is read."""
        config = self._config
        if config.transactional_id is None:
            return self._before_write if config.commit == "before_write" else self._after_write
        with self._runtime.bounded("init_transactions"):
            self._producer.init_transactions()
        transactions = Transactions(self._runtime, self._producer, config.transactional_id, config.incarnation)
        return lambda batch: self._in_transaction(transactions, batch)

    def _before_write(self, batch: Batch) -> None:
        *sends, commit = self._steps(batch)
        with batch_operation(self._runtime.ledger, [commit, *sends]) as ending:
            self._commit(batch)
            self._send(batch, ending)
            self._call(batch, None, ending)

    def _after_write(self, batch: Batch) -> None:
        with batch_operation(self._runtime.ledger, self._steps(batch)) as ending:
            self._send(batch, ending)
            self._call(batch, None, ending)
            self._commit(batch)

    def _in_transaction(self, transactions: Transactions, batch: Batch) -> None:
        config = self._config
        membership = self._consumer.group_metadata
        if config.group_metadata == "at_poll":
            taken = self._consumer.membership()
            membership = lambda: taken  # noqa: E731
        transactions.run(
            config.target,
            _ids(batch),
            lambda txn: self._invoices(batch, txn),
            self._steps(batch),
            InputOffsets(config.source.topic, batch.offsets, membership),
            lambda txn, ending: self._call(batch, txn, ending),
        )

    def _steps(self, batch: Batch) -> list[Step]:
        """The sends, and last the commit."""
        config = self._config
        identities = [identity(record) for record in batch.records]
        sends = [send_step(place, identities) for place in self._places()]
        return [*sends, commit_step(config.group, config.source.place, batch.offsets)]

    def _places(self) -> list[str]:
        """Where it writes."""
        return [self._config.target.place, *([self._config.calls.place] if self._config.calls else [])]

    def _call(self, batch: Batch, txn: str | None, ending: Ending) -> None:
        if self._service is None or self._config.calls is None:
            return
        effects = effects_of(batch.records, self._config.source.place)
        with self._runtime.bounded("calling", self._service.limit_s(len(effects))):
            write_outside(self._service, self._config.calls.place, effects, ending, txn)

    def _send(self, batch: Batch, ending: Ending) -> None:
        with self._runtime.bounded("send"):
            deliveries = self._producer.send(self._config.target.topic, self._invoices(batch, None))
        ending.do.append(ack_step(self._config.target.place, _ids(batch), deliveries))
        if error := first_error(deliveries, _ids(batch)):
            # An idempotent producer that gave a record up is not to be used again.
            raise RestartNeededError(error)

    def _commit(self, batch: Batch) -> None:
        with self._runtime.bounded("commit"):
            self._consumer.commit(self._config.source.topic, batch.offsets)

    def _invoices(self, batch: Batch, txn: str | None) -> list[Outgoing]:
        return [invoice(record, self._config.source.place, txn) for record in batch.records]


def _ids(batch: Batch) -> list[Any]:
    return [identity(record)[0] for record in batch.records]


if __name__ == "__main__":
    run(sys.argv[1:], ProcessorConfig.from_fields, process)
