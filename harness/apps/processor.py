"""The processor: makes an invoice of every order; commits the offsets when its configuration says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from harness.apps.batches import Batch, BatchReader
from harness.apps.clients import library
from harness.apps.clients.base import ConsumerClient, Outgoing, ProducerClient
from harness.apps.config import ProcessorConfig
from harness.apps.errors import AbortNeededError, CommitFailedError, RestartNeededError
from harness.apps.operations import (
    Ending,
    Step,
    ack_step,
    batch_operation,
    commit_step,
    first_error,
    send_step,
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
    processing = Processing(config, runtime, producer, consumer)
    processing.run()
    with runtime.bounded("close"):
        consumer.close()
        producer.close()
    return FINISHED


class Processing:
    def __init__(
        self, config: ProcessorConfig, runtime: Runtime, producer: ProducerClient, consumer: ConsumerClient
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._producer = producer
        self._consumer = consumer

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
        send, commit = self._steps(batch)
        with batch_operation(self._runtime.ledger, [commit, send]) as ending:
            self._commit(batch)
            self._send(batch, ending)

    def _after_write(self, batch: Batch) -> None:
        with batch_operation(self._runtime.ledger, self._steps(batch)) as ending:
            self._send(batch, ending)
            self._commit(batch)

    def _in_transaction(self, transactions: Transactions, batch: Batch) -> None:
        membership = self._consumer.membership()
        transactions.run(
            self._config.target,
            _ids(batch),
            lambda txn: self._invoices(batch, txn),
            self._steps(batch),
            InputOffsets(self._config.source.topic, batch.offsets, membership),
        )

    def _steps(self, batch: Batch) -> tuple[Step, Step]:
        config = self._config
        send = send_step(config.target.place, [identity(record) for record in batch.records])
        return send, commit_step(config.group, config.source.place, batch.offsets)

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
