"""Shared by all tests: hypothesis profiles, and one real cluster for those that ask for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # unit tests need none of what this would load
    from harness.environment import Environment

settings.register_profile("fast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", parent=settings.get_profile("fast"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


# A shell starts background jobs with SIGINT ignored, and so would be every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def environment() -> Iterator[Environment]:
    """A running cluster with its database and proxy, shared by the whole session: names must be unique per test."""
    from harness.environment import open_environment, setup

    setup(print)
    with open_environment() as environment:
        yield environment
