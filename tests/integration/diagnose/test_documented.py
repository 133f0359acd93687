"""The transcripts of docs/diagnose.md are what the command prints."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, Producer, TopicPartition

from harness.cli import commands
from harness.collect import Observer
from harness.environment import Environment
from harness.scenario.model import Topic

DOCUMENT = Path(__file__).parents[3] / "docs/diagnose.md"
COMMAND = (
    "eos-chaos diagnose --bootstrap localhost:9092 --topic orders --group orders-sink "
    "--table 'SELECT order_id FROM orders_seen ORDER BY n' --dsn postgresql://localhost/shop"
)


@pytest.fixture
def name(environment: Environment) -> Iterator[str]:
    """The topic, group and table of the example, with a suffix of their own."""
    suffix = secrets.token_hex(3)
    observer = Observer(environment.bootstrap_direct, environment.cluster_id)
    observer.create_topics({f"orders-{suffix}": Topic(partitions=1)})
    with psycopg.connect(environment.postgres_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE orders_seen_{suffix} (n serial, order_id text)")  # type: ignore[call-overload]
        insert = (
            f"INSERT INTO orders_seen_{suffix} (order_id) VALUES ('order-1'), ('order-2'), ('order-2'), ('order-9')"
        )
        connection.execute(insert)  # type: ignore[call-overload]
        yield suffix
        connection.execute(f"DROP TABLE orders_seen_{suffix}")  # type: ignore[call-overload]
    observer.delete_topics([f"orders-{suffix}"])
    observer.close()


def played(environment: Environment, suffix: str) -> Producer:
    """What the example tells; the producer whose transaction is open."""
    topic = f"orders-{suffix}"
    common = {"bootstrap.servers": environment.bootstrap_direct, "enable.idempotence": True}
    for ids in (["order-1", "order-2", "order-3"], ["order-2", "order-4"]):
        producer = Producer(common)
        for id_ in ids:
            producer.produce(topic, b"{}", key=id_, partition=0)
        assert producer.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": environment.bootstrap_direct, "group.id": f"orders-sink-{suffix}"})
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    consumer.close()
    unfinished = Producer({**common, "transactional.id": f"payment-{suffix}"})
    unfinished.init_transactions(20)
    unfinished.begin_transaction()
    unfinished.produce(topic, b"{}", key="order-5", partition=0)
    assert unfinished.flush(20) == 0
    return unfinished


def plain(text: str, suffix: str) -> str:
    """Without what differs from run to run: suffixes, moments, ages, ids of producers and of the cluster."""
    text = text.replace(f"-{suffix}", "").replace(f"_{suffix}", "")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "2026-11-25 12:00:00.000", text)
    text = re.sub(r'"age_ms": \d+', '"age_ms": 1500', re.sub(r"for \d+\.\d s", "for 1.5 s", text))
    text = re.sub(r'"cluster_id": "[^"]+"', '"cluster_id": "5L6g3nShT-eMCtK--X86sw"', text)
    text = re.sub(r"diagnose-[0-9a-f]{8}", "diagnose-1f0c2d3e", text)
    return with_numbered_producers(text)


def with_numbered_producers(text: str) -> str:
    """Producer ids in the order in which the text names them, from 1001 on."""
    forms = r'(?:producer id |"producer": )(\d+)|\[\s*0,\s*\d+,\s*(\d+),\s*\d+,\s*\d+\s*\]'
    named = [one or other for one, other in re.findall(forms, text)]
    for number, found in enumerate(dict.fromkeys(named), 1001):
        text = re.sub(rf'(producer id |"producer": ){found}\b', rf"\g<1>«{number}»", text)
        text = re.sub(rf"(\[\s*0,\s*\d+,\s*){found}(,\s*\d+,\s*\d+\s*\])", rf"\g<1>«{number}»\g<2>", text)
    return re.sub("[«»]", "", text)


def documented(title: str) -> str:
    (transcript,) = re.findall(
        rf"<!-- transcript: {title} -->\n```(?:json)?\n(.*?)```\n<!-- end -->", DOCUMENT.read_text(), re.DOTALL
    )
    assert isinstance(transcript, str)
    return transcript


def test_the_transcripts(environment: Environment, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    unfinished = played(environment, name)
    query = f"SELECT order_id FROM orders_seen_{name} ORDER BY n"
    asked = ["--bootstrap", environment.bootstrap_direct, "--topic", f"orders-{name}", "--group", f"orders-sink-{name}"]
    asked += ["--table", query, "--dsn", environment.postgres_dsn]
    report = CliRunner().invoke(commands, ["diagnose", *asked])
    document = CliRunner().invoke(commands, ["diagnose", *asked, "--json"])
    unfinished.abort_transaction(20)
    assert (report.exit_code, document.exit_code) == (1, 1)
    assert f"$ {COMMAND}\n{plain(report.stdout, name)}" == documented("diagnose")
    assert plain(document.stdout, name) == documented("diagnose --json")
