"""Every duplicate and every loss says why: the smallest history of each cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.audit import audit
from harness.model import Audit, Cause
from tests.unit.audit.histories import History, Process, write

Build = Callable[[History], None]


@dataclass(frozen=True)
class Case:
    cause: Cause
    kind: str
    place: str
    build: Build


CASES: list[Case] = []


def case(cause: Cause, kind: str, place: str) -> Callable[[Build], Build]:
    def register(build: Build) -> Build:
        CASES.append(Case(cause, kind, place, build))
        return build

    return register


def batch(process: Process, place: str, *ids: str, **more: Any) -> None:
    process.batch({place: ids}, ack=ids, **more)


def pipeline(h: History, *inputs: str) -> Process:
    """orders → invoices, with the inputs there; returns the processor."""
    h.topic("orders", writers=["producer"])
    batch(h.process("producer#1/1", None), "orders", *inputs)
    h.see("orders", inputs)
    h.topic("invoices", upstream="orders", writers=["processor"])
    return h.process("processor#1/1")


# -- duplicates at the origin ------------------------------------------------------------------------------------------


def origin(h: History) -> Process:
    h.topic("orders", writers=["producer"])
    return h.process("producer#1/1", None)


@case(Cause.BROKER, "duplicate", "orders")
def same_producer_epoch_and_sequence(h: History) -> None:
    batch(origin(h), "orders", "a")
    for _ in range(2):
        h.see("orders", ["a"], producer=7, epoch=1, bseq=5)


@case(Cause.APPLICATION, "duplicate", "orders")
def same_producer_and_epoch_another_sequence(h: History) -> None:
    producer = origin(h)
    for sequence in (5, 6):
        batch(producer, "orders", "a")
        h.see("orders", ["a"], producer=7, bseq=sequence)


@case(Cause.APPLICATION, "duplicate", "orders")
def the_same_sequence_in_another_partition_is_another_send(h: History) -> None:
    """Sequences are counted per partition, and no client sends one record to two."""
    producer = origin(h)
    for part in (0, 1):
        batch(producer, "orders", "a")
        h.see("orders", ["a"], part=part, producer=7, bseq=5)


@case(Cause.APPLICATION, "duplicate", "orders")
def two_operations_and_a_client_that_began_a_new_epoch(h: History) -> None:
    """librdkafka does so after a timeout; the second send was still the application's."""
    producer = origin(h)
    for epoch, sequence in ((0, 5), (1, 0)):
        batch(producer, "orders", "a")
        h.see("orders", ["a"], producer=7, epoch=epoch, bseq=sequence)


@case(Cause.APPLICATION, "duplicate", "orders")
def two_operations_without_idempotence(h: History) -> None:
    producer = origin(h)
    for _ in range(2):
        batch(producer, "orders", "a")
        h.see("orders", ["a"], producer=-1, epoch=-1, bseq=-1)


@case(Cause.CLIENT, "duplicate", "orders")
def one_operation_two_epochs(h: History) -> None:
    batch(origin(h), "orders", "a")
    h.see("orders", ["a"], producer=7, epoch=0, bseq=5)
    h.see("orders", ["a"], producer=7, epoch=1, bseq=0)


@case(Cause.IDEMPOTENCE_OFF, "duplicate", "orders")
def one_operation_no_producer_id(h: History) -> None:
    batch(origin(h), "orders", "a")
    for _ in range(2):
        h.see("orders", ["a"], producer=-1, epoch=-1, bseq=-1)


@case(Cause.PRODUCER_RESTART, "duplicate", "orders")
def two_incarnations_two_producer_ids(h: History) -> None:
    batch(origin(h), "orders", "a", outcome=None)
    batch(h.process("producer#1/2", None), "orders", "a")
    h.see("orders", ["a"], producer=7)
    h.see("orders", ["a"], producer=8)


@case(Cause.PRODUCERS, "duplicate", "orders")
def two_instances_at_the_origin(h: History) -> None:
    batch(origin(h), "orders", "a")
    batch(h.process("producer#2/1", None), "orders", "a")
    h.see("orders", ["a"], producer=7)
    h.see("orders", ["a"], producer=8)


@case(Cause.UNTOLD, "duplicate", "orders")
def no_ledger_and_no_producer_id(h: History) -> None:
    h.topic("orders", writers=["stranger"])
    for _ in range(2):
        h.see("orders", ["a"], producer=-1, epoch=-1, bseq=-1)


# -- duplicates behind a processor -------------------------------------------------------------------------------------


@case(Cause.ABORT_OR_ZOMBIE, "duplicate-processing", "invoices")
def the_same_transactional_id_at_a_later_epoch(h: History) -> None:
    processor = pipeline(h, "a")
    for epoch in (0, 1):
        batch(processor, "invoices", "a", txn=f"t/{epoch}", outcome="unknown")
        txn = f"t/{epoch}"
        h.see("invoices", ["a"], src=[0], status="committed", producer=7, epoch=epoch, bseq=0, txn=txn, marker=True)


@case(Cause.PROCESSOR_RESTART, "duplicate-processing", "invoices")
def two_incarnations_of_one_processor(h: History) -> None:
    batch(pipeline(h, "a"), "invoices", "a", outcome=None)
    batch(h.process("processor#1/2"), "invoices", "a")
    h.see("invoices", ["a"], src=[0], producer=7)
    h.see("invoices", ["a"], src=[0], producer=8)


@case(Cause.OTHER_INSTANCE, "duplicate-processing", "invoices")
def two_instances_of_one_processor(h: History) -> None:
    batch(pipeline(h, "a"), "invoices", "a")
    batch(h.process("processor#2/1"), "invoices", "a")
    h.see("invoices", ["a"], src=[0], producer=7)
    h.see("invoices", ["a"], src=[0], producer=8)


@case(Cause.SAME_PROCESS, "duplicate-processing", "invoices")
def one_process_without_idempotence(h: History) -> None:
    processor = pipeline(h, "a")
    for _ in range(2):
        batch(processor, "invoices", "a")
        h.see("invoices", ["a"], src=[0], producer=-1, epoch=-1, bseq=-1)


@case(Cause.UPSTREAM, "duplicate", "invoices")
def each_copy_has_an_input_of_its_own(h: History) -> None:
    batch(pipeline(h, "a", "a"), "invoices", "a", "a")
    h.see("invoices", ["a", "a"], src=[0, 1])


@case(Cause.PROCESSOR_RESTART, "duplicate", "invoices")
def both_copies_have_the_same_one_of_two_inputs(h: History) -> None:
    batch(pipeline(h, "a", "a"), "invoices", "a", outcome=None)
    batch(h.process("processor#1/2"), "invoices", "a")
    h.see("invoices", ["a"], src=[0], producer=7)
    h.see("invoices", ["a"], src=[0], producer=8)


@case(Cause.ABORTED_INPUT, "duplicate-processing", "invoices")
def an_aborted_input_was_processed_too(h: History) -> None:
    h.topic("orders", writers=["producer"])
    batch(h.process("producer#1/1", None), "orders", "a")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)
    h.see("orders", ["a"], status="committed", txn="t/2", marker=True)
    h.topic("invoices", upstream="orders", writers=["processor"])
    batch(h.process("processor#1/1", "read_uncommitted"), "invoices", "a", "a")
    h.see("invoices", ["a", "a"], src=[0, 2])


# -- duplicates in a table ---------------------------------------------------------------------------------------------


def table(h: History, *writers: str) -> None:
    """One row of record a by each writer."""
    h.topic("orders", writers=["producer"])
    batch(h.process("producer#1/1", None), "orders", "a")
    h.see("orders", ["a"])
    h.table("rows", upstream="orders", writers=["sink"])
    for writer in dict.fromkeys(writers):
        h.process(writer)
    for writer in writers:
        process = next(process for process in h.processes if process.name == h.name(writer))
        batch(process, "rows", "a", outcome="unknown")
        h.see("rows", ["a"], src=[0], writer=writer)


@case(Cause.SINK_RESTART, "sink-duplicate", "rows")
def rows_by_two_incarnations(h: History) -> None:
    table(h, "sink#1/1", "sink#1/2")


@case(Cause.SINK_OTHER_INSTANCE, "sink-duplicate", "rows")
def rows_by_two_instances(h: History) -> None:
    table(h, "sink#1/1", "sink#2/1")


@case(Cause.SINK_SAME_PROCESS, "sink-duplicate", "rows")
def rows_by_one_process(h: History) -> None:
    table(h, "sink#1/1", "sink#1/1")


@case(Cause.UPSTREAM, "sink-duplicate", "rows")
def rows_of_two_records_upstream(h: History) -> None:
    pipeline(h, "a", "a")
    h.table("rows", upstream="orders", writers=["sink"])
    batch(h.process("sink#1/1"), "rows", "a", "a")
    h.see("rows", ["a", "a"], src=[0, 1], writer="sink#1/1")


@case(Cause.REDELIVERED, "sink-duplicate", "rows")
def rows_of_one_input_by_an_app_without_a_ledger(h: History) -> None:
    table(h)
    h.see("rows", ["a", "a"], src=[0, 0])


@case(Cause.REDELIVERED, "sink-duplicate", "rows")
def rows_that_do_not_say_what_they_were_made_from(h: History) -> None:
    table(h)
    h.see("rows", ["a", "a"])


@case(Cause.REDELIVERED, "duplicate-processing", "invoices")
def copies_of_one_input_under_two_producer_ids_by_an_app_without_a_ledger(h: History) -> None:
    pipeline(h, "a")
    h.processes.pop()
    h.see("invoices", ["a"], src=[0], producer=7)
    h.see("invoices", ["a"], src=[0], producer=8)


@case(Cause.UNTOLD, "sink-duplicate", "rows")
def rows_of_nothing_that_is_known_upstream(h: History) -> None:
    table(h)
    h.see("rows", ["a"], src=[0])
    h.see("rows", ["b", "b"])
    h.sources["rows"].lines.pop(0)
    h.sources["rows"].lines[0]["id"] = ["a", "a"]
    h.sources["orders"].lines.clear()


# -- repeated effects --------------------------------------------------------------------------------------------------


def billing(h: History, *writers: str, keys: tuple[str | None, str | None] = (None, None)) -> None:
    """Two calls for record a."""
    h.topic("orders", writers=["producer"])
    batch(h.process("producer#1/1", None), "orders", "a")
    h.see("orders", ["a"])
    h.service("billing", upstream="orders", writers=["processor"])
    for writer in dict.fromkeys(writers):
        h.process(writer)
    for writer, key in zip(writers, keys, strict=True):
        process = next(process for process in h.processes if process.name == h.name(writer))
        batch(process, "billing", "a", outcome="unknown")
        h.see("billing", ["a"], src=[0], writer=writer, idempotency_key=key)


@case(Cause.CALLED_AFTER_RESTART, "repeated-effect", "billing")
def calls_by_two_incarnations(h: History) -> None:
    billing(h, "processor#1/1", "processor#1/2", keys=("1", "2"))


@case(Cause.CALLED_BY_ANOTHER, "repeated-effect", "billing")
def calls_by_two_instances(h: History) -> None:
    billing(h, "processor#1/1", "processor#2/1")


@case(Cause.CALLED_AGAIN, "repeated-effect", "billing")
def calls_by_one_process(h: History) -> None:
    billing(h, "processor#1/1", "processor#1/1", keys=(None, "1"))


@case(Cause.KEY_FORGOTTEN, "repeated-effect", "billing")
def calls_with_one_idempotency_key(h: History) -> None:
    billing(h, "processor#1/1", "processor#1/2", keys=("1", "1"))


@case(Cause.UPSTREAM, "repeated-effect", "billing")
def calls_for_two_copies_upstream(h: History) -> None:
    billing(h, "processor#1/1", "processor#1/1")
    h.see("orders", ["a"])
    h.sources["billing"].lines[1]["src"] = [[h.name("orders"), 0, 1]]


@case(Cause.ABORTED_INPUT, "repeated-effect", "billing")
def calls_for_an_aborted_copy_too(h: History) -> None:
    billing(h, "processor#1/1", "processor#1/1")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)
    h.sources["billing"].lines[1]["src"] = [[h.name("orders"), 0, 1]]


@case(Cause.UNTOLD, "repeated-effect", "billing")
def calls_by_nobody_knows_whom(h: History) -> None:
    billing(h, "processor#1/1", "processor#1/1")
    for line in h.sources["billing"].lines:
        line["writer"] = [None]


# -- losses ------------------------------------------------------------------------------------------------------------


@case(Cause.NOT_IN_LOG, "lost-write", "orders")
def acknowledged_and_gone(h: History) -> None:
    batch(origin(h), "orders", "a")


@case(Cause.NOT_IN_LOG, "lost-write", "orders")
def a_hole_where_it_was_acknowledged(h: History) -> None:
    origin(h).batch({"orders": ["a", "b"]}, ack={"a": 0, "b": 1})
    h.sources["orders"].next[0] = 1
    h.see("orders", ["b"])


@case(Cause.TRUNCATED, "lost-write", "orders")
def acknowledged_at_an_offset_that_the_log_does_not_reach(h: History) -> None:
    origin(h).batch({"orders": ["a"]}, ack={"a": 0})


@case(Cause.TRUNCATED, "lost-write", "orders")
def another_record_stands_where_it_was_acknowledged(h: History) -> None:
    origin(h).batch({"orders": ["a"]}, ack={"a": 0})
    batch(h.process("producer#2/1", None), "orders", "b")
    h.see("orders", ["b"])


@case(Cause.PASSED_BY, "lost-write", "orders")
def readers_went_past_it(h: History) -> None:
    h.topic("orders", writers=["producer"], final_read=False)
    h.process("producer#1/1", None).batch({"orders": ["a", "b"]}, ack={"a": 0, "b": 1})
    h.process("reader#1/1").poll("orders", {"b": 1})


@case(Cause.ABORTED_AFTER_ALL, "lost-write", "orders")
def committed_and_aborted_all_the_same(h: History) -> None:
    batch(origin(h), "orders", "a", txn="t/1")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)


@case(Cause.NEVER_ACKNOWLEDGED, "lost-write", "orders")
def committed_without_an_acknowledgement(h: History) -> None:
    origin(h).batch({"orders": ["a"]}, txn="t/1")


@case(Cause.OFFSET_FIRST, "lost-processing", "invoices")
def offsets_before_sends_in_one_operation(h: History) -> None:
    pipeline(h, "a").batch({"invoices": ["a"]}, commit={"orders": 1}, offsets_first=True, outcome=None)


@case(Cause.OFFSET_FIRST, "lost-processing", "invoices")
def read_and_never_sent(h: History) -> None:
    pipeline(h, "a").poll("orders", {"a": 0})


@case(Cause.NOT_CONFIRMED, "lost-processing", "invoices")
def sends_before_offsets_and_not_confirmed(h: History) -> None:
    pipeline(h, "a").batch({"invoices": ["a"]}, commit={"orders": 1}, outcome="unknown")


@case(Cause.CONFIRMED_IN_VAIN, "lost-processing", "invoices")
def confirmed_and_not_there(h: History) -> None:
    batch(pipeline(h, "a"), "invoices", "a", txn="t/1")


@case(Cause.OUTPUT_ABORTED, "lost-processing", "invoices")
def aborted_and_gone_on_from(h: History) -> None:
    """The processor aborts, does not rewind, and commits what comes after."""
    pipeline(h, "a").batch({"invoices": ["a"]}, outcome="failed", txn="t/1")
    h.see("invoices", ["a"], src=[0], status="aborted", txn="t/1", marker=True)


@case(Cause.ABORTED_IN_VAIN, "lost-processing", "invoices")
def confirmed_and_aborted(h: History) -> None:
    batch(pipeline(h, "a"), "invoices", "a", txn="t/1")
    h.see("invoices", ["a"], src=[0], status="aborted", txn="t/1", marker=True)


@case(Cause.SKIPPED, "lost-processing", "invoices")
def never_even_read(h: History) -> None:
    pipeline(h, "a")


@case(Cause.PAST, "lost-processing", "invoices")
def by_a_processor_without_a_ledger(h: History) -> None:
    pipeline(h, "a")
    h.processes.pop()


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    histories = []
    for case in CASES:
        history = History(f"{case.build.__name__}.")
        case.build(history)
        histories.append(history)
    return audit(write(histories, tmp_path_factory.mktemp("causes")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.build.__name__)
def test_a_finding_says_why(case: Case, judged: Audit) -> None:
    place = f"{case.build.__name__}.{case.place}"
    (finding,) = [each for each in judged.findings if each.place == place and each.type == case.kind]
    assert finding.causes == {case.cause.value: 1}
    assert finding.samples[0]["cause"] == case.cause.value
    assert finding.samples[0]["id"] == "a"


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_its_history(cause: Cause) -> None:
    assert any(case.cause is cause for case in CASES)


def test_a_duplicate_shows_the_batches_that_it_stands_in(tmp_path: Path) -> None:
    history = History()
    one_operation_two_epochs(history)
    (finding,) = history.audit(tmp_path).findings
    assert finding.samples == (
        {
            "id": "a",
            "positions": [[0, 0], [0, 1]],
            "batches": [[0, 0, 7, 0, 5], [0, 1, 7, 1, 0]],
            "cause": Cause.CLIENT.value,
            "operations": ["producer#1/1:1"],
        },
    )


def test_a_row_shows_who_wrote_it(tmp_path: Path) -> None:
    history = History()
    rows_by_two_incarnations(history)
    (finding,) = history.audit(tmp_path).findings
    assert finding.samples[0]["written_by"] == ["sink#1/1", "sink#1/2"]
    assert finding.samples[0]["positions"] == [[0, 1], [0, 2]]


def test_a_loss_shows_what_stands_there_instead(tmp_path: Path) -> None:
    history = History()
    another_record_stands_where_it_was_acknowledged(history)
    (finding,) = [each for each in history.audit(tmp_path).findings if each.type == "lost-write"]
    assert finding.samples[0]["acknowledged"] == [[0, 0]]
    assert finding.samples[0]["instead"] == ["b"]


def test_a_loss_shows_its_aborted_output(tmp_path: Path) -> None:
    history = History()
    aborted_and_gone_on_from(history)
    (finding,) = [each for each in history.audit(tmp_path).findings if each.type == "lost-processing"]
    assert finding.samples[0]["upstream"] == [[0, 0]]
    assert finding.samples[0]["committed"] == [[0, 1]]
    assert finding.samples[0]["aborted"] == [[0, 0]]
