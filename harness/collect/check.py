"""The same topics once more, by a real read_committed consumer of another make than what we read with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from harness.collect.cluster import Partition
from harness.collect.log import Deadline

_MESSAGES = 10_000
_TURN_S = 0.02  # consume() returns after this time even if less has come
# News that the client mends by itself.
_TRANSIENT = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE})


class CheckFailedError(Exception):
    """The consumer did not come to the end; the message says why, on one line."""


def count_committed(bootstrap: str, partitions: Iterable[Partition], deadline: Deadline) -> Counter[Partition]:
    """How many records a read_committed consumer gets from each partition, from offset 0 to its end.

    Raises:
        CheckFailedError: It did not reach every end in time, or met an error of its own.
    """
    left = set(partitions)
    counted: Counter[Partition] = Counter()
    if not left:
        return counted
    try:
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": "eos-chaos-check",
                "group.id": "eos-chaos-check",  # required by the client; it joins no group and commits nothing
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                "check.crcs": True,
                "log_level": 0,
            }
        )
        try:
            # Not OFFSET_BEGINNING: it is asked for half a second later, once the leaders are known.
            consumer.assign([TopicPartition(topic, part, 0) for topic, part in left])
            while left:
                if deadline.passed:
                    names = ", ".join(f"{topic}/{part}" for topic, part in sorted(left))
                    raise CheckFailedError(f"it did not come to the end of {names}")
                _take(consumer, left, counted)
        finally:
            consumer.close()
    except KafkaException as error:
        raise CheckFailedError(f"it failed: {error.args[0]}") from error
    return counted


def _take(consumer: Consumer, left: set[Partition], counted: Counter[Partition]) -> None:
    for message in consumer.consume(_MESSAGES, _TURN_S):
        partition = str(message.topic()), int(message.partition() or 0)
        error = message.error()
        if error is None:
            counted[partition] += 1
        elif error.code() == KafkaError._PARTITION_EOF:
            left.discard(partition)
        elif not error.retriable() and error.code() not in _TRANSIENT:
            raise CheckFailedError(f"it met an error: {error}")
