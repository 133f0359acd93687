"""The sink: writes every record as a row, one database transaction a batch, then commits the offsets.

Rows and offsets are two systems: a crash between the two commits leaves the rows to be written once more.
"""

from __future__ import annotations

import sys
import time

from harness.apps.batches import Batch, BatchReader
from harness.apps.clients import library
from harness.apps.clients.base import ConsumerClient, Delivery
from harness.apps.config import SinkConfig
from harness.apps.errors import CommitFailedError, RestartNeededError, StoreFailedError
from harness.apps.operations import ack_step, batch_operation, commit_step, send_step
from harness.apps.records import identity
from harness.apps.runner import FINISHED, Runner, Runtime, run
from harness.apps.store import Store

_TRIES = 10  # of one batch, with the database away, before a successor is asked for
_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)


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
        failures = 0
        while batch := reader.next():
            try:
                self._write(batch)
                failures = 0
            except CommitFailedError as error:
                self._rewind(str(error))
            except StoreFailedError as error:
                failures += 1
                if failures == _TRIES:
                    raise RestartNeededError(f"the database failed {_TRIES} times: {error}") from error
                time.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1])
                self._rewind(str(error))

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

    def _rewind(self, reason: str) -> None:
        self._runtime.ledger.note("rewind", reason=reason)
        with self._runtime.bounded("rewind"):
            self._consumer.rewind()


if __name__ == "__main__":
    run(sys.argv[1:], SinkConfig.from_fields, drain)
