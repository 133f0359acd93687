"""Shared by all tests: hypothesis profiles, and one real cluster for those that ask for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # unit tests need none of what this would load
    from harness.environment import Environment

settings.register_profile("fast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", parent=settings.get_profile("fast"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(scope="session")
def environment() -> Iterator[Environment]:
    """A running cluster with its database and proxy, shared by the whole session: names must be unique per test."""
    from harness.environment import open_environment, setup

    setup(print)
    with open_environment() as environment:
        yield environment
