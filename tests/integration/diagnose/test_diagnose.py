"""What `eos-chaos diagnose` says of real topics, tables and groups, and that it leaves them as they were."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from harness.cli import commands
from harness.collect import Observer
from harness.collect.cluster import Cluster
from harness.environment import Environment
from harness.scenario.model import Topic
from tests.runs import wait_until

END_S = 90.0


class Stage:
    """Topics, a table and a group of one test, and the command line that looks at them."""

    def __init__(self, environment: Environment, observer: Observer, folder: Path) -> None:
        self.environment, self._observer, self.folder = environment, observer, folder
        self.made: list[str] = []

    def topic(self, partitions: int = 1, **config: Any) -> str:
        self.made.append(f"orders.{secrets.token_hex(3)}")
        self._observer.create_topics({self.made[-1]: Topic(partitions=partitions, config=config)})
        return self.made[-1]

    def anew(self, topic: str) -> None:
        self._observer.delete_topics([topic])
        wait_until(lambda: not self._knows(topic), f"the end of {topic}")
        self._observer.create_topics({topic: Topic(partitions=1)})

    def _knows(self, topic: str) -> bool:
        return (
            topic
            in AdminClient({"bootstrap.servers": self.environment.bootstrap_direct}).list_topics(timeout=10).topics
        )

    def producer(self, **options: Any) -> Producer:
        defaults = {"bootstrap.servers": self.environment.bootstrap_direct, "enable.idempotence": True, "linger.ms": 20}
        producer = Producer({**defaults, **{name.replace("_", "."): value for name, value in options.items()}})
        if "transactional_id" in options:
            producer.init_transactions(20)
        return producer

    def arguments(self, *more: str) -> list[str]:
        return ["diagnose", "--bootstrap", self.environment.bootstrap_direct, *more]

    def run(self, *more: str, code: int) -> Result:
        done = CliRunner().invoke(commands, self.arguments(*more))
        assert done.exit_code == code, f"exit {done.exit_code}\n{done.stdout}\n{done.stderr}"
        return done

    def document(self, *arguments: str, code: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(*arguments, "--json", code=code).stdout)
        assert found["exit_code"] == code
        return found

    def commit(self, group: str, topic: str, offset: int) -> None:
        consumer = Consumer({"bootstrap.servers": self.environment.bootstrap_direct, "group.id": group})
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
        consumer.close()


@pytest.fixture
def stage(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.chdir(tmp_path)
    observer = Observer(environment.bootstrap_direct, environment.cluster_id)
    stage = Stage(environment, observer, tmp_path)
    yield stage
    observer.delete_topics(stage.made)
    observer.close()


@pytest.fixture
def table(environment: Environment) -> Iterator[Callable[[Sequence[str | None]], str]]:
    """Makes a table of these ids and returns its name."""
    made: list[str] = []
    with psycopg.connect(environment.postgres_dsn, autocommit=True) as connection:

        def create(ids: Sequence[str | None]) -> str:
            made.append(f"seen_{secrets.token_hex(3)}")
            connection.execute(f"CREATE TABLE {made[-1]} (n serial, id text)")  # type: ignore[call-overload]
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {made[-1]} (id) VALUES (%s)", [(id_,) for id_ in ids])  # type: ignore[arg-type]
            return made[-1]

        yield create
        for name in made:
            connection.execute(f"DROP TABLE {name}")  # type: ignore[call-overload]


def send(producer: Producer, topic: str, *keys: str | None, part: int = 0, value: str = "{}") -> None:
    for key in keys:
        producer.produce(topic, value, key=key, partition=part, headers=[("order-id", f"header of {key}")])
    assert producer.flush(20) == 0


def of_type(document: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [each for each in document["findings"] if each["type"] == kind]
    assert isinstance(found, dict)
    return found


def test_nothing_is_wrong(stage: Stage) -> None:
    topic = stage.topic(partitions=2)
    writer = stage.producer()
    send(writer, topic, "a", "b")
    send(writer, topic, "c", part=1)
    shown = stage.run("--topic", topic, code=0)
    assert f"{topic}: 3 records in 2 partitions; told apart by key" in shown.stdout
    assert shown.stdout.splitlines()[-1] == f"CLEAN: no finding in {topic}"
    assert f"{topic}/0: offset 2 of 2 (100 %)" in shown.stderr
    document = stage.document("--topic", topic, code=0)
    assert (document["findings"], document["unjudged"], document["exhibit"]) == ([], [], None)
    assert any("never stored" in what for what in document["unprovable"])


@pytest.mark.parametrize("again", ["same", "other", "application"])
def test_duplicates_and_what_their_batches_say(stage: Stage, again: str) -> None:
    """The same producer once more, another one, and a transactional id that came back at a later epoch."""
    topic = stage.topic()
    first = stage.producer(**({} if again != "same" else {"transactional_id": topic}))
    if again == "same":
        first.begin_transaction()
        send(first, topic, "order-1", "order-2")
        first.commit_transaction(20)
        second = stage.producer(transactional_id=topic)
        second.begin_transaction()
        send(second, topic, "order-2")
        second.commit_transaction(20)
    else:
        send(first, topic, "order-1", "order-2")
        send(first if again == "application" else stage.producer(), topic, "order-2")
    document = stage.document("--topic", topic, code=1)
    duplicate = of_type(document, "duplicate")
    assert (duplicate["count"], duplicate["samples"][0]["id"]) == (1, "order-2")
    exhibit = document["exhibit"]
    assert exhibit["id"] == "order-2"
    last = exhibit["copies"][1]["difference"]
    assert (
        last
        == {
            "same": "the same producer id, another epoch",
            "other": "another producer id",
            "application": "the same producer id and epoch, another sequence",
        }[again]
    )
    if again == "application":
        assert duplicate["causes"] == {"the same producer id and epoch, another sequence": 1}
    shown = stage.run("--topic", topic, code=1).stdout.splitlines()
    assert shown[0] == f"The first of 1 duplicate in {topic}"
    assert shown[1] == "  order-2"
    assert shown[3].endswith(last)
    assert shown[-1] == f"FOUND: 1 duplicate in {topic}"


def test_an_aborted_copy_is_none(stage: Stage) -> None:
    topic = stage.topic()
    writer = stage.producer(transactional_id=topic)
    writer.begin_transaction()
    send(writer, topic, "order-1")
    writer.abort_transaction(20)
    writer.begin_transaction()
    send(writer, topic, "order-1")
    writer.commit_transaction(20)
    document = stage.document("--topic", topic, code=0)
    assert document["topics"][0]["records"] == {"aborted": 1, "committed": 1}


def test_header_and_json_path(stage: Stage) -> None:
    topic = stage.topic()
    writer = stage.producer()
    send(writer, topic, "a", "b", value='{"order": {"id": 7}}')
    assert stage.document("--topic", topic, "--by", "header:order-id", code=0)["findings"] == []
    found = of_type(stage.document("--topic", topic, "--by", "json:order.id", code=1), "duplicate")
    assert found["samples"][0]["id"] == "7"


def test_records_without_identity_are_counted_and_not_judged(stage: Stage) -> None:
    topic = stage.topic()
    send(stage.producer(), topic, "a", None, None)
    shown = stage.run("--topic", topic, code=3).stdout
    assert shown.splitlines()[-1] == f"INCONCLUSIVE: {topic}: 2 of 3 records have no key"
    shown = stage.run("--topic", topic, "--by", "header:nowhere", code=3).stdout
    assert shown.splitlines()[-1] == f"INCONCLUSIVE: {topic}: 3 of 3 records have no header nowhere"


def test_a_transaction_left_open(stage: Stage) -> None:
    topic = stage.topic()
    writer = stage.producer(transactional_id=topic)
    send(stage.producer(), topic, "before")
    writer.begin_transaction()
    send(writer, topic, "open-1", "open-2")
    send(stage.producer(), topic, "behind", "behind")
    document = stage.document("--topic", topic, code=1)  # what stands behind it is judged all the same
    (open_,) = document["transactions"]
    assert (open_["topic"], open_["part"], open_["first_offset"], open_["epoch"]) == (topic, 0, 1, 0)
    assert (open_["transactional_id"], open_["hanging"]) == (topic, False)
    assert 0 <= open_["age_ms"] < open_["timeout_ms"] == 60_000
    assert document["topics"][0]["records"] == {"plain": 3, "open": 2}
    writer.commit_transaction(20)
    found = of_type(stage.document("--topic", topic, code=1), "duplicate")
    assert found["samples"][0]["positions"] == [[0, 3], [0, 4]]


def test_topic_and_table(stage: Stage, table: Callable[[Sequence[str | None]], str]) -> None:
    topic = stage.topic()
    writer = stage.producer(transactional_id=topic)
    writer.begin_transaction()
    send(writer, topic, "only-aborted")
    writer.abort_transaction(20)
    send(stage.producer(), topic, "good", "twice", "lost", "late")  # at 2, 3, 4, 5
    name = table(["good", "twice", "twice", "only-aborted", "nowhere"])
    group = f"sink.{topic}"
    stage.commit(group, topic, 5)
    asked = ["--topic", topic, "--table", f"SELECT id FROM {name} ORDER BY n;", "--dsn", stage.environment.postgres_dsn]
    document = stage.document(*asked, "--group", group, code=1)
    assert [sample["id"] for sample in of_type(document, "sink-loss")["samples"]] == ["lost"]
    twice = of_type(document, "sink-duplicate")
    assert twice["samples"][0]["positions"] == [[0, 2], [0, 3]]
    seen = document["table"]
    assert (seen["rows"], seen["only_in_topic"], seen["only_in_table"], seen["aborted"]) == (5, 2, 2, 1)
    assert [sample["id"] for sample in seen["topic_samples"]] == ["late", "lost"]
    assert [(sample["id"], sample["aborted"]) for sample in seen["table_samples"]] == [
        ("nowhere", False),
        ("only-aborted", True),
    ]
    (position,) = document["groups"]
    assert (position["group"], position["committed"], position["lag"]) == (group, 5, 1)
    last = stage.run(*asked, code=1).stdout.splitlines()[-1]
    assert last == (f"FOUND: 1 duplicate in table, 2 in table and not in {topic}, 2 in {topic} and not in table")


def test_a_late_record_is_no_finding(stage: Stage, table: Callable[[Sequence[str | None]], str]) -> None:
    topic = stage.topic()
    send(stage.producer(), topic, "good", "late")
    name, group = table(["good"]), f"sink.{topic}"
    stage.commit(group, topic, 1)
    asked = ["--topic", topic, "--table", f"SELECT id FROM {name}", "--dsn", stage.environment.postgres_dsn]
    document = stage.document(*asked, "--group", group, code=0)
    assert (document["findings"], document["table"]["only_in_topic"]) == ([], 1)


def test_what_was_deleted_cannot_be_judged(stage: Stage, table: Callable[[Sequence[str | None]], str]) -> None:
    """A row of a record that retention has removed is not accused; a copy that is still there is."""
    topic = stage.topic()
    send(stage.producer(), topic, "gone", "gone too", "twice", "twice")
    stage.commit(f"slow.{topic}", topic, 1)
    admin = AdminClient({"bootstrap.servers": stage.environment.bootstrap_direct})
    admin.delete_records([TopicPartition(topic, 0, 2)])[TopicPartition(topic, 0, 2)].result(10)
    document = stage.document("--topic", topic, code=1)
    assert of_type(document, "duplicate")["count"] == 1
    assert document["notes"] == [f"{topic}: 2 offsets lie before its beginning: what was there was deleted"]
    (slow,) = document["groups"]
    assert (slow["committed"], slow["unread"], slow["lag"]) == (1, 1, 2)
    name = table(["gone", "twice"])
    asked = ["--topic", topic, "--table", f"SELECT id FROM {name}", "--dsn", stage.environment.postgres_dsn]
    document = stage.document(*asked, code=1)
    assert document["table"]["only_in_table"] is None
    assert document["unjudged"] == [f"rows that {topic} does not have: it lacks records that once were there"]


def test_a_topic_that_was_made_anew(stage: Stage) -> None:
    """What is kept of the old one says nothing of the new one."""
    topic = stage.topic()
    send(stage.producer(), topic, "a")
    stage.run("--topic", topic, "--out", "kept", code=0)
    kept = stage.folder / "kept/diagnose.json"
    kept.write_text(kept.read_text().replace('"complete": true', '"complete": false'))  # as if interrupted at the end
    stage.run("--topic", topic, "--out", "kept", code=0)
    kept.write_text(kept.read_text().replace('"complete": true', '"complete": false'))
    stage.anew(topic)
    assert f"{topic} was deleted and made anew" in stage.run("--topic", topic, "--out", "kept", code=2).stderr


def state_of(stage: Stage, topic: str) -> object:
    """Everything that a command that writes would change."""
    cluster = Cluster(stage.environment.bootstrap_direct, stage.environment.cluster_id)
    try:
        partitions = cluster.partitions([topic])
        groups = cluster.groups()
        committed = {group: cluster.committed(group, partitions) for group in groups}
        transactions = [(each.transactional_id, each.producer, each.epoch) for each in cluster.transactions()]
        internal = cluster.partitions(["__consumer_offsets", "__transaction_state"])
        return cluster.topics(), cluster.ends(partitions), committed, transactions, cluster.ends(internal)
    finally:
        cluster.close()


def test_nothing_is_changed(stage: Stage, table: Callable[[Sequence[str | None]], str]) -> None:
    topic = stage.topic()
    send(stage.producer(), topic, "a", "b", "b")
    name, group = table(["a"]), f"sink.{topic}"
    stage.commit(group, topic, 1)
    asked = ["--topic", topic, "--table", f"SELECT id FROM {name}", "--dsn", stage.environment.postgres_dsn]
    before = state_of(stage, topic)
    stage.run(*asked, "--group", group, code=1)
    stage.run("--topic", topic, code=1)
    assert state_of(stage, topic) == before
    writing = f"WITH gone AS (DELETE FROM {name} RETURNING id) SELECT id FROM gone"
    refused = stage.run("--topic", topic, "--table", writing, "--dsn", stage.environment.postgres_dsn, code=2)
    assert "the database refuses it" in refused.stderr
    with psycopg.connect(stage.environment.postgres_dsn) as connection:
        assert connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (1,)  # type: ignore[call-overload]


def test_interrupted_it_goes_on(stage: Stage) -> None:
    """A transaction was open where it was interrupted, and one that never ends stands before everything."""
    topic = stage.topic(partitions=2)
    hanging = stage.producer(transactional_id=f"h.{topic}")
    hanging.begin_transaction()
    send(hanging, topic, "open")
    writer = stage.producer(batch_num_messages=100)
    for number in range(400_000):
        # The first partition is done long before the second: there is a time between.
        writer.produce(topic, b"x" * 100, key=f"k{number}", partition=int(number % 20 > 0))
        if number % 50_000 == 0:
            writer.flush(30)
    send(writer, topic, "k7")
    whole = stage.document("--topic", topic, "--out", "whole", code=1)
    process = subprocess.Popen(
        [Path(sys.executable).with_name("eos-chaos"), *stage.arguments("--topic", topic, "--out", "resumed")],
        cwd=stage.folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    kept = stage.folder / "resumed/diagnose.json"
    deadline = time.monotonic() + END_S
    while not (kept.exists() and any(each["done"] for each in json.loads(kept.read_bytes())["partitions"])):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=END_S)
    assert process.returncode == 130, said
    assert "interrupted: the same command goes on with what is kept in resumed" in said
    goes_on = stage.run("--topic", topic, "--out", "resumed", "--json", code=1)
    assert f"{topic}/0" not in goes_on.stderr.split("judging")[0]  # that partition was done
    resumed = json.loads(goes_on.stdout)
    for document in (whole, resumed):
        for each in document["transactions"]:
            each.pop("age_ms")
    assert resumed == whole
    other = stage.run("--topic", topic, "--by", "header:x", "--out", "resumed", code=2)
    assert "holds the progress of another command" in other.stderr
    hanging.abort_transaction(20)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--topic", "TOPIC", "--by", "colour"], 2, "--by colour: records are told apart by key, header:NAME"),
        (["--topic", "TOPICx"], 2, "did you mean 'TOPIC'?"),
        (["--topic", "TOPIC", "--group", "sink.nobody"], 2, "--group sink.nobody: the cluster has no such group"),
        (["--topic", "TOPIC", "--table", "SELECT 1"], 2, "--dsn is missing"),
        (
            ["--topic", "TOPIC", "--table", "SELEC 1", "--dsn", "DSN"],
            2,
            "--table 'SELEC 1': the database refuses it: syntax",
        ),
        (
            ["--topic", "TOPIC", "--table", "SELECT 1", "--dsn", "host=127.0.0.1 port=1"],
            4,
            "the database does not answer",
        ),
        (["--topic", "TOPIC", "--table", "SELECT 1", "--dsn", "nonsense"], 2, "--dsn: "),
        (["--topic", "TOPIC", "--config", "nowhere.properties"], 2, "nowhere.properties: cannot be read: No such file"),
        (["--topic", "TOPIC", "--bootstrap", "127.0.0.1"], 2, "'127.0.0.1' is no HOST:PORT"),
        (["--topic", "TOPIC", "--bootstrap", "127.0.0.1:1"], 4, "is --bootstrap right"),
    ],
)
def test_mistakes(stage: Stage, arguments: list[str], code: int, said: str) -> None:
    topic = stage.topic()
    filled = {"TOPIC": topic, "TOPICx": f"{topic}x", "DSN": stage.environment.postgres_dsn}
    done = stage.run(*(filled.get(argument, argument) for argument in arguments), code=code)
    assert said.replace("TOPIC", topic) in done.stderr
    assert done.stdout == ""
