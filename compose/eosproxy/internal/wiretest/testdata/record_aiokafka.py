"""What aiokafka says while it copies. record_kafka.py runs it with the interpreter that has aiokafka.

python record_aiokafka.py BOOTSTRAP SOURCE TARGET
"""

from __future__ import annotations

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition


async def copy(bootstrap: str, source: str, target: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks=0) as plain:
        await plain.send(target, b"unanswered")
        await plain.flush()
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=bootstrap, group_id=f"copy-{target}", auto_offset_reset="earliest",
        enable_auto_commit=False, isolation_level="read_committed",
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"copy-{target}")
    async with consumer, producer:
        records = [await asyncio.wait_for(consumer.getone(), 30) for _ in range(3)]
        place = TopicPartition(source, 0)
        await consumer.commit({place: 1})
        async with producer.transaction():
            for record in records:
                await producer.send_and_wait(target, record.value)
            await producer.send_offsets_to_transaction({place: 3}, f"copy-{target}")
        await producer.begin_transaction()
        await producer.send_and_wait(target, b"aborted")
        await producer.abort_transaction()


if __name__ == "__main__":
    asyncio.run(copy(*sys.argv[1:4]))
