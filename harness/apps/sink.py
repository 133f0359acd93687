"""The sink: writes every record as a row, a call or an e-mail, then commits the offsets of the batch.

What it writes and its offsets are two systems: a crash between the two leaves the batch to be written once more.
"""

from __future__ import annotations

import sys

from harness.apps.batches import Batch, BatchReader
from harness.apps.clients import library
from harness.apps.clients.base import ConsumerClient
from harness.apps.config import SinkConfig
from harness.apps.effects import Outside, effects_of, outside
from harness.apps.errors import CommitFailedError, EffectFailedError
from harness.apps.operations import batch_operation, commit_step, send_step, write_outside
from harness.apps.patience import Patience
from harness.apps.records import identity
from harness.apps.runner import FINISHED, Runner, Runtime, run


def drain(config: SinkConfig, runner: Runner) -> int:
    client = library(config.client)
    settings = client.consumer_settings(config.bootstrap, config.group, config.consumer)
    runtime = runner.open(
        config, client.version(), settings.recorded["isolation.level"], {"consumer": settings.recorded}
    )
    target = outside(config.target, config.process, runtime.note_retry)
    with runtime.bounded("connecting"):
        consumer = client.consumer(settings)
    Draining(config, runtime, consumer, target).run()
    with runtime.bounded("close"):
        consumer.close()
        target.close()
    return FINISHED


class Draining:
    def __init__(self, config: SinkConfig, runtime: Runtime, consumer: ConsumerClient, target: Outside) -> None:
        self._config = config
        self._runtime = runtime
        self._consumer = consumer
        self._target = target

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
            except (CommitFailedError, EffectFailedError) as error:
                # What is committed decides what comes next: what was not confirmed is written again.
                self._runtime.ledger.note("rewind", reason=str(error))
                patience.failed(error)
                with self._runtime.bounded("rewind"):
                    self._consumer.rewind()

    def _write(self, batch: Batch) -> None:
        config = self._config
        place = config.target.place
        steps = [
            send_step(place, [identity(record) for record in batch.records]),
            commit_step(config.group, config.source.place, batch.offsets),
        ]
        effects = effects_of(batch.records, config.source.place)
        with batch_operation(self._runtime.ledger, steps) as ending:
            with self._runtime.bounded("writing", self._target.limit_s(len(effects))):
                write_outside(self._target, place, effects, ending)
            with self._runtime.bounded("commit"):
                self._consumer.commit(config.source.topic, batch.offsets)


if __name__ == "__main__":
    run(sys.argv[1:], SinkConfig.from_fields, drain)
