"""A scenario file, read: `load(path)` gives a `Scenario` or every mistake in it, each with line and column."""

from harness.scenario.grammar import json_schema
from harness.scenario.model import Scenario
from harness.scenario.parsing import load, parse

__all__ = ["Scenario", "json_schema", "load", "parse"]
