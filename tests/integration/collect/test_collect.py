"""What collect reads of real topics and tables, and what it says when it could not read all of it."""

from __future__ import annotations

import json
import resource
import secrets
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from harness.apps.tables import create_table_sql
from harness.collect import Observer, collect
from harness.collect.check import count_committed
from harness.collect.log import Deadline
from harness.environment import Environment
from harness.errors import EnvironmentFailedError
from harness.model import Place
from harness.scenario.model import Topic

Make = Callable[..., str]
COLLECT_S = 30.0


@pytest.fixture
def observer(environment: Environment) -> Iterator[Observer]:
    observer = Observer(environment.bootstrap_direct, environment.cluster_id)
    yield observer
    observer.close()


@pytest.fixture
def make(observer: Observer) -> Iterator[Make]:
    """Makes a topic and returns its name."""
    made: list[str] = []

    def topic(**options: Any) -> str:
        made.append(f"orders.{secrets.token_hex(3)}")
        observer.create_topics({made[-1]: Topic(**options)})
        return made[-1]

    yield topic
    observer.delete_topics(made)


def producer(environment: Environment, **options: Any) -> Producer:
    defaults = {"bootstrap.servers": environment.bootstrap_direct, "enable.idempotence": True, "linger.ms": 50}
    return Producer({**defaults, **{name.replace("_", "."): value for name, value in options.items()}})


def transactional(environment: Environment, id_: str) -> Producer:
    made = producer(environment, transactional_id=id_)
    made.init_transactions(10)
    return made


def send(to: Producer, topic: str, *ids: str, txn: str | None = None, part: int = 0) -> None:
    """One batch of records as our producer writes them."""
    for number, id_ in enumerate(ids):
        value = id_.encode()
        headers = {"eos.id": id_, "eos.seq": str(number), "eos.sum": f"{zlib.crc32(value):08x}", "eos.txn": txn}
        kept = [(name, text.encode()) for name, text in headers.items() if text is not None]
        to.produce(topic, value, key="k", partition=part, headers=kept)
    assert to.flush(10) == 0


def read(environment: Environment, folder: Path, *places: Place) -> list[str]:
    return collect(
        bootstrap=environment.bootstrap_direct,
        cluster_id=environment.cluster_id,
        dsn=environment.postgres_dsn,
        places=places,
        out=folder,
        deadline_s=COLLECT_S,
    )


def orders(topic: str, **fields: Any) -> Place:
    return Place(name="orders", kind="topic", resource=topic, isolation="read_committed", partitions=1, **fields)


def commit(environment: Environment, group: str, topic: str, offset: int) -> None:
    consumer = Consumer({"bootstrap.servers": environment.bootstrap_direct, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    consumer.close()


def wait_for(ask: Callable[[], str | None], wanted: str | None) -> None:
    deadline = time.monotonic() + 10
    while (got := ask()) != wanted:
        assert time.monotonic() < deadline, got
        time.sleep(0.05)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_became_of_each_batch(environment: Environment, observer: Observer, make: Make, tmp_path: Path) -> None:
    topic = make(partitions=1)
    first, second = transactional(environment, f"a.{topic}"), transactional(environment, f"b.{topic}")
    send(producer(environment), topic, "plain-0", "plain-1")
    first.begin_transaction()
    send(first, topic, "committed-0", txn="t/1")
    first.commit_transaction(10)
    first.begin_transaction()
    send(first, topic, "aborted-0", "aborted-1", txn="t/2")
    first.abort_transaction(10)
    second.begin_transaction()
    send(second, topic, "open-0")
    send(producer(environment), topic, "behind-0")

    uncommitted = Place(name="orders@read_uncommitted", kind="topic", resource=topic, isolation="read_uncommitted")
    assert read(environment, tmp_path, orders(topic), uncommitted) == []

    header, *found = lines(tmp_path / "sightings/orders.jsonl")
    assert header == {
        "sightings": 1,
        "place": "orders",
        "kind": "topic",
        "resource": topic,
        "cluster_id": environment.cluster_id,
        "whole": True,
    }
    told = [(line.get("status") or line["marker"], line["pos"], line.get("id")) for line in found]
    assert told == [
        ("plain", [0, 1], ["plain-0", "plain-1"]),
        ("committed", [2], ["committed-0"]),
        ("commit", 3, None),
        ("aborted", [4, 5], ["aborted-0", "aborted-1"]),
        ("abort", 6, None),
        ("plain", [8], ["behind-0"]),  # it does not wait for what is open before it
        ("open", [7], ["open-0"]),
    ]
    plain, committed, marker, aborted, *_ = found
    assert (plain["transactional"], committed["transactional"]) == (False, True)
    assert (committed["producer"], marker["producer"]) == (aborted["producer"], aborted["producer"])
    assert (committed["bseq"], aborted["bseq"]) == (0, 1)
    assert aborted["txn"] == ["t/2", "t/2"] and aborted["seq"] == [0, 1] and aborted["intact"] == [True, True]
    assert [path.name for path in (tmp_path / "sightings").iterdir()] == ["orders.jsonl"]

    (ends,) = lines(tmp_path / "positions.jsonl")
    assert (ends["low"], ends["stable"], ends["high"], ends["group"]) == (0, 7, 9, None)
    (still_open,) = lines(tmp_path / "transactions.jsonl")
    assert still_open["transactional_id"] == f"b.{topic}"
    assert (still_open["first_pos"], still_open["state"], still_open["part"]) == (7, "Ongoing", 0)
    assert 0 <= still_open["age_ms"] < still_open["timeout_ms"]
    assert observer.settled({}, [topic]) == f"a transaction is open on {topic}/0 from offset 7 on"
    assert count_committed(environment.bootstrap_direct, [(topic, 0)], Deadline(10)) == {(topic, 0): 3}
    second.abort_transaction(10)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec(environment: Environment, make: Make, tmp_path: Path, codec: str) -> None:
    topic = make(partitions=2)
    ids = [f"record-{n:03d}" for n in range(50)]
    writer = producer(environment, compression_type=codec)
    for part in (0, 1):
        send(writer, topic, *ids, part=part)
    assert read(environment, tmp_path, orders(topic)) == []
    found = lines(tmp_path / "sightings/orders.jsonl")[1:]
    for part in (0, 1):
        assert [id_ for line in found if line["part"] == part for id_ in line["id"]] == ids


def test_what_was_deleted_is_told(environment: Environment, make: Make, tmp_path: Path) -> None:
    """Records in the middle of a batch are below the beginning now; what is left says nothing about what was."""
    topic = make(partitions=1)
    send(producer(environment), topic, *(f"record-{n}" for n in range(5)))
    admin = AdminClient({"bootstrap.servers": environment.bootstrap_direct})
    admin.delete_records([TopicPartition(topic, 0, 3)])[TopicPartition(topic, 0, 3)].result(10)
    assert read(environment, tmp_path, orders(topic)) == ["orders/0 begins at offset 3: what was before it was deleted"]
    header, line = lines(tmp_path / "sightings/orders.jsonl")
    assert header["whole"] is False
    assert (line["pos"], line["id"], line["bseq"]) == ([3, 4], ["record-3", "record-4"], 3)
    (ends,) = lines(tmp_path / "positions.jsonl")
    assert ends["low"] == 3


def test_how_far_a_group_is(environment: Environment, observer: Observer, make: Make, tmp_path: Path) -> None:
    topic = make(partitions=1)
    group = f"processor.{topic}"
    writer = transactional(environment, topic)
    writer.begin_transaction()
    send(writer, topic, "record-0", "record-1")
    writer.commit_transaction(10)
    writer.begin_transaction()
    send(writer, topic, "aborted-0")
    writer.abort_transaction(10)
    wait_for(lambda: observer.settled({group: topic}, [topic]), f"{group} is 2 records behind on {topic}/0")
    commit(environment, group, topic, 1)
    assert observer.settled({group: topic}, [topic]) == f"{group} is 1 record behind on {topic}/0"
    commit(environment, group, topic, 2)  # behind it are only markers and what was aborted
    assert observer.settled({group: topic}, [topic]) == "everything has just arrived"
    wait_for(lambda: observer.settled({group: topic}, [topic]), None)
    place = Place(name="invoices", kind="topic", resource=make(), upstream="orders", group=group)
    assert read(environment, tmp_path, orders(topic), place) == []
    of_group = [line for line in lines(tmp_path / "positions.jsonl") if line["group"]]
    assert [(line["place"], line["part"], line["group"], line["committed"]) for line in of_group] == [
        ("orders", 0, group, 2)
    ]


def test_a_topic_that_is_not_there(environment: Environment, observer: Observer, tmp_path: Path) -> None:
    assert "orders.nowhere" in (observer.settled({}, ["orders.nowhere"]) or "")


def test_a_topic_that_cannot_be(observer: Observer) -> None:
    with pytest.raises(EnvironmentFailedError, match=r"topic orders\.bad is refused: .*segment\.bytes"):
        observer.create_topics({"orders.bad": Topic(config={"segment.bytes": "many"})})


def test_another_cluster_answers(environment: Environment, make: Make, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailedError, match="not for ours"):
        Observer(environment.bootstrap_direct, "A-cluster-of-another-r").settled({}, [make()])


def test_rows_in_the_order_of_insertion(environment: Environment, make: Make, tmp_path: Path) -> None:
    topic = make()
    schema = f"t_{secrets.token_hex(3)}"
    dsn = psycopg.conninfo.make_conninfo(environment.postgres_dsn, options=f"-csearch_path={schema}")
    place = Place(name="seen", kind="table", resource=f"{schema}.seen", upstream="orders")
    with psycopg.connect(environment.postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")  # type: ignore[call-overload]
        try:
            with psycopg.connect(dsn, autocommit=True) as inside:
                inside.execute(create_table_sql("seen", "insert"))
                row = (
                    "INSERT INTO seen (id, key, seq, src_topic, src_part, src_pos, writer)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
                )
                inside.execute(row, ("z", "k", 1, topic, 0, 17, "sink#1/1"))
                inside.execute(row, (None, None, None, "strange", 1, 18, "sink#1/2"))
                inside.execute(row, ("a", "k", 0, topic, 0, 17, "sink#1/2"))
            missing = Place(name="no", kind="table", resource="a.b")
            (gone,) = read(environment, tmp_path, orders(topic), place, missing)
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[call-overload]
    header, line, history = lines(tmp_path / "sightings/seen.jsonl")
    assert (header["kind"], header["whole"]) == ("table", True)
    assert line == {
        "row": [1, 2, 3],
        "id": ["z", None, "a"],
        "key": ["k", None, "k"],
        "seq": [1, None, 0],
        "src": [["orders", 0, 17], ["strange", 1, 18], ["orders", 0, 17]],
        "writer": ["sink#1/1", "sink#1/2", "sink#1/2"],
    }
    nothing = [None] * 3
    row = line.pop("row")
    assert history == {"history": row, **line, "over_id": nothing, "over_seq": nothing}
    assert gone.startswith('no could not be read whole: relation "a.b" does not exist')
    assert lines(tmp_path / "sightings/no.jsonl")[0]["whole"] is False


def test_evidence_that_cannot_be_written_is_no_evidence(environment: Environment, make: Make, tmp_path: Path) -> None:
    """With the kernel's limit of a file's size, which a write meets as it meets a full disk."""
    topic = make()
    sent = producer(environment)
    for n in range(2000):
        sent.produce(topic, str(n).encode(), headers={"eos.id": f"a-{n}"})
    sent.flush(10)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(
            EnvironmentFailedError, match=f"the evidence cannot be written in {tmp_path}: File too large"
        ):
            read(environment, tmp_path, orders(topic))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "sightings").glob("*.jsonl")) == []
    assert read(environment, tmp_path, orders(topic)) == []
