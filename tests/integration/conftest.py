"""Real brokers, a real database and the real proxy: one cluster for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.environment import Environment, open_environment, setup


@pytest.fixture(scope="session")
def environment() -> Iterator[Environment]:
    """A running cluster that the tests share; names must be unique per test."""
    setup(print)
    with open_environment() as environment:
        yield environment
