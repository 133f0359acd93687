"""For every type the smallest history that shows it, and its nearest neighbour that does not.

The neighbour differs by one fact, and it is that fact that the proof stands on. All are judged in one folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.audit import audit
from harness.model import Anomaly, Audit
from tests.unit.audit import twins_effects, twins_polls
from tests.unit.audit.histories import History, found, write
from tests.unit.audit.twins import TWINS, Twin, invoices, lost, orders, rows, twin

assert twins_effects, twins_polls  # imported for the pairs that they declare


# -- duplicate ---------------------------------------------------------------------------------------------------------


@twin("duplicate", "orders")
def one_id_at_two_positions_or_two_ids(h: History, guilty: bool) -> None:
    producer = orders(h, "a")
    again = "a" if guilty else "b"
    producer.batch({"orders": [again]}, ack=[again])
    h.see("orders", [again])


@twin("duplicate", "orders")
def both_copies_committed_or_one_aborted(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["a"]}, outcome="ok" if guilty else "failed", txn="t/1")
    producer.batch({"orders": ["a"]}, txn="t/2")
    h.see("orders", ["a"], status="committed" if guilty else "aborted", txn="t/1", marker=True)
    h.see("orders", ["a"], status="committed", txn="t/2", marker=True)


@twin("duplicate", "orders")
def an_unknown_send_that_happened_twice_or_once(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["a"]}, outcome="unknown")
    producer.batch({"orders": ["a"]}, outcome=None)
    h.see("orders", ["a"])
    if guilty:
        h.see("orders", ["a"])


@twin("duplicate", "orders")
def in_two_partitions_of_one_topic_or_of_two(h: History, guilty: bool) -> None:
    producer = orders(h, "a")
    h.topic("others", writers=["producer"])
    place = "orders" if guilty else "others"
    producer.batch({place: ["a"]}, ack={"a": (1, 0)})
    h.see(place, ["a"], part=1)


@twin("duplicate", "invoices", also={("invoices", "duplicate-processing"): 1})
def more_copies_than_the_fan_out_or_as_many(h: History, guilty: bool) -> None:
    orders(h, "a")
    copies = ["a"] * (3 if guilty else 2)
    processor = invoices(h, least=2, most=2)
    processor.batch({"invoices": copies}, ack=["a"])
    h.see("invoices", copies, src=[0] * len(copies))


# -- lost-write --------------------------------------------------------------------------------------------------------


@twin("lost-write", "orders")
def a_missing_record_was_acknowledged_or_not(h: History, guilty: bool) -> None:
    orders(h, "a").batch({"orders": ["b"]}, ack=["b"] if guilty else [], outcome="unknown")


@twin("lost-write", "orders")
def a_missing_records_operation_never_ended_after_its_acknowledgement_or_without(h: History, guilty: bool) -> None:
    """An acknowledgement counts by itself, whatever became of the rest of its operation."""
    producer = orders(h, "a")
    producer.operation([{"send": h.name("orders"), "id": ["b"]}], outcome=None)
    if guilty:
        end = {"ack": h.name("orders"), "id": ["b"], "part": [0], "pos": [1]}
        producer.lines.append({"end": producer.operations, "outcome": "unknown", "at": 3, "do": [end]})


@twin("lost-write", "orders")
def a_missing_records_commit_returned_or_not(h: History, guilty: bool) -> None:
    orders(h, "a").batch({"orders": ["b"]}, ack=["b"], outcome="ok" if guilty else "unknown", txn="t/1")


@twin("lost-write", "orders")
def an_aborted_records_commit_returned_or_its_abort(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a"]}, ack=["a"], outcome="ok" if guilty else "failed", txn="t/1")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)


@twin("lost-write", "orders")
def nowhere_or_behind_an_open_transaction(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["x"]}, txn="t/1", outcome=None)
    producer.batch({"orders": ["a"]}, ack=["a"])
    h.see("orders", ["x"], status="open", txn="t/1")
    h.open("orders", first_pos=0, age_ms=1_000, timeout_ms=60_000)
    if not guilty:
        h.see("orders", ["a"], producer=2)


# -- G1a ---------------------------------------------------------------------------------------------------------------


@twin("G1a", "orders")
def polled_where_it_was_aborted_or_where_it_was_committed(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["a"]}, outcome="failed", txn="t/1")
    producer.batch({"orders": ["a"]}, txn="t/2")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)
    h.see("orders", ["a"], status="committed", txn="t/2", marker=True)
    h.process("reader#1/1").poll("orders", {"a": 0 if guilty else 2})


@twin("G1a", "orders")
def a_polled_send_certainly_failed_or_may_have_happened(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a"]}, outcome="failed" if guilty else "unknown")
    h.process("reader#1/1").poll("orders", {"a": 0})


@twin("G1a", "orders")
def every_send_of_it_failed_or_all_but_one(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["a"]}, outcome="failed")
    producer.batch({"orders": ["a"]}, outcome="failed" if guilty else "unknown")
    h.process("reader#1/1").poll("orders", {"a": 0})


@twin("G1a", "orders")
def the_poll_was_ok_or_unknown(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a"]}, outcome="failed", txn="t/1")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)
    h.process("reader#1/1").poll("orders", {"a": 0}, outcome="ok" if guilty else "unknown")


@twin("G1a", "orders@read_uncommitted")
def the_reader_of_an_aborted_record_was_at_this_isolation_level_or_read_nothing(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a"]}, outcome="failed", txn="t/1")
    h.uncommitted("orders")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)
    h.process("reader#1/1", "read_uncommitted").poll("orders", {"a": 0} if guilty else {})


@twin("G1a", "orders")
def a_failed_operation_had_it_acknowledged_or_not(h: History, guilty: bool) -> None:
    """An acknowledgement contradicts the failure, so the send did not certainly fail."""
    orders(h).batch({"orders": ["a"]}, ack=[] if guilty else ["a"], outcome="failed")
    h.process("reader#1/1").poll("orders", {"a": 0})


@twin("G1a", "orders@read_uncommitted", innocent={("orders", "G1a"): 1})
def a_reader_that_names_no_isolation_level_has_kafkas_default(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a"]}, outcome="failed", txn="t/1")
    h.uncommitted("orders")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)
    h.process("reader#1/1", None if guilty else "read_committed").poll("orders", {"a": 0})


# -- phantom -----------------------------------------------------------------------------------------------------------


@twin("phantom", "orders")
def nobody_tried_to_send_it_or_somebody_in_vain(h: History, guilty: bool) -> None:
    producer = orders(h, "a")
    if not guilty:
        producer.batch({"orders": ["b"]}, outcome="failed")
    h.see("orders", ["b"])


@twin("phantom", "orders")
def it_was_sent_elsewhere_or_here(h: History, guilty: bool) -> None:
    producer = orders(h, "a")
    h.topic("others", writers=["producer"])
    producer.batch({"others" if guilty else "orders": ["b"]}, outcome="unknown")
    h.see("orders", ["b"])


@twin("phantom", "orders")
def an_unsent_record_is_visible_or_aborted(h: History, guilty: bool) -> None:
    orders(h, "a")
    h.see("orders", ["b"], status="committed" if guilty else "aborted", txn="t/1", marker=True)


@twin("phantom", "rows")
def a_row_that_no_sink_wrote_or_one_that_may_have_been(h: History, guilty: bool) -> None:
    orders(h, "a")
    sink = rows(h, "a")
    if not guilty:
        sink.batch({"rows": ["b"]}, outcome=None)
    h.see("rows", ["b"], writer="sink#1/1")


# -- duplicate-processing ----------------------------------------------------------------------------------------------


@twin(
    "duplicate-processing",
    "invoices",
    also={("invoices", "duplicate"): 1},
    innocent={("orders", "duplicate"): 1, ("invoices", "duplicate"): 1},
)
def two_outputs_of_one_input_or_of_two(h: History, guilty: bool) -> None:
    """An input that stands twice was made a duplicate upstream; processing each copy once is right."""
    producer = orders(h, "a")
    if not guilty:
        producer.batch({"orders": ["a"]}, ack=["a"])
        h.see("orders", ["a"])
    processor = invoices(h, "a")
    processor.batch({"invoices": ["a"]}, ack=["a"])
    h.see("invoices", ["a"], src=[0 if guilty else 1])


@twin("duplicate-processing", "invoices", also={("invoices", "duplicate"): 1})
def both_outputs_committed_or_one_aborted(h: History, guilty: bool) -> None:
    orders(h, "a")
    processor = invoices(h)
    processor.batch({"invoices": ["a"]}, outcome="unknown" if guilty else "failed", txn="t/1")
    processor.batch({"invoices": ["a"]}, txn="t/2")
    h.see("invoices", ["a"], src=[0], status="committed" if guilty else "aborted", txn="t/1", marker=True)
    h.see("invoices", ["a"], src=[0], status="committed", txn="t/2", marker=True)


@twin("duplicate-processing", "invoices")
def outputs_with_ids_of_their_own_name_one_input_or_two(h: History, guilty: bool) -> None:
    orders(h, "a", "b")
    processor = invoices(h, least=0)
    processor.batch({"invoices": ["x", "y"]}, ack=["x", "y"])
    h.see("invoices", ["x", "y"], src=[0, 0 if guilty else 1])


@twin("duplicate-processing", "invoices", also={("invoices", "duplicate"): 1})
def outputs_that_do_not_name_their_input_are_counted_by_id(h: History, guilty: bool) -> None:
    orders(h, "a", "b")
    processor = invoices(h)
    outputs = ["a", "b", "a"] if guilty else ["a", "b"]
    processor.batch({"invoices": outputs}, ack=outputs)
    h.see("invoices", outputs)


@twin(
    "duplicate-processing",
    "invoices",
    also={("orders", "duplicate"): 1, ("invoices", "duplicate"): 1},
    innocent={("orders", "duplicate"): 1, ("invoices", "duplicate"): 1},
)
def of_two_inputs_one_was_processed_twice_or_each_once(h: History, guilty: bool) -> None:
    producer = orders(h, "a")
    producer.batch({"orders": ["a"]}, ack=["a"])
    h.see("orders", ["a"])
    invoices(h).batch({"invoices": ["a", "a"]}, ack=["a"])
    h.see("invoices", ["a", "a"], src=[0, 0 if guilty else 1])


@twin(
    "duplicate-processing",
    "invoices",
    also={("orders", "duplicate"): 1, ("invoices", "duplicate"): 1},
    innocent={("orders", "duplicate"): 1, ("invoices", "duplicate"): 1},
)
def positions_of_this_place_or_of_another_are_named(h: History, guilty: bool) -> None:
    producer = orders(h, "a")
    producer.batch({"orders": ["a"]}, ack=["a"])
    h.see("orders", ["a"])
    invoices(h).batch({"invoices": ["a", "a"]}, ack=["a"])
    named = (h.name("orders" if guilty else "elsewhere"), 0, 0)
    h.see("invoices", ["a", "a"], src=[named, named])


@twin(
    "duplicate-processing",
    "invoices",
    also={("invoices", "duplicate"): 1},
    innocent={("orders", kind): 1 for kind in ("lost-write", "inconsistent-offsets", "nonmonotonic-send")},
)
def two_outputs_of_a_record_or_of_two_that_stood_at_one_position(h: History, guilty: bool) -> None:
    """The log was truncated after a had been processed; then b was written where a had been."""
    producer = orders(h)
    first = "b" if guilty else "a"
    producer.batch({"orders": [first]}, ack={first: 0})
    producer.batch({"orders": ["b"]}, ack={"b": 0})
    h.see("orders", ["b"])
    invoices(h).batch({"invoices": ["a", "b"]}, ack=[first, "b"])
    h.see("invoices", [first, "b"], src=[0, 0])


# -- lost-processing ---------------------------------------------------------------------------------------------------


@twin("lost-processing", "invoices", also=lost())
def no_output_or_one(h: History, guilty: bool) -> None:
    orders(h, "a", "b")
    invoices(h, *(["a"] if guilty else ["a", "b"]))


@twin("lost-processing", "invoices", also=lost(), innocent={("invoices", "stalled"): 1})
def the_offset_is_past_it_or_not(h: History, guilty: bool) -> None:
    """What the group has not come to yet is late, not lost."""
    orders(h, "a", "b")
    invoices(h, "a")
    h.committed["invoices", 0] = 2 if guilty else 1


@twin("lost-processing", "invoices", also=lost(), innocent=lost())
def its_output_is_aborted_or_open(h: History, guilty: bool) -> None:
    orders(h, "a")
    invoices(h).batch({"invoices": ["a"]}, outcome="unknown", txn="t/1")
    h.see("invoices", ["a"], src=[0], status="aborted" if guilty else "open", txn="t/1")
    if not guilty:
        h.open("invoices", first_pos=0, age_ms=1_000, timeout_ms=60_000)


@twin("lost-processing", "invoices", also=lost())
def fewer_outputs_than_the_fan_out_or_as_many(h: History, guilty: bool) -> None:
    orders(h, "a")
    outputs = ["a.1"] if guilty else ["a.1", "a.2"]
    invoices(h, least=2, most=2).batch({"invoices": outputs}, ack=outputs)
    h.see("invoices", outputs, src=[0] * len(outputs))


@twin(
    "lost-processing",
    "invoices",
    also={("orders", "duplicate"): 1} | lost(),
    innocent={("orders", "duplicate"): 1},
)
def a_record_that_stands_twice_upstream_has_no_output_or_one(h: History, guilty: bool) -> None:
    """One record is one id: a processor that drops duplicates loses nothing."""
    producer = orders(h, "a", "b")
    producer.batch({"orders": ["a"]}, ack=["a"])
    h.see("orders", ["a"])
    invoices(h).batch({"invoices": ["b"] if guilty else ["b", "a"]}, ack=["a", "b"])
    h.see("invoices", ["b"], src=[1])
    if not guilty:
        h.see("invoices", ["a"], src=[2])


@twin(
    "lost-processing",
    "invoices",
    also={("orders", "duplicate"): 1} | lost(),
    innocent={("orders", "duplicate"): 1, ("invoices", "stalled"): 1},
)
def the_offset_is_past_both_of_its_positions_or_past_one(h: History, guilty: bool) -> None:
    producer = orders(h, "a", "b")
    producer.batch({"orders": ["a"]}, ack=["a"])
    h.see("orders", ["a"])
    invoices(h).batch({"invoices": ["b"]}, ack=["b"])
    h.see("invoices", ["b"], src=[1])
    h.committed["invoices", 0] = 3 if guilty else 2


# -- torn-transaction --------------------------------------------------------------------------------------------------


@twin("torn-transaction", "orders")
def one_of_two_records_is_there_or_both(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a", "b"]}, outcome="unknown", txn="t/1")
    h.uncommitted("orders")
    h.see("orders", ["a"] if guilty else ["a", "b"], status="committed", txn="t/1", marker=True)


@twin("torn-transaction", "orders")
def one_of_two_records_is_there_or_none(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a", "b"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["a"], status="committed" if guilty else "aborted", txn="t/1", marker=True)


@twin("torn-transaction", "orders")
def the_other_record_is_aborted_or_open(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a", "b"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["a"], status="committed", txn="t/1", marker=True)
    h.see("orders", ["b"], part=1, status="aborted" if guilty else "open", txn="t/1")
    if not guilty:
        h.open("orders", part=1, first_pos=0, age_ms=1_000, timeout_ms=60_000)


@twin("torn-transaction", "others")
def the_part_at_another_topic_is_missing_or_there(h: History, guilty: bool) -> None:
    producer = orders(h)
    h.topic("others", writers=["producer"])
    producer.batch({"orders": ["a"], "others": ["b"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["a"], status="committed", txn="t/1", marker=True)
    if not guilty:
        h.see("others", ["b"], status="committed", txn="t/1", marker=True)


@twin("torn-transaction", "orders", also={("orders", "lost-write"): 1})
def a_commit_that_returned_left_a_record_out_or_not(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a", "b"]}, ack=["a"], txn="t/1")
    h.see("orders", ["a"] if guilty else ["a", "b"], status="committed", txn="t/1", marker=True)


@twin("torn-transaction", "orders")
def the_missing_record_was_announced_by_its_own_process_or_by_another(h: History, guilty: bool) -> None:
    """A restarted process may count its transactions from the beginning again."""
    first = orders(h)
    second = h.process("producer#1/2", None)
    first.batch({"orders": ["a", "b"] if guilty else ["a"]}, outcome="unknown", txn="t/1")
    second.batch({"orders": ["c", "d"]}, txn="t/1")
    h.see("orders", ["a"], status="committed", txn="t/1", marker=True)
    h.see("orders", ["c", "d"], status="committed", epoch=1, txn="t/1", marker=True)


@twin("torn-transaction", "orders", innocent={("orders", "phantom"): 1})
def all_that_is_committed_was_announced_or_more(h: History, guilty: bool) -> None:
    """What holds more than was announced is not the transaction that was announced."""
    orders(h).batch({"orders": ["a", "b"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["a"] if guilty else ["a", "z"], status="committed", txn="t/1", marker=True)


@twin("torn-transaction", "orders")
def every_process_that_has_such_a_transaction_announced_more_or_not(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a", "b"] if guilty else ["a"]}, outcome="unknown", txn="t/1")
    h.process("producer#1/2", None).batch({"orders": ["a", "b"]}, outcome=None, txn="t/1")
    h.see("orders", ["a"], status="committed", txn="t/1", marker=True)


@twin("torn-transaction", "orders", also={("others", "torn-transaction"): 1})
def missing_in_two_ways_at_two_topics_or_not_at_all(h: History, guilty: bool) -> None:
    producer = orders(h)
    h.topic("others", writers=["producer"])
    producer.batch({"orders": ["a", "b"], "others": ["c"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["a"], status="committed", txn="t/1", marker=True)
    h.see("orders", ["b"], part=1, status="aborted" if guilty else "committed", txn="t/1", marker=True)
    if not guilty:
        h.see("others", ["c"], status="committed", txn="t/1", marker=True)


@twin("torn-transaction", "mirror")
def a_record_that_only_carries_the_name_is_aborted_or_outside_of_any_transaction(h: History, guilty: bool) -> None:
    """Whoever copies records with all of their headers copies the transaction's name too."""
    producer = orders(h)
    h.topic("mirror", writers=["producer"])
    producer.batch({"orders": ["a"]}, txn="t/1")
    producer.batch({"mirror": ["b"]}, outcome="unknown")
    h.see("orders", ["a"], status="committed", txn="t/1", marker=True)
    h.see("mirror", ["b"], status="aborted" if guilty else "plain", txn="t/1")


# -- disorder ----------------------------------------------------------------------------------------------------------


def keyed(h: History, *sequences: int, producer: str = "producer#1/1", part: int = 0) -> None:
    """Records of one key, sent and seen in this order; the id is made of the sequence."""
    process = next((p for p in h.processes if p.name == h.name(producer)), None) or h.process(producer, None)
    ids = [f"k{sequence}" for sequence in sequences]
    process.batch({"orders": ids}, ack=ids)
    h.see("orders", ids, part=part, key=["k"] * len(ids), seq=sequences)


@twin("disorder", "orders")
def a_sequence_goes_back_or_leaves_one_out(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    keyed(h, 0, 2, 1 if guilty else 3)


@twin("disorder", "orders", innocent={("orders", "duplicate"): 2})
def a_sequence_goes_back_or_a_batch_is_repeated(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    keyed(h, 0, 1) if not guilty else keyed(h, 1, 0)
    if not guilty:
        keyed(h, 0, 1)


@twin("disorder", "orders")
def a_sequence_goes_back_or_stays(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    producer = h.process("producer#1/1", None)
    producer.batch({"orders": ["a", "b"]}, ack=["a", "b"])
    h.see("orders", ["a", "b"], key=["k", "k"], seq=[1, 0 if guilty else 1])


@twin("disorder", "orders")
def within_one_partition_or_over_two(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    keyed(h, 1)
    h.processes[0].batch({"orders": ["x"]}, ack=["x"])
    h.see("orders", ["x"], part=1)
    keyed(h, 0, part=0 if guilty else 1)


@twin("disorder", "orders")
def visible_or_behind_an_open_transaction(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    h.process("producer#1/1", None).batch({"orders": ["x"]}, outcome=None, txn="t/1")
    if not guilty:
        h.see("orders", ["x"], status="open", txn="t/1")
        h.open("orders", first_pos=0, age_ms=1_000, timeout_ms=60_000)
    keyed(h, 1, 0)


@twin("disorder", "orders")
def one_producer_or_two_sent_them(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    keyed(h, 1)
    keyed(h, 0, producer="producer#1/2" if guilty else "producer#2/1")


@twin("disorder", "invoices")
def behind_a_processor_too_one_producer_or_two_sent_them(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    keyed(h, 0)
    keyed(h, 1, producer="producer#1/2" if guilty else "producer#2/1")
    invoices(h).batch({"invoices": ["k1", "k0"]}, ack=["k1", "k0"])
    h.see("invoices", ["k1", "k0"], key=["k", "k"], seq=[1, 0], src=[1, 0])


@twin("disorder", "rows")
def rows_go_back_or_not(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    keyed(h, 0, 1)
    sink = rows(h)
    ids, seq = (["k1", "k0"], [1, 0]) if guilty else (["k0", "k1"], [0, 1])
    sink.batch({"rows": ids}, ack=ids)
    h.see("rows", ids, key=["k", "k"], seq=seq, writer="sink#1/1")


# -- sink-duplicate, sink-loss -----------------------------------------------------------------------------------------


@twin("sink-duplicate", "rows")
def one_record_in_two_rows_or_written_twice_into_one(h: History, guilty: bool) -> None:
    orders(h, "a")
    sink = rows(h, "a")
    sink.batch({"rows": ["a"]}, ack=["a"], outcome="unknown")
    if guilty:
        h.see("rows", ["a"], src=[0], writer="sink#1/1")


@twin("sink-loss", "rows")
def no_row_or_one(h: History, guilty: bool) -> None:
    orders(h, "a", "b")
    rows(h, *(["a"] if guilty else ["a", "b"]))


@twin("sink-loss", "rows", innocent={("rows", "stalled"): 1})
def the_sinks_offset_is_past_it_or_not(h: History, guilty: bool) -> None:
    orders(h, "a", "b")
    rows(h, "a")
    h.committed["rows", 0] = 2 if guilty else 1


@twin("sink-loss", "rows")
def the_record_without_a_row_is_committed_or_aborted(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["a"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["a"], status="committed" if guilty else "aborted", txn="t/1", marker=True)
    rows(h)


# -- hanging-transaction -----------------------------------------------------------------------------------------------


def unfinished(h: History, *, listed: bool = True, age_ms: int = 1_000, timeout_ms: int | None = 60_000) -> None:
    orders(h).batch({"orders": ["a"]}, outcome=None, txn="t/1")
    h.uncommitted("orders")
    h.see("orders", ["a"], status="open", txn="t/1")
    if listed:
        h.open("orders", first_pos=0, age_ms=age_ms, timeout_ms=timeout_ms)


@twin("hanging-transaction", "orders")
def no_coordinator_knows_it_or_one_does(h: History, guilty: bool) -> None:
    unfinished(h, timeout_ms=None if guilty else 60_000)


@twin("hanging-transaction", "orders")
def it_is_long_past_its_timeout_or_its_coordinator_has_still_to_look(h: History, guilty: bool) -> None:
    unfinished(h, age_ms=70_001 if guilty else 70_000)


@twin("hanging-transaction", "orders")
def nothing_accounts_for_what_is_not_stable_or_something_does(h: History, guilty: bool) -> None:
    unfinished(h, listed=not guilty)


@twin("hanging-transaction", "orders")
def an_old_transaction_holds_something_back_or_nothing(h: History, guilty: bool) -> None:
    orders(h, "a").batch({"orders": ["b"]}, outcome=None, txn="t/1")
    if guilty:
        h.see("orders", ["b"], status="open", txn="t/1")
    h.open("orders", first_pos=1 if guilty else None, age_ms=900_000, timeout_ms=60_000)


# -- stalled -----------------------------------------------------------------------------------------------------------


@twin("stalled", "invoices")
def a_record_or_an_aborted_one_is_behind_the_offset(h: History, guilty: bool) -> None:
    producer = orders(h, "a")
    producer.batch({"orders": ["b"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["b"], status="committed" if guilty else "aborted", txn="t/1", marker=True)
    invoices(h, "a")
    h.committed["invoices", 0] = 1


@twin("stalled", "invoices")
def a_group_that_never_committed_has_something_to_read_or_nothing(h: History, guilty: bool) -> None:
    orders(h, *(["a"] if guilty else []))
    invoices(h)
    h.committed["invoices", 0] = None


@twin("stalled", "rows", innocent={("orders", "hanging-transaction"): 1})
def the_late_record_can_be_read_or_is_behind_an_open_transaction(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["a"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["a"], status="committed" if guilty else "open", txn="t/1")
    if not guilty:
        h.open("orders", first_pos=0, timeout_ms=None)
    rows(h)
    h.committed["rows", 0] = 0


# -- the tests ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """All twins in one folder."""
    histories = []
    for each in TWINS:
        for guilty in (True, False):
            history = History(prefix_of(each, guilty))
            each.build(history, guilty)
            histories.append(history)
    result = audit(write(histories, tmp_path_factory.mktemp("twins")), cycles=True)
    assert not result.problems
    return result


def prefix_of(twin: Twin, guilty: bool) -> str:
    return f"{twin.build.__name__}-{guilty}."


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.id)
def test_the_guilty_one_is_found_and_the_innocent_one_is_not(twin: Twin, judged: Audit) -> None:
    assert found(judged, prefix_of(twin, True)) == twin.guilty
    assert found(judged, prefix_of(twin, False)) == twin.innocent


@pytest.mark.parametrize("kind", [kind for kind in Anomaly if kind is not Anomaly.EMPTY_HISTORY])  # test_evidence.py
def test_every_type_has_twins(kind: Anomaly) -> None:
    assert any(twin.kind == kind for twin in TWINS)


@pytest.mark.parametrize("name", ["an_old_transaction_holds_something_back_or_nothing", "no_output_or_one"])
def test_a_pair_alone_is_judged_as_it_is_among_the_others(name: str, tmp_path: Path) -> None:
    (twin,) = [twin for twin in TWINS if twin.build.__name__ == name]
    for guilty, expected in ((True, twin.guilty), (False, twin.innocent)):
        history = History()
        twin.build(history, guilty)
        assert history.audited(tmp_path / str(guilty)) == expected
