"""Each warning where it is due, and its forgiving twin where it is not."""

from __future__ import annotations

import pytest

from harness.plan import make_plan
from tests.unit.scenario.texts import PIPELINE, WITH_SERVICES, scenario

NOTHING_SEEN = "nothing shows that this scenario could have seen it"


def warnings(**sections: str) -> list[str]:
    return list(make_plan(scenario(**sections)).warnings)


def apps(**changed: str) -> str:
    """The pipeline's apps with more keys for some."""
    lines = PIPELINE["apps"]
    for name, more in changed.items():
        lines = lines.replace(f"{name}: {{", f"{name}: {{{more}, ")
    return lines


def test_a_plain_pipeline_has_none() -> None:
    assert warnings() == []


@pytest.mark.parametrize(
    ("client", "properties", "warning"),
    [
        ("kafka-python", "acks: 1, enable.idempotence: false", "processor sends with acks=1"),
        ("kafka-python", "acks: 0, enable.idempotence: false", "processor sends with acks=0"),
        ("confluent-kafka", "request.required.acks: 1, enable.idempotence: false", "processor sends with acks=1"),
        ("kafka-python", "acks: all, enable.idempotence: false", "processor sends with enable.idempotence=false"),
        ("kafka-python", "acks: all, enable.idempotence: true", None),
        ("confluent-kafka", "acks: -1", None),
    ],
)
def test_a_producer_that_weakens_what_is_asked_about(client: str, properties: str, warning: str | None) -> None:
    found = warnings(apps=apps(processor=f"client: {client}, producer: {{{properties}}}"))
    assert [w for w in found if warning and w.startswith(warning)] if warning else found == []


@pytest.mark.parametrize(
    ("commit", "isolation", "warned"),
    [
        ("in_transaction", "read_uncommitted", True),
        ("in_transaction", "read_committed", False),
        ("after_write", "read_uncommitted", False),
    ],
)
def test_a_reader_that_sees_what_transactions_abort(commit: str, isolation: str, warned: bool) -> None:
    found = warnings(
        apps=apps(processor=f"commit: {commit}", sink=f"consumer: {{isolation.level: {isolation}}}"),
    )
    assert found == (["sink reads invoices at read_uncommitted: it sees what processor aborts"] if warned else [])


def test_what_weakens_an_app_is_the_point_where_something_must_be_shown() -> None:
    changed = apps(processor="producer: {acks: 1, enable.idempotence: false}")
    assert warnings(apps=changed, expect="[{in: invoices, losses: some}]") == []
    assert len(warnings(apps=changed, expect="[{in: invoices, losses: any}]")) == 2


def test_an_idempotency_key_that_nobody_heeds() -> None:
    changed = WITH_SERVICES["apps"].replace("to: audit}", "to: audit, idempotency_key: true}")
    told = "caller sends an Idempotency-Key, and audit has idempotency: false: it takes no notice of it"
    assert warnings(**{**WITH_SERVICES, "apps": changed}) == [told]
    assert warnings(**WITH_SERVICES) == []


def test_a_supervisor_brings_an_app_back() -> None:
    for policy, crash, stop in (("on-failure", 0, 1), ("always", 0, 0), ("never", 1, 1)):
        changed = apps(sink=f"restart: {{policy: {policy}}}")
        assert len(warnings(apps=changed, faults="[{crash: sink, at: 5s}]")) == crash
        assert len(warnings(apps=changed, faults="[{stop: sink, at: 5s}]")) == stop


@pytest.mark.parametrize(
    ("fault", "expect", "warned"),
    [
        ("{crash: sink, at: 5s}", "[]", True),
        ("{stop: sink#1, at: 5s}", "[]", True),
        ("{crash: sink, at: 5s}", "[{in: invoices_seen, stalled: none}]", True),
        ("{crash: sink, at: 5s}", "[{in: invoices_seen, stalled: some}]", False),
        ("{crash: sink, at: 5s, restart_after: 1s}", "[]", False),
        ("{crash: producer, at: 5s}", "[]", False),
        ("{crash: broker 1, at: 5s}", "[]", False),
    ],
)
def test_an_app_that_never_comes_back(fault: str, expect: str, warned: bool) -> None:
    found = [warning for warning in warnings(faults=f"[{fault}]", expect=expect) if NOTHING_SEEN not in warning]
    assert [warning.partition(": ")[2] for warning in found] == (
        ["without restart_after what sink has not moved by then stalls"] if warned else []
    )


def test_one_of_several_instances_may_stay_away() -> None:
    assert warnings(apps=apps(sink="instances: 2"), faults="[{crash: sink#2, at: 5s}]") == []
    assert warnings(apps=apps(sink="instances: 2"), faults="[{crash: sink, at: 5s}]") != []


@pytest.mark.parametrize(
    ("fault", "properties", "warned"),
    [
        ("{pause: processor, at: 5s, for: 10s}", "", True),
        ("{pause: processor, at: 5s, for: 9s}", "", False),
        ("{pause: processor, at: 5s, for: 3s}", "transaction.timeout.ms: 3000", True),
        ("{hold: processor, at: before commit 3, for: 10s}", "", True),
        ("{partition: [brokers, processor], at: 5s, for: 10s}", "", True),
        ("{pause: sink, at: 5s, for: 60s}", "", False),
        ("{pause: broker 1, at: 5s, for: 60s}", "", False),
    ],
)
def test_a_fault_that_outlasts_a_transaction(fault: str, properties: str, warned: bool) -> None:
    found = warnings(apps=apps(processor=f"commit: in_transaction, producer: {{{properties}}}"), faults=f"[{fault}]")
    assert [warning.endswith("the brokers abort its transaction meanwhile") for warning in found] == [True] * warned


@pytest.mark.parametrize(
    ("at", "warned"),
    [
        ("before commit 101", True),
        ("after Produce 101 of producer", True),
        ("before commit 100", False),
        ("before Fetch 500", False),
    ],
)
def test_a_step_that_only_retries_could_reach(at: str, warned: bool) -> None:
    found = warnings(faults=f"[{{crash: sink, at: {at}, restart_after: 1s}}]")
    assert [warning.endswith("only retries could get to number 101") for warning in found] == [True] * warned


MATRIX = "{write: {insert: {apps.sink.write: insert}, upsert: {apps.sink.write: upsert}}}"


@pytest.mark.parametrize(
    ("expect", "warned"),
    [
        ("[{losses: none}]", True),
        ("[{losses: any}]", False),
        ("[]", False),
        ("[{cell: {write: upsert}, losses: none}, {cell: {write: insert}, duplicates: some}]", False),
        ("[{cell: {write: upsert}, losses: none}, {cell: {write: insert}, duplicates: sometimes}]", False),
    ],
)
def test_none_proves_little_where_nothing_is_ever_seen(expect: str, warned: bool) -> None:
    found = warnings(matrix=MATRIX, expect=expect, faults="[{crash: sink, at: 5s, restart_after: 1s}]")
    assert found == [f"no cell must show anything under crash sink at 5s: {NOTHING_SEEN}"] * warned


def test_what_is_seen_under_other_faults_does_not_count() -> None:
    found = warnings(
        matrix="{fault: {none: {faults: []}, crash: {faults.0.restart_after: 2s}}}",
        faults="[{crash: sink, at: 5s, restart_after: 1s}]",
        expect="[{cell: {fault: none}, losses: none}, {cell: {fault: crash}, duplicates: some}]",
    )
    assert found == [f"no cell must show anything without a fault: {NOTHING_SEEN}"]


def test_a_warning_that_several_cells_share_is_told_once() -> None:
    changed = apps(processor="producer: {enable.idempotence: false}")
    assert len(warnings(matrix=MATRIX, apps=changed)) == 1
