"""Clients of real brokers, and what the brokers themselves say."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.integration.faults.peers import until

if TYPE_CHECKING:
    from harness.environment import Lane

ACK_S = 30.0


def metadata_of(admin: AdminClient, topic: str) -> Any:
    return admin.list_topics(topic, timeout=10).topics[topic].partitions.get(0)


def in_sync(admin: AdminClient, topic: str) -> list[int]:
    partition = metadata_of(admin, topic)
    return sorted(partition.isrs) if partition else []


def producer(app: Lane, **more: Any) -> Producer:
    return Producer({"bootstrap.servers": app.bootstrap, "enable.idempotence": True, "linger.ms": 0} | more)


def transactional(app: Lane, **more: Any) -> Producer:
    made = producer(app, **{"transactional.id": f"t-{uuid.uuid4().hex[:8]}"} | more)
    made.init_transactions(ACK_S)
    return made


def sent(producer: Producer, topic: str, value: str) -> Callable[[float], str]:
    """Sends; what it returns waits for the acknowledgement and gives `acked`, or the error's name, or `nothing`."""
    outcome: list[str] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        outcome.append(error.name() if error else "acked")

    producer.produce(topic, value, on_delivery=delivered)

    def arrived() -> bool:
        producer.poll(0)
        return bool(outcome)

    def wait(timeout_s: float) -> str:
        return outcome[0] if until(arrived, timeout_s) else "nothing"

    return wait


def stored(bootstrap: str, topic: str, isolation: str = "read_committed") -> list[str]:
    """All values of its partition 0, read to the end; `bootstrap` leads past every hop."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[str] = []
    try:
        while True:
            message = consumer.poll(ACK_S)
            assert message is not None, "the end of the topic was not reached"
            if error := message.error():
                assert error.code() == KafkaError._PARTITION_EOF
                return values
            values.append((message.value() or b"").decode())
    finally:
        consumer.close()


def node_of(hop: str) -> int:
    return int(hop.rpartition("-")[2])
