"""A whole pipeline as text, section by section, for tests that change one thing in it."""

from __future__ import annotations

from harness.errors import ScenarioError
from harness.scenario import Scenario, parse

FILE = "test.chaos.yaml"

PIPELINE = {
    "scenario": "test",
    "topics": "{orders: {partitions: 3}, invoices: {partitions: 3}}",
    "tables": "{invoices_seen: {}}",
    "apps": """
  producer: {is: producer, to: orders, records: 100}
  processor: {is: processor, from: orders, to: invoices}
  sink: {is: sink, from: invoices, to: invoices_seen}""",
}

WITH_SERVICES = {
    "services": "{billing: {}, audit: {idempotency: false}}",
    "mailboxes": "{outbox: {}}",
    "apps": """
  producer: {is: producer, to: orders, records: 100, commit: in_transaction, resume: transaction}
  processor:
    {is: processor, from: orders, to: invoices, instances: 2, commit: in_transaction, calls: billing,
     idempotency_key: true, restart: {policy: always, delay: 500ms, most: 3}}
  sink: {is: sink, from: invoices, to: invoices_seen}
  caller: {is: sink, from: invoices, to: audit}
  mailer: {is: sink, from: invoices, to: outbox}""",
}
"""Sections that have every kind of place and of app."""


def text(**sections: str) -> str:
    """The pipeline with some sections replaced or added; each is YAML as it stands after `name:`."""
    return "".join(f"{name}: {section}\n" for name, section in {**PIPELINE, **sections}.items())


def scenario(**sections: str) -> Scenario:
    return parse(text(**sections), FILE)


def mistakes(**sections: str) -> list[tuple[int, int, str]]:
    """Line, column and message of each mistake; empty when there is none."""
    try:
        scenario(**sections)
    except ScenarioError as error:
        return [(problem.line, problem.column, problem.message) for problem in error.problems]
    return []
