"""The sink: writes every record as a row, one database transaction a batch, then commits the offsets.

Rows and offsets are two systems: a crash between the two commits leaves the rows to be written once more.
"""

from __future__ import annotations

import sys

from harness.apps.batches import Batch, BatchReader
from harness.apps.clients import library
from harness.apps.clients.base import ConsumerClient, Delivery
from harness.apps.config import SinkConfig
from harness.apps.errors import CommitFailedError, StoreFailedError
from harness.apps.operations import ack_step, batch_operation, commit_step, send_step
from harness.apps.patience import Patience
from harness.apps.records import identity
from harness.apps.runner import FINISHED, Runner, Runtime, run
from harness.apps.store import Store


def drain(config: SinkConfig, runner: Runner) -> int:
    client = library(config.client)
    settings = client.consumer_settings(config.bootstrap, config.group, config.consumer)
    runtime = runner.open(
        config, client.version(), settings.recorded["isolation.level"], {"consumer": settings.recorded}
    )
    store = Store(config.dsn, config.table.name, upsert=config.write == "upsert", writer=config.process)
    with runtime.bounded("connecting"):
        consumer = client.consumer(settings)
    Draining(config, runtime, consumer, store).run()
    with runtime.bounded("close"):
        consumer.close()
        store.close()
    return FINISHED


class Draining:
    def __init__(self, config: SinkConfig, runtime: Runtime, consumer: ConsumerClient, store: Store) -> None:
        self._config = config
        self._runtime = runtime
        self._consumer = consumer
        self._store = store

    def run(self) -> None:
        """Until SIGTERM; the batch in hand is finished."""
        config = self._config
        reader = BatchReader(
            self._runtime, self._consumer, config.source, size=config.batch, wait_s=config.batch_wait_s
        )
        with self._runtime.bounded("subscribe"):
            self._consumer.subscribe(config.source.topic)
        patience = Patience("a batch")
        while batch := reader.next():
            try:
                self._write(batch)
                patience.succeeded()
            except (CommitFailedError, StoreFailedError) as error:
                # What is committed decides what comes next: rows whose confirmation was lost are written again.
                self._runtime.ledger.note("rewind", reason=str(error))
                patience.failed(error)
                with self._runtime.bounded("rewind"):
                    self._consumer.rewind()

    def _write(self, batch: Batch) -> None:
        config = self._config
        identities = [identity(record) for record in batch.records]
        steps = [
            send_step(config.table.place, identities),
            commit_step(config.group, config.source.place, batch.offsets),
        ]
        with batch_operation(self._runtime.ledger, steps) as ending:
            with self._runtime.bounded("writing rows"):
                rows = self._store.write(batch.records)
            acknowledged = [Delivery(0, row) for row in rows]
            ending.do.append(ack_step(config.table.place, [id for id, _, _ in identities], acknowledged))
            with self._runtime.bounded("commit"):
                self._consumer.commit(config.source.topic, batch.offsets)


if __name__ == "__main__":
    run(sys.argv[1:], SinkConfig.from_fields, drain)
