"""Records what Kafka's clients say to the brokers of a local cluster, and the brokers to one another, as record.py does
it for the other protocols.

    python record_kafka.py --aiokafka PYTHON

with the interpreter of the checkout; PYTHON is one that has aiokafka 0.14. The recorder stands behind the hops, between
eosproxy and the brokers.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as Partition
from relay import recorded

from faults import HopClient
from harness.environment import ClusterSpec, Environment, open_environment
from harness.environment.jars import find_jars
from harness.environment.tools import find_java
from harness.topology import CONTROLLER, INTERNAL, Hop

SOURCE, RECORDS = "orders", 3
WAIT_S = 30.0
TRANSACTIONS = 8
"""So many transactional ids that all brokers coordinate some."""

Copy = Callable[[str, str], None]


# Clients: each reads the source in a group, commits an offset, and copies the records in a transaction; some more


def with_confluent(bootstrap: str, target: str) -> None:
    plain = Producer({"bootstrap.servers": bootstrap, "acks": 0})
    plain.produce(target, b"unanswered")
    plain.flush(WAIT_S)
    group = {"group.id": f"copy-{target}", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": bootstrap, **group})
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"copy-{target}"})
    consumer.subscribe([SOURCE])
    values = [message.value() for message in consumer.consume(RECORDS, WAIT_S)]
    assert len(values) == RECORDS
    consumer.commit(offsets=[TopicPartition(SOURCE, 0, 1)], asynchronous=False)
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for value in values:
        producer.produce(target, value)
    offsets = [TopicPartition(SOURCE, 0, RECORDS)]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), WAIT_S)
    producer.commit_transaction(WAIT_S)
    producer.begin_transaction()
    producer.produce(target, b"aborted")
    producer.flush(WAIT_S)
    producer.abort_transaction(WAIT_S)
    consumer.close()


def with_kafka_python(bootstrap: str, target: str) -> None:
    plain = KafkaProducer(bootstrap_servers=bootstrap, acks=0, enable_idempotence=False)
    plain.send(target, b"unanswered")
    plain.close(timeout=WAIT_S)
    consumer = KafkaConsumer(
        SOURCE, bootstrap_servers=bootstrap, group_id=f"copy-{target}", auto_offset_reset="earliest",
        enable_auto_commit=False,
    )  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"copy-{target}")
    values: list[bytes] = []
    ends = time.monotonic() + WAIT_S
    while len(values) < RECORDS and time.monotonic() < ends:
        values += [record.value for records in consumer.poll(500).values() for record in records]
    assert len(values) == RECORDS
    consumer.commit({Partition(SOURCE, 0): OffsetAndMetadata(1, "", -1)})
    producer.init_transactions()
    producer.begin_transaction()
    for value in values:
        producer.send(target, value).get(WAIT_S)
    offsets = {Partition(SOURCE, 0): OffsetAndMetadata(RECORDS, "", -1)}
    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
    producer.commit_transaction()
    producer.begin_transaction()
    producer.send(target, b"aborted").get(WAIT_S)
    producer.abort_transaction()
    producer.close(timeout=WAIT_S)
    consumer.close()


def with_aiokafka(python: str, bootstrap: str, target: str) -> None:
    program = Path(__file__).with_name("record_aiokafka.py")
    subprocess.run([python, str(program), bootstrap, SOURCE, target], check=True, timeout=4 * WAIT_S)


def with_java(group_protocol: str, bootstrap: str, target: str) -> None:
    java = find_java().tool
    assert java
    program = Path(__file__).parents[5] / "tests" / "integration" / "faults" / "Copy.java"
    jars = ":".join(jar for jar in find_jars() if "/kafka-clients-" in jar or "/slf4j-api-" in jar)
    argv = [str(java.path), "-cp", jars, str(program), bootstrap, SOURCE, target, group_protocol, str(RECORDS)]
    subprocess.run(argv, check=True, timeout=4 * WAIT_S)


# Where the recorder stands


@contextmanager
def behind(proxy: HopClient, name: str, hop: Hop) -> Iterator[None]:
    """Records all connections that `hop` makes within; those it had before are closed, and so are these at the end."""
    upstream = hop.upstream
    with recorded(name, (upstream.host, upstream.port)) as (host, port):
        proxy.patch_hop(hop.name, enabled=False, upstream=f"{host}:{port}")
        proxy.patch_hop(hop.name, enabled=True)
        yield
        proxy.patch_hop(hop.name, enabled=False, upstream=str(upstream))
    proxy.patch_hop(hop.name, enabled=True)


def record_clients(environment: Environment, proxy: HopClient, clients: dict[str, Copy]) -> None:
    lane = environment.lease_lane()
    for client, copy in clients.items():
        target = f"copies-{client}"
        create_topic(environment, target, [1, 2, 3])
        with ExitStack() as recorders:
            for node in environment.topology.node_ids:
                hop = environment.topology.lane_hop(lane.index, node)
                recorders.enter_context(behind(proxy, f"kafka-{client}-{node}", hop))
            copy(lane.bootstrap, target)


def record_brokers(environment: Environment, proxy: HopClient) -> None:
    """Two brokers' link in both ways, while one leads a topic and both coordinate transactions; and the link to the
    quorum leader that carries most."""
    topology = environment.topology
    traffic = {state.name: state.bytes_up for state in proxy.hops()}
    controllers = [hop for hop in topology.hops() if hop.name.endswith(CONTROLLER)]
    busiest = max(controllers, key=lambda hop: traffic[hop.name])
    create_topic(environment, "marked", [2, 1, 3])
    with ExitStack() as recorders:
        for ends in ((1, 2), (2, 1)):
            hop = topology.link_hop(*ends, INTERNAL)
            recorders.enter_context(behind(proxy, f"kafka-internal-{ends[0]}-{ends[1]}", hop))
        for number in range(TRANSACTIONS):
            producer = Producer({"bootstrap.servers": environment.bootstrap_direct, "transactional.id": f"t-{number}"})
            producer.init_transactions(WAIT_S)
            producer.begin_transaction()
            producer.produce("marked", b"x")
            producer.commit_transaction(WAIT_S)
    with behind(proxy, "kafka-controller", busiest):
        time.sleep(3)  # of the quorum's fetches and a broker's heartbeats


def create_topic(environment: Environment, name: str, replicas: list[int]) -> None:
    admin = AdminClient({"bootstrap.servers": environment.bootstrap_direct})
    admin.create_topics([NewTopic(name, 1, replica_assignment=[replicas])])[name].result(WAIT_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aiokafka", required=True, metavar="PYTHON", help="an interpreter that has aiokafka")
    options = parser.parse_args()
    clients: dict[str, Copy] = {
        "confluent": with_confluent,
        "kafka-python": with_kafka_python,
        "aiokafka": partial(with_aiokafka, options.aiokafka),
        "java-classic": partial(with_java, "classic"),
        "java-consumer": partial(with_java, "consumer"),
    }
    with open_environment(ClusterSpec(lanes=1), progress=print) as environment:
        create_topic(environment, SOURCE, [3, 1, 2])
        producer = Producer({"bootstrap.servers": environment.bootstrap_direct})
        for number in range(RECORDS):
            producer.produce(SOURCE, f"order {number}".encode())
        producer.flush(WAIT_S)
        proxy = HopClient(environment.proxy_url)
        record_clients(environment, proxy, clients)
        record_brokers(environment, proxy)


if __name__ == "__main__":
    main()
