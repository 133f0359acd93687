"""How fast topics are read at batch level: our reader beside two plain consumers, in one run.

    .venv/bin/python benchmarks/reader.py [--records 500000] [--rounds 3]

One broker, one partition, records as our own apps write them (five headers) and bare ones, with and without
compression. Every reader reads all of it, in turns; the best of its rounds counts. Rates are per second of CPU time of
the reading process, all its threads together: what one core does, whatever else the machine is doing. Ratios of one run
can be compared between machines, rates cannot.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import orjson
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from kafka import KafkaConsumer
from kafka.structs import TopicPartition as KafkaPythonPartition

from harness.collect import Observer
from harness.collect.cluster import Cluster, Ends
from harness.collect.log import Deadline, raw_log, read_log
from harness.collect.topics import batch_lines, run_lines
from harness.diagnose import Identity
from harness.environment import ClusterSpec, Environment, open_environment
from harness.scenario.model import Topic

SHAPES = {"bare": ("none", False), "ours": ("none", True), "ours, lz4": ("lz4", True)}
"""name → compression, whether records carry the headers of our apps"""


def fill(environment: Environment, topic: str, records: int, codec: str, headers: bool) -> None:
    producer = Producer(
        {
            "bootstrap.servers": environment.bootstrap_direct,
            "enable.idempotence": True,
            "compression.type": codec,
            "linger.ms": 20,
            "queue.buffering.max.messages": 200_000,
        }
    )
    for number in range(records):
        value = orjson.dumps({"order": f"producer-{number:06d}", "customer": number % 997, "note": "x" * 50})
        carried = {
            "eos.id": f"producer-{number:06d}",
            "eos.seq": str(number // 997),
            "eos.sum": f"{zlib.crc32(value):08x}",
            "eos.src": f"orders/0/{number}",
            "eos.txn": f"processor-1.k3f9/{number // 100}",
        }
        pairs = [(name, text.encode()) for name, text in carried.items()] if headers else []
        while True:
            try:
                producer.produce(topic, value, key=f"customer-{number % 997}", partition=0, headers=pairs)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def sightings(cluster: Cluster, topic: str, ends: Ends) -> int:
    """What collect does: every record with all that it carries, as JSON lines."""
    count = 0
    for status, batch in read_log(cluster, (topic, 0), ends, Deadline(math.inf)):
        for line in batch_lines(0, status, batch, ends) if status else ():
            orjson.dumps(line)
            count += len(line["pos"])
    return count


def identities(cluster: Cluster, topic: str, ends: Ends) -> int:
    """What diagnose does: every record with its identity (here its key), as JSON lines."""
    by, count = Identity("key"), 0
    for status, batch in read_log(cluster, (topic, 0), ends, Deadline(math.inf)):
        found, ids = by.of(batch)
        told = {"pos": found.pos, "id": ids, "at": found.at}
        for line in run_lines(0, status, batch, ends, told) if status else ():
            orjson.dumps(line)
            count += len(line["pos"])
    return count


def batches(cluster: Cluster, topic: str, ends: Ends) -> int:
    """The frames alone, checksums included: what fetching costs."""
    return sum(batch.records for batch in raw_log(cluster, (topic, 0), 0, ends.high, Deadline(math.inf)))


def kafka_python(bootstrap: str, topic: str, records: int) -> int:
    with closing(KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)) as consumer:
        partition = KafkaPythonPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        count = 0
        while count < records:
            count += sum(map(len, consumer.poll(1_000, max_records=10_000).values()))
    return count


def confluent(bootstrap: str, topic: str, records: int) -> int:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "check.crcs": True,
        }
    )
    with closing(consumer):
        consumer.assign([TopicPartition(topic, 0, 0)])
        count = 0
        while count < records:
            for message in consumer.consume(10_000, 1.0):
                error = message.error()
                assert error is None or error.code() == KafkaError._PARTITION_EOF
                count += error is None
    return count


def rates(readers: dict[str, Callable[[], int]], records: int, rounds: int) -> Iterator[tuple[str, float, float]]:
    """(reader, records per CPU second, records per second), the best of all rounds."""
    best: dict[str, list[float]] = {name: [0.0, 0.0] for name in readers}
    for _ in range(rounds):
        for name, read in readers.items():
            began, cpu_began = time.monotonic(), time.process_time()
            assert read() == records, name
            measured = records / (time.process_time() - cpu_began), records / (time.monotonic() - began)
            best[name] = [max(pair) for pair in zip(best[name], measured, strict=True)]
    yield from ((name, cpu, wall) for name, (cpu, wall) in best.items())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--records", type=int, default=500_000)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    results = []
    with open_environment(ClusterSpec(nodes=1, lanes=1), progress=partial(print, file=sys.stderr)) as environment:
        observer = Observer(environment.bootstrap_direct, environment.cluster_id)
        cluster = Cluster(environment.bootstrap_direct, environment.cluster_id)
        for index, (shape, (codec, headers)) in enumerate(SHAPES.items()):
            topic = f"reader-{index}"
            observer.create_topics({topic: Topic(partitions=1, replication=1)})
            fill(environment, topic, asked.records, codec, headers)
            ends = cluster.ends(cluster.partitions([topic]))[topic, 0]
            size = sum(1 for _ in raw_log(cluster, (topic, 0), 0, ends.high, Deadline(math.inf)))
            readers: dict[str, Callable[[], int]] = {
                "our reader, sightings of our records": partial(sightings, cluster, topic, ends),
                "our reader, identities by key": partial(identities, cluster, topic, ends),
                "our reader, batches only": partial(batches, cluster, topic, ends),
                "kafka-python's consumer": partial(kafka_python, environment.bootstrap_direct, topic, asked.records),
                "confluent-kafka's consumer": partial(confluent, environment.bootstrap_direct, topic, asked.records),
            }
            if not headers:
                del readers["our reader, sightings of our records"]
            print(f"{shape}: {asked.records} records, {asked.records / size:.0f} a batch", file=sys.stderr)
            found = list(rates(readers, asked.records, asked.rounds))
            base = {name: cpu for name, cpu, _ in found}["kafka-python's consumer"]
            for name, cpu, wall in found:
                print(f"| {shape} | {name} | {cpu / 1000:,.0f} | {wall / 1000:,.0f} | {cpu / base:.1f} |")
                results.append({"shape": shape, "reader": name, "cpu": round(cpu), "wall": round(wall)})
        cluster.close()
        observer.close()
    print(json.dumps(results), file=sys.stderr)


if __name__ == "__main__":
    main()
