"""Kafka's properties: the tables agree with the clients that are installed, and contradictions with their refusals."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import confluent_kafka
import kafka
import pytest
from kafka.errors import KafkaConfigurationError

from harness.apps.clients.properties import consumer_defaults, producer_defaults
from harness.scenario.properties import (
    APP_DEFAULTS,
    OWNED,
    Role,
    check_property,
    check_topic_property,
    properties_of,
)
from tests.unit.scenario.texts import mistakes, scenario

CLIENTS = ("kafka-python", "confluent-kafka")
NOWHERE = "127.0.0.1:9"
ACKS = ("acks", "request.required.acks")
HIDDEN = {
    "client.software.name",
    "client.software.version",
    "enable.sparse.connections",
    "enable_sasl_queue",
    "metadata.request.timeout.ms",
    "test.mock.broker.rtt",
    "test.mock.num.brokers",
}
"""What librdkafka does not show in its own list of properties either."""


def test_the_defaults_that_checks_count_on_are_the_ones_that_apps_set() -> None:
    set_by_apps = {**producer_defaults("x", {}), **consumer_defaults()}
    assert {name: set_by_apps[name] for name in APP_DEFAULTS} == APP_DEFAULTS
    assert set_by_apps["enable.idempotence"] is scenario().apps["processor"].idempotent


@pytest.fixture(scope="module")
def librdkafka() -> ctypes.CDLL:
    """The library inside confluent-kafka, asked itself; no client is made."""
    bundled = sorted((Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka*.so*"))
    if not bundled:
        pytest.skip("this confluent-kafka does not bundle librdkafka as a library that can be asked")
    library = ctypes.CDLL(str(bundled[0]))
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_conf_dump.restype = ctypes.POINTER(ctypes.c_char_p)
    library.rd_kafka_conf_dump.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)]
    library.rd_kafka_conf_set.argtypes = [ctypes.c_void_p, *[ctypes.c_char_p] * 3, ctypes.c_size_t]
    return library


def takes(library: ctypes.CDLL, name: str, value: object) -> bool:
    reason = ctypes.create_string_buffer(200)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    answer = library.rd_kafka_conf_set(library.rd_kafka_conf_new(), name.encode(), text.encode(), reason, 200)
    return bool(answer == 0)


@pytest.mark.parametrize("role", ["producer", "consumer"])
def test_librdkafka_takes_exactly_what_our_table_says(role: Role, librdkafka: ctypes.CDLL) -> None:
    for name, known in properties_of("confluent-kafka", role).items():
        for value in (*known.choices, *(bound for bound in (known.low, known.high) if bound is not None)):
            assert takes(librdkafka, name, value), f"{name}={value}"
        if known.type == "boolean":
            assert takes(librdkafka, name, True), name
        if known.choices and name not in ACKS:
            assert not takes(librdkafka, name, "nonsense"), name
        if known.low is not None and known.type == "integer":
            assert not takes(librdkafka, name, known.low - 1), name


def test_our_table_has_every_property_of_librdkafka_that_can_be_said(librdkafka: ctypes.CDLL) -> None:
    count = ctypes.c_size_t()
    listed = librdkafka.rd_kafka_conf_dump(librdkafka.rd_kafka_conf_new(), ctypes.byref(count))
    names = {listed[index].decode() for index in range(0, count.value, 2)}
    ours = {*properties_of("confluent-kafka", "producer"), *properties_of("confluent-kafka", "consumer")}
    secret = {name for name in names if name.startswith(("ssl.", "sasl.", "https.", "enable.ssl.", "enable.sasl."))}
    callbacks = {name for name in names if name.endswith("_cb")}
    assert names - ours - secret - callbacks <= HIDDEN


@pytest.mark.parametrize("role", ["producer", "consumer"])
def test_kafka_python_knows_every_property_that_we_let_through(role: Role) -> None:
    config = (kafka.KafkaProducer if role == "producer" else kafka.KafkaConsumer).DEFAULT_CONFIG
    known = properties_of("kafka-python", role)
    assert {name.replace(".", "_") for name in known} <= set(config)
    assert {"linger.ms", "acks", "client.id"} <= set(known) if role == "producer" else "fetch.min.bytes" in known


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", OWNED)
def test_what_the_harness_sets_itself_is_refused_with_the_reason(client: str, name: str) -> None:
    for role in ("producer", "consumer"):
        assert check_property(client, role, name, "x") == (f"'{name}' is not yours to set", OWNED[name])


@pytest.mark.parametrize(
    ("client", "role", "name", "value"),
    [
        ("kafka-python", "producer", "acks", "all"),
        ("kafka-python", "producer", "acks", 1),
        ("kafka-python", "producer", "linger.ms", 5),
        ("kafka-python", "producer", "enable.idempotence", False),
        ("kafka-python", "consumer", "isolation.level", "read_uncommitted"),
        ("kafka-python", "consumer", "client.id", "me"),
        ("confluent-kafka", "producer", "acks", -1),
        ("confluent-kafka", "producer", "linger.ms", 0.5),
        ("confluent-kafka", "consumer", "auto.offset.reset", "earliest"),
        ("confluent-kafka", "consumer", "debug", "cgrp,fetch"),
    ],
)
def test_what_a_client_takes_is_taken(client: str, role: Role, name: str, value: object) -> None:
    assert check_property(client, role, name, value) is None


@pytest.mark.parametrize(
    ("client", "role", "name", "value", "message"),
    [
        ("kafka-python", "producer", "acks", True, "'acks' cannot be true"),
        ("kafka-python", "producer", "acks", "1", "'acks' cannot be '1'"),
        ("kafka-python", "producer", "linger.ms", True, "'linger.ms' must be a whole number, not true"),
        (
            "kafka-python",
            "consumer",
            "linger.ms",
            5,
            "'linger.ms' is a property of kafka-python's producer, not of its",
        ),
        ("kafka-python", "producer", "statistics.interval.ms", 5, "kafka-python's producer has no property"),
        ("confluent-kafka", "producer", "enable.idempotence", "yes", "must be true or false, not 'yes'"),
        ("confluent-kafka", "producer", "linger.ms", -1, "'linger.ms' cannot be -1"),
        ("confluent-kafka", "producer", "sasl.mechanism", "PLAIN", "'sasl.mechanism' is not yours to set"),
    ],
)
def test_what_a_client_refuses_is_refused(client: str, role: Role, name: str, value: object, message: str) -> None:
    refusal = check_property(client, role, name, value)
    assert refusal is not None
    assert message in refusal[0]


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("retention.ms", -1, False),
        ("retention.ms", -2, True),
        ("cleanup.policy", "compact,delete", False),
        ("min.cleanable.dirty.ratio", 0.5, False),
        ("min.cleanable.dirty.ratio", 1.5, True),
        ("compression.zstd.level", 23, True),
        ("message.timestamp.type", "LogAppendTime", False),
        ("message.timestamp.type", "logappendtime", True),
        ("preallocate", 1, True),
        ("segment.bits", 1, True),
    ],
)
def test_a_topics_properties_are_the_brokers_own(name: str, value: object, refused: bool) -> None:
    assert (check_topic_property(name, value) is not None) is refused


CONTRADICTORY: tuple[Mapping[str, Any], ...] = (
    {"acks": 1},
    {"acks": 0},
    {"retries": 0},
    {"max.in.flight.requests.per.connection": 6},
    {"enable.idempotence": False, "transactional.id": "x"},
    {"acks": 1, "transactional.id": "x"},
)


@pytest.mark.parametrize("setting", CONTRADICTORY, ids=str)
def test_what_is_called_contradictory_is_what_both_clients_refuse(setting: Mapping[str, Any]) -> None:
    whole = {"bootstrap.servers": NOWHERE, "enable.idempotence": True, **setting}
    with pytest.raises(confluent_kafka.KafkaException):
        confluent_kafka.Producer(whole)
    with pytest.raises(KafkaConfigurationError):
        # With a version it asks no broker before it looks at its settings.
        kafka.KafkaProducer(api_version=(4, 0), **{name.replace(".", "_"): value for name, value in whole.items()})
    commit = ", commit: in_transaction" if "transactional.id" in setting else ""
    said = ", ".join(f"{name}: {str(value).lower()}" for name, value in setting.items() if name != "transactional.id")
    ((_, _, message),) = mistakes(
        topics="{orders: {}}", tables="{}", apps=f"{{p: {{is: producer, to: orders{commit}, producer: {{{said}}}}}}}"
    )
    assert "idempotent producer" in message


@pytest.mark.parametrize(
    "said",
    [
        "enable.idempotence: false, acks: 1",
        "enable.idempotence: false, retries: 0",
        "acks: all",
        "retries: 5",
        "max.in.flight.requests.per.connection: 5",
        "delivery.timeout.ms: 20000",
    ],
)
def test_what_is_not_contradictory_stands(said: str) -> None:
    producer = f"{{p: {{is: producer, to: orders, producer: {{{said}}}}}}}"
    assert mistakes(topics="{orders: {}}", tables="{}", apps=producer) == []
