"""Kafka's property names → what each client is given, and what the ledger says of it. No client is started."""

from __future__ import annotations

from typing import Any

import pytest

from harness.apps.clients import library
from harness.apps.clients.base import Settings
from harness.apps.config import Client
from harness.apps.errors import ConfigRefusedError

CLIENTS: tuple[Client, ...] = ("kafka-python", "confluent-kafka")
BOOTSTRAP = "127.16.100.1:29200,127.16.100.2:29200"


def producer(client: Client, properties: dict[str, Any] | None = None, transactional: bool = False) -> Settings:
    return library(client).producer_settings(BOOTSTRAP, "processor-1.k3f9" if transactional else None, properties or {})


def consumer(client: Client, properties: dict[str, Any] | None = None) -> Settings:
    return library(client).consumer_settings(BOOTSTRAP, "processor.k3f9", properties or {})


@pytest.mark.parametrize("client", CLIENTS)
def test_what_decides_a_result_is_set_and_recorded(client: Client) -> None:
    written = producer(client).recorded
    assert (written["acks"], written["enable.idempotence"]) == ("all", True)
    assert "transactional.id" not in written
    read = consumer(client).recorded
    assert (read["isolation.level"], read["enable.auto.commit"]) == ("read_committed", False)
    assert (read["auto.offset.reset"], read["group.id"]) == ("earliest", "processor.k3f9")


@pytest.mark.parametrize("client", CLIENTS)
def test_the_scenario_overrides_and_what_is_recorded_is_in_effect(client: Client) -> None:
    settings = producer(client, {"acks": 1, "enable.idempotence": "false", "linger.ms": "20"})
    assert settings.recorded["acks"] == 1
    name = "linger_ms" if client == "kafka-python" else "linger.ms"
    assert int(settings.native[name]) == 20
    idempotence = settings.native["enable_idempotence" if client == "kafka-python" else "enable.idempotence"]
    assert idempotence == (False if client == "kafka-python" else "false")  # librdkafka reads text itself
    assert consumer(client, {"isolation.level": "read_uncommitted"}).recorded["isolation.level"] == "read_uncommitted"


@pytest.mark.parametrize("client", CLIENTS)
def test_timeouts_fit_into_the_transaction(client: Client) -> None:
    """A record or a request that outlasts its transaction could only end up in the wrong one."""
    recorded = producer(client, {"transaction.timeout.ms": 2_000}, transactional=True).recorded
    assert recorded["transactional.id"] == "processor-1.k3f9"
    request = recorded["request.timeout.ms" if client == "kafka-python" else "socket.timeout.ms"]
    assert request <= recorded["delivery.timeout.ms"] // 2 <= recorded["transaction.timeout.ms"] // 2
    with pytest.raises(ConfigRefusedError, match=r"'transaction\.timeout\.ms' must be a number of milliseconds"):
        producer(client, {"transaction.timeout.ms": "soon"}, transactional=True)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", ["bootstrap.servers", "transactional.id"])
def test_what_is_not_the_scenarios_to_set(client: Client, name: str) -> None:
    with pytest.raises(ConfigRefusedError, match=f"'{name}' is set by the (environment|conductor)"):
        producer(client, {name: "x"})


@pytest.mark.parametrize("client", CLIENTS)
def test_the_group_is_the_conductors(client: Client) -> None:
    with pytest.raises(ConfigRefusedError, match=r"'group\.id' is set by the conductor"):
        consumer(client, {"group.id": "mine"})


def test_names_and_values_of_kafka_python() -> None:
    native = producer("kafka-python", {"acks": "1", "compression.type": "none", "enable.idempotence": False}).native
    assert (native["acks"], native["compression_type"]) == (1, None)
    assert native["bootstrap_servers"] == BOOTSTRAP.split(",")
    assignors = consumer("kafka-python", {"partition.assignment.strategy": "cooperative-sticky,range"}).native
    assert [each.name for each in assignors["partition_assignment_strategy"]] == ["cooperative-sticky", "range"]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"lingr.ms": 5}, "kafka-python has no producer property 'lingr.ms': did you mean 'linger.ms'?"),
        ({"enable.idempotence": 1}, "property 'enable.idempotence' must be true or false, not 1"),
        ({"linger.ms": True}, "property 'linger.ms' must be a number or text, not True"),
    ],
)
def test_refusals_of_kafka_python(properties: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigRefusedError) as refused:
        producer("kafka-python", properties)
    assert str(refused.value) == reason


def test_an_assignor_that_kafka_python_does_not_have() -> None:
    with pytest.raises(ConfigRefusedError, match="no assignor 'uniform'; there are range, roundrobin"):
        consumer("kafka-python", {"partition.assignment.strategy": "uniform"})


def test_names_of_confluent() -> None:
    native = consumer("confluent-kafka", {"fetch.max.wait.ms": 50}).native
    assert native["fetch.wait.max.ms"] == 50
    assert native["bootstrap.servers"] == BOOTSTRAP
    # There the brokers decide on the session, and librdkafka refuses to be told.
    new_protocol = consumer("confluent-kafka", {"group.protocol": "consumer"}).native
    assert not {"session.timeout.ms", "heartbeat.interval.ms"} & set(new_protocol)


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"lingr.ms": 5}, 'No such configuration property: "lingr.ms"'),
        ({"acks": "al"}, 'Invalid value for configuration property "request.required.acks"'),
        ({"compression.type": "zip"}, "compression"),
    ],
)
def test_refusals_of_confluent(properties: dict[str, Any], reason: str) -> None:
    client = library("confluent-kafka")
    with pytest.raises(ConfigRefusedError, match=reason):
        client.producer(client.producer_settings("127.0.0.1:1", None, properties))
