"""A tool that finds nothing proves nothing: anomalies are planted through real brokers and must be found, exactly.

They are planted between drain and collect, so a duplicate comes after the last expected record: a reader that stops
at "N records seen" (as Kafka's own system tests do) misses it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import NewTopic
from kafka.consumer.fetcher import ConsumerRecord
from psycopg import sql

from harness.environment import Environment
from harness.events import Event, FaultInjected, PhaseStarted
from tests.runs import Played, pipeline, play, wait_until

RECORDS = 100

Plant = Callable[[Environment, dict[str, dict[str, Any]]], None]


def test_a_clean_run_is_clean(environment: Environment, tmp_path: Path) -> None:
    played = play(environment, tmp_path, pipeline("clean", records=RECORDS))
    assert played.run.verdict.value == "as-expected", played.run.to_json()
    assert found(played) == {}
    sightings = (played.folder / "cells/all/repeat-1/sightings/orders.jsonl").read_text()
    assert sum(len(json.loads(line).get("id", [])) for line in sightings.splitlines()) == RECORDS


def test_a_duplicate_after_the_last_expected_record(environment: Environment, tmp_path: Path) -> None:
    def plant(environment: Environment, places: dict[str, dict[str, Any]]) -> None:
        send_again(environment, places["orders"]["resource"], how_many=1)

    played = planted(environment, tmp_path, "duplicate", plant)
    assert played.run.verdict.value == "failed"
    assert found(played) == {
        ("orders", "duplicate"): 1,
        ("orders@read_uncommitted", "duplicate"): 1,
        ("invoices", "stalled"): 1,  # the processor had been stopped by then: late, not lost
    }


def test_a_duplicate_in_the_processed_topic(environment: Environment, tmp_path: Path) -> None:
    def plant(environment: Environment, places: dict[str, dict[str, Any]]) -> None:
        send_again(environment, places["invoices"]["resource"], how_many=3)

    played = planted(environment, tmp_path, "processed", plant)
    assert played.run.verdict.value == "failed"
    topics = ("invoices", "invoices@read_uncommitted")
    both = {(place, kind): 3 for place in topics for kind in ("duplicate", "duplicate-processing")}
    assert found(played) == {**both, ("invoices_seen", "stalled"): 3}


def test_an_acknowledged_record_that_is_gone(environment: Environment, tmp_path: Path) -> None:
    """The topic is made anew with every record but the last of its first partition."""

    def plant(environment: Environment, places: dict[str, dict[str, Any]]) -> None:
        topic = places["orders"]["resource"]
        originals = read(environment, topic)
        last = max((record for record in originals if record.partition == 0), key=lambda record: record.offset)
        make_anew(environment, topic, partitions=2)
        send(environment, topic, [record for record in originals if record is not last])

    played = planted(environment, tmp_path, "loss", plant)
    assert played.run.verdict.value == "failed"
    assert found(played)["orders", "lost-write"] == 1


def test_records_that_a_group_skipped(environment: Environment, tmp_path: Path) -> None:
    """While the processor is down, its committed offsets are moved to the end, as a wrong tool call would."""
    faults = "  - {stop: processor, at: after commit 1, restart_after: 3s}"
    skipped: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, FaultInjected):
            place = next(place for place in places_of(tmp_path) if place["name"] == "invoices")
            source = next(place for place in places_of(tmp_path) if place["name"] == "orders")
            skipped.append(skip_to_end(environment, place["group"], source["resource"]))

    text = pipeline("planted-skip", records=RECORDS, faults=faults)
    played = play(environment, tmp_path, text, listen)
    assert played.run.verdict.value == "failed", played.run.to_json()
    assert skipped[0] > 0
    assert found(played)["invoices", "lost-processing"] == skipped[0]


def test_rows_that_are_gone(environment: Environment, tmp_path: Path) -> None:
    def plant(environment: Environment, places: dict[str, dict[str, Any]]) -> None:
        execute(environment, places, "DELETE FROM {rows} WHERE id IN ('producer-000003', 'producer-000007')")

    played = planted(environment, tmp_path, "rows", plant)
    assert played.run.verdict.value == "failed"
    assert found(played) == {("invoices_seen", "sink-loss"): 2}
    findings = (played.folder / "cells/all/repeat-1/findings.jsonl").read_text().splitlines()
    (finding,) = [json.loads(line) for line in findings]
    assert [sample["id"] for sample in finding["samples"]] == ["producer-000003", "producer-000007"]


def planted(environment: Environment, tmp_path: Path, name: str, plant: Plant) -> Played:
    """A clean run into which something is planted after the drain."""

    def listen(event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase == "collect":
            plant(environment, {place["name"]: place for place in places_of(tmp_path)})

    return play(environment, tmp_path, pipeline(f"planted-{name}", records=RECORDS), listen)


def places_of(tmp_path: Path) -> list[dict[str, Any]]:
    places: list[dict[str, Any]] = json.loads((tmp_path / "run/cells/all/repeat-1/places.json").read_bytes())["places"]
    return places


def found(played: Played) -> dict[tuple[str, str], int]:
    """(place, type) → count, for all that is above 0."""
    places = played.only["places"]
    return {(place, kind): count for place, counts in places.items() for kind, count in counts.items() if count}


def send_again(environment: Environment, topic: str, how_many: int) -> None:
    send(environment, topic, read(environment, topic)[:how_many])


def send(environment: Environment, topic: str, records: Sequence[ConsumerRecord]) -> None:
    """Copies of records, byte for byte, by a producer that nobody knows."""
    producer = KafkaProducer(bootstrap_servers=environment.bootstrap_direct)
    for record in records:
        producer.send(topic, record.value, record.key, record.headers, record.partition)
    producer.flush(10)
    producer.close(timeout=10)


def read(environment: Environment, topic: str) -> list[ConsumerRecord]:
    """All committed records, by partition and offset."""
    consumer = KafkaConsumer(
        bootstrap_servers=environment.bootstrap_direct, consumer_timeout_ms=2000, isolation_level="read_committed"
    )
    consumer.assign([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()])
    consumer.seek_to_beginning()
    records = list(consumer)
    consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def make_anew(environment: Environment, topic: str, partitions: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=environment.bootstrap_direct)
    admin.delete_topics([topic])
    wait_until(lambda: topic not in admin.list_topics(), f"{topic} to be gone", 20)
    admin.create_topics([NewTopic(topic, partitions, 3)])
    admin.close()


def skip_to_end(environment: Environment, group: str, topic: str) -> int:
    """Commit the end of every partition for a group that has no members; how many records it thereby skips."""
    consumer = KafkaConsumer(bootstrap_servers=environment.bootstrap_direct, group_id=group, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
    before = {partition: consumer.committed(partition) or 0 for partition in partitions}
    ends = consumer.end_offsets(partitions)
    consumer.commit({partition: OffsetAndMetadata(end, "", -1) for partition, end in ends.items()})
    consumer.close()
    return sum(ends[partition] - before[partition] for partition in partitions)


def execute(environment: Environment, places: dict[str, dict[str, Any]], statement: str) -> None:
    with psycopg.connect(environment.postgres_dsn, autocommit=True) as connection:
        rows = sql.Identifier(*places["invoices_seen"]["resource"].split("."))
        connection.execute(sql.SQL(statement).format(rows=rows))  # type: ignore[arg-type]
