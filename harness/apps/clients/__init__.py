"""One small interface over the Kafka clients under test; only the client in use is imported."""

from __future__ import annotations

from harness.apps.clients.base import ClientLibrary
from harness.apps.config import Client


def library(client: Client) -> ClientLibrary:
    """The client library by its name in the scenario."""
    if client == "kafka-python":
        from harness.apps.clients.kafka_python import KafkaPython

        return KafkaPython()
    from harness.apps.clients.confluent import Confluent

    return Confluent()
