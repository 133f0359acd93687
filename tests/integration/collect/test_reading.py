"""What the network and the cluster can do wrong while a log is read; each is caused for real."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from faults import ProcessHandle
from harness.collect import Observer
from harness.collect.batches import UnreadableBatchError
from harness.collect.cluster import Cluster, Ends, LogChangedError, Partition
from harness.collect.log import Deadline, raw_log
from harness.collect.records import columns
from harness.collect.wire import BrokerAwayError
from harness.scenario.model import Topic

if TYPE_CHECKING:
    from harness.environment import Environment

LONG_S = 60.0
RECORDS = 30


@pytest.fixture
def cluster(environment: Environment) -> Iterator[Cluster]:
    cluster = Cluster(environment.bootstrap_direct, environment.cluster_id)
    yield cluster
    cluster.close()


@pytest.fixture
def observer(environment: Environment) -> Iterator[Observer]:
    observer = Observer(environment.bootstrap_direct, environment.cluster_id)
    yield observer
    observer.close()


class Log:
    """One partition, with a batch per record."""

    def __init__(self, environment: Environment, observer: Observer, cluster: Cluster, replication: int) -> None:
        self.name = f"orders.{secrets.token_hex(3)}"
        self.partition: Partition = (self.name, 0)
        self._environment, self._cluster = environment, cluster
        observer.create_topics({self.name: Topic(partitions=1, replication=replication)})

    def send(self, *values: bytes) -> None:
        producer = Producer({"bootstrap.servers": self._environment.bootstrap_direct, "enable.idempotence": True})
        for value in values:
            producer.produce(self.name, value, partition=0)
            assert producer.flush(LONG_S) == 0

    @property
    def ends(self) -> Ends:
        return self._cluster.ends(self._cluster.partitions([self.name]))[self.partition]

    @property
    def leader(self) -> int:
        return self._cluster.partitions([self.name])[self.partition].leader

    def read(self, seconds: float = LONG_S, bytes_max: int = 100) -> Iterator[list[bytes | None]]:
        """The values, fetch by fetch: a batch is more than 100 bytes, so that each comes alone."""
        found = raw_log(self._cluster, self.partition, 0, self.ends.high, Deadline(seconds), bytes_max)
        for batch in found:
            yield columns(batch, values=True).values


@pytest.fixture
def log(environment: Environment, observer: Observer, cluster: Cluster) -> Iterator[Log]:
    log = Log(environment, observer, cluster, replication=3)
    yield log
    observer.delete_topics([log.name])


def test_a_batch_that_is_larger_than_a_fetch(log: Log) -> None:
    """Kafka gives at least one; and what a fetch cuts off in the middle comes whole with the next one."""
    log.send(*(b"%d" % number * 1_000 for number in range(5)))
    wanted = [[b"%d" % number * 1_000] for number in range(5)]
    assert list(log.read(bytes_max=1)) == wanted
    assert list(log.read(bytes_max=1_500)) == wanted
    assert list(log.read(bytes_max=1 << 20)) == wanted


def test_the_leader_dies_while_its_log_is_read(
    environment: Environment, observer: Observer, cluster: Cluster, log: Log
) -> None:
    """Its successor has the rest. A partition that only it had has no leader until it is back."""
    wanted = [[b"%d" % number] for number in range(RECORDS)]
    log.send(*(b"%d" % number for number in range(RECORDS)))
    leader = log.leader
    component = f"broker {leader}"
    alone = next(made for made in iter(lambda: Log(environment, observer, cluster, 1), None) if made.leader == leader)
    alone.send(b"kept")
    reading, lonely = log.read(), alone.read(seconds=1)
    found = [next(reading) for _ in range(3)]
    environment.mark_down(component)
    try:
        assert ProcessHandle(*environment.process(component)).crash().bit
        assert found + list(reading) == wanted
        assert log.leader != leader
        with pytest.raises(BrokerAwayError, match=rf"{alone.name}/0 has no leader|broker {leader}"):
            list(lonely)
    finally:
        environment.start_broker(leader)
        environment.mark_up(component)
    assert Deadline(LONG_S).insist(lambda: list(alone.read())) == [[b"kept"]]

    # What the old leader would have had behind the last record that the new one took over was cut back.
    log.send(b"of the new leader")
    *_, last = raw_log(cluster, log.partition, 0, log.ends.high, Deadline(LONG_S))
    before = next(raw_log(cluster, log.partition, 0, log.ends.high, Deadline(LONG_S)))
    assert last.leader_epoch > before.leader_epoch
    with pytest.raises(LogChangedError, match=f"a new leader has cut the log back to offset {RECORDS} "):
        list(cluster.fetch(log.leader, log.partition, last.next, leader_epoch=before.leader_epoch))
    assert list(cluster.fetch(log.leader, log.partition, last.next, leader_epoch=last.leader_epoch)) == []
    observer.delete_topics([alone.name])


def test_records_are_deleted_while_their_log_is_read(environment: Environment, log: Log) -> None:
    log.send(b"1", b"2", b"3")
    reading = log.read()
    assert next(reading) == [b"1"]
    admin = AdminClient({"bootstrap.servers": environment.bootstrap_direct})
    admin.delete_records([TopicPartition(log.name, 0, 3)])[TopicPartition(log.name, 0, 3)].result(LONG_S)
    with pytest.raises(LogChangedError, match="offset 1 is no longer in the log"):
        list(reading)


def test_the_topic_is_deleted_while_it_is_read(observer: Observer, log: Log) -> None:
    log.send(b"1", b"2", b"3")
    reading = log.read(seconds=1)
    assert next(reading) == [b"1"]
    observer.delete_topics([log.name])
    with pytest.raises(BrokerAwayError, match=log.name):
        list(reading)


def test_a_byte_flips_on_a_disk(environment: Environment, log: Log) -> None:
    log.send(b"good", b"soon damaged", b"behind it")
    pid, _ = environment.process(f"broker {log.leader}")
    (segment,) = Path(psutil.Process(pid).cwd()).glob(f"data/{log.name}-0/*.log")
    with segment.open("r+b") as file:
        where = file.read().index(b"soon damaged")
        file.seek(where)
        file.write(b"S")
    reading = log.read()
    assert next(reading) == [b"good"]
    with pytest.raises(UnreadableBatchError, match="the batch at offset 1 is damaged: its checksum"):
        list(reading)
