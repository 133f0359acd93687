"""The producer: sends its load batch by batch, and remembers how far it came.

With its position in a file, a crash between an acknowledgement and the saved position makes the successor send again:
a real duplicate, under a new producer id. With its position inside each transaction, it is exact.
"""

from __future__ import annotations

import sys
from itertools import islice

from harness.apps.clients import library
from harness.apps.clients.base import ClientLibrary, ProducerClient
from harness.apps.config import ProducerConfig
from harness.apps.errors import AbortNeededError, RestartNeededError
from harness.apps.operations import ack_step, batch_operation, first_error, send_step
from harness.apps.patience import Patience
from harness.apps.position import Position, PositionFile, PositionInKafka, position_group
from harness.apps.records import Item, load, order
from harness.apps.runner import FINISHED, RESTART, Runner, Runtime, run
from harness.apps.transactions import Transactions


def produce(config: ProducerConfig, runner: Runner) -> int:
    client = library(config.client)
    settings = client.producer_settings(config.bootstrap, config.transactional_id, config.producer)
    runtime = runner.open(config, client.version(), None, {"producer": settings.recorded})
    with runtime.bounded("connecting"):
        producer = client.producer(settings)
        position = _position(config, client)
    finished = Sending(config, runtime, producer, position).run()
    with runtime.bounded("close"):
        position.close()
        producer.close()
    return FINISHED if finished else RESTART  # stopped early: the rest is a successor's


def _position(config: ProducerConfig, client: ClientLibrary) -> Position:
    if config.resume == "state" or config.transactional_id is None:
        return PositionFile(config.state, config.app, config.instance)
    settings = client.consumer_settings(config.bootstrap, position_group(config.transactional_id), {})
    return PositionInKafka(client.consumer(settings), config.target.topic)


class Sending:
    def __init__(self, config: ProducerConfig, runtime: Runtime, producer: ProducerClient, position: Position) -> None:
        self._config = config
        self._runtime = runtime
        self._producer = producer
        self._position = position

    def run(self) -> bool:
        """Whether every record of this instance is acknowledged."""
        transactions = self._transactions()
        with self._runtime.bounded("reading the position"):
            done = self._position.read()
        items = self._load(done)
        while batch := list(islice(items, self._config.batch)):
            if self._runtime.stopping():
                return False
            if transactions:
                self._send_in_transaction(transactions, batch, done)
            else:
                self._send(batch, done)
            done += len(batch)
            self._position.save(done)
        return True

    def _transactions(self) -> Transactions | None:
        if self._config.transactional_id is None:
            return None
        with self._runtime.bounded("init_transactions"):
            self._producer.init_transactions()
        return Transactions(self._runtime, self._producer, self._config.transactional_id, self._config.incarnation)

    def _load(self, skip: int) -> islice[Item]:
        config = self._config
        items = load(
            app=config.app,
            seed=config.seed,
            records=config.records,
            keys=config.keys,
            instance=config.instance,
            instances=config.instances,
        )
        return islice(items, skip, None)

    def _send(self, batch: list[Item], done: int) -> None:
        ids = [item.id for item in batch]
        with batch_operation(self._runtime.ledger, [send_step(self._config.target.place, batch)]) as ending:
            with self._runtime.bounded("send"):
                deliveries = self._producer.send(self._config.target.topic, [order(i, None) for i in batch])
            ending.do.append(ack_step(self._config.target.place, ids, deliveries))
            if error := first_error(deliveries, ids):
                # What came before the first gap need not be sent again.
                gap = next(n for n, each in enumerate(deliveries) if each.error is not None)
                self._position.save(done + gap)
                raise RestartNeededError(error)

    def _send_in_transaction(self, transactions: Transactions, batch: list[Item], done: int) -> None:
        target = self._config.target
        ids = [item.id for item in batch]
        patience = Patience("a batch")
        while True:
            try:
                transactions.run(
                    target,
                    ids,
                    lambda txn: [order(item, txn) for item in batch],
                    [send_step(target.place, batch)],
                    self._position.inside(done + len(batch)),
                )
                return
            except AbortNeededError as error:
                self._runtime.ledger.note("aborted", reason=str(error))
                patience.failed(error)


if __name__ == "__main__":
    run(sys.argv[1:], ProducerConfig.from_fields, produce)
