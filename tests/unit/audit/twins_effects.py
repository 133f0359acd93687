"""Twins of effects outside of Kafka, of checksums, and of offsets that are ahead of their outputs."""

from __future__ import annotations

from tests.unit.audit.histories import History, Process
from tests.unit.audit.twins import invoices, orders, rows, twin


def billed(h: History, *ids: str, kind: str = "service") -> Process:
    """Orders that a processor turns into invoices, each after a call of `billing`; returns the processor."""
    orders(h, *ids)
    h.topic("invoices", upstream="orders", writers=["processor"])
    declare = h.service if kind == "service" else h.mailbox
    declare("billing", upstream="orders", writers=["processor"])
    return h.process("processor#1/1")


def attempt(
    h: History,
    processor: Process,
    *ids: str,
    txn: str = "t/1",
    epoch: int = 0,
    outcome: str | None = "ok",
    call: str = "accepted",
    key: str | None = None,
) -> None:
    """One transaction: a call a record, then the invoices.

    Args:
        outcome: ok: committed. failed: aborted, and the log says so. None: nothing of it reached Kafka.
        call: accepted, answered (from what the service remembers), or none.
    """
    announced = {"invoices": list(ids)} | ({"billing": list(ids)} if call != "none" else {})
    processor.batch(announced, ack=ids if outcome == "ok" else (), outcome=outcome, txn=txn)
    if call != "none":
        writer = processor.name.removeprefix(h.prefix)
        src = list(range(len(ids)))
        accepted = call == "accepted"
        h.see("billing", ids, src=src, writer=writer, txn=txn, idempotency_key=key, accepted=accepted)
    if outcome is not None:
        status = "committed" if outcome == "ok" else "aborted"
        h.see("invoices", ids, src=list(range(len(ids))), status=status, epoch=epoch, txn=txn, marker=True)


# -- repeated-effect, missing-effect -----------------------------------------------------------------------------------


@twin("repeated-effect", "billing", also={("billing", "orphan-effect"): 1})
def the_service_had_forgotten_the_first_call_or_remembered_it(h: History, guilty: bool) -> None:
    """The processor was replaced after its call and before its commit."""
    first = billed(h, "a")
    attempt(h, first, "a", txn="t/1", outcome="failed", key=None if guilty else "a")
    second = h.process("processor#1/2")
    call = "accepted" if guilty else "answered"
    attempt(h, second, "a", txn="t/2", epoch=1, call=call, key=None if guilty else "a")


@twin("repeated-effect", "billing")
def two_messages_of_one_record_or_of_two(h: History, guilty: bool) -> None:
    attempt(h, billed(h, "a", "b", kind="mailbox"), "a", "b")
    if guilty:
        h.see("billing", ["b"], src=[1], writer="processor#1/1", txn="t/1")


@twin("missing-effect", "billing")
def a_processed_record_was_billed_or_not(h: History, guilty: bool) -> None:
    processor = billed(h, "a")
    attempt(h, processor, "a", call="none" if guilty else "accepted")


@twin("missing-effect", "billing")
def a_call_was_accepted_or_mistaken_for_another_one(h: History, guilty: bool) -> None:
    """One idempotency key for two records: the service answers for the first one."""
    processor = billed(h, "a", "b")
    attempt(h, processor, "a", key="same", txn="t/1")
    call = "answered" if guilty else "accepted"
    attempt(h, processor, "b", key="same" if guilty else "other", txn="t/2", call=call)


@twin("missing-effect", "billing", innocent={("billing", "stalled"): 1})
def the_group_is_past_the_record_that_was_not_billed_or_not(h: History, guilty: bool) -> None:
    processor = billed(h, "a", "b")
    attempt(h, processor, "a")
    attempt(h, processor, "b", txn="t/2", call="none")
    h.committed["billing", 0] = 2 if guilty else 1


# -- orphan-effect -----------------------------------------------------------------------------------------------------


@twin("orphan-effect", "billing", also={("invoices", "lost-processing"): 1, ("invoices", "offset-ahead-of-output"): 1})
def the_transaction_of_a_call_was_aborted_or_committed(h: History, guilty: bool) -> None:
    attempt(h, billed(h, "a"), "a", outcome="failed" if guilty else "ok")


@twin("orphan-effect", "billing", also={("billing", "repeated-effect"): 1})
def another_transactions_call_had_an_effect_of_its_own_or_was_answered_from_this_one(h: History, guilty: bool) -> None:
    processor = billed(h, "a")
    attempt(h, processor, "a", txn="t/1", outcome="failed", key="1")
    call = "accepted" if guilty else "answered"
    attempt(h, processor, "a", txn="t/2", epoch=1, call=call, key="2" if guilty else "1")


@twin(
    "orphan-effect", "billing", also={("billing", "repeated-effect"): 1}, innocent={("billing", "repeated-effect"): 1}
)
def a_transaction_that_never_ended_left_nothing_in_the_log_or_may_be_the_one_there(h: History, guilty: bool) -> None:
    """Two incarnations count their transactions from the beginning. Of which one is the one in the log?"""
    first = billed(h, "a")
    attempt(h, first, "a", outcome=None)
    second = h.process("processor#1/2")
    attempt(h, second, "a", epoch=1)
    if not guilty:
        second.lines[-1]["outcome"] = "unknown"


@twin(
    "orphan-effect", "billing", innocent={("billing", "repeated-effect"): 1}, also={("billing", "repeated-effect"): 1}
)
def the_topics_of_a_transaction_without_an_end_were_read_whole_or_say_who_wrote_them_or_not(
    h: History, guilty: bool
) -> None:
    first = billed(h, "a")
    attempt(h, first, "a", txn="t/1", outcome=None)
    attempt(h, h.process("processor#1/2"), "a", txn="t/2", epoch=1)
    if not guilty:
        h.sources["invoices"].lines[0]["txn"] = [None]


@twin("orphan-effect", "rows")
def a_row_was_made_from_an_aborted_record_or_from_a_committed_one(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["a"]}, outcome="failed" if guilty else "ok", txn="t/1")
    h.see("orders", ["a"], status="aborted" if guilty else "committed", txn="t/1", marker=True)
    rows(h).batch({"rows": ["a"]}, ack=["a"])
    h.see("rows", ["a"], src=[0], writer="sink#1/1")


@twin("orphan-effect", "rows")
def its_record_stands_upstream_only_aborted_or_committed_too(h: History, guilty: bool) -> None:
    producer = orders(h)
    producer.batch({"orders": ["a"]}, outcome="failed", txn="t/1")
    h.see("orders", ["a"], status="aborted", txn="t/1", marker=True)
    if not guilty:
        producer.batch({"orders": ["a"]}, txn="t/2")
        h.see("orders", ["a"], status="committed", txn="t/2", marker=True)
    rows(h).batch({"rows": ["a"]}, ack=["a"])
    h.see("rows", ["a"], src=[0], writer="sink#1/1")


# -- regressed-effect --------------------------------------------------------------------------------------------------


def latest(h: History, *writers: str) -> None:
    """Orders 0 and 1 of one key, each by its writer, of which a table keeps the latest one."""
    h.topic("orders", writers=["producer"])
    for number, writer in enumerate(writers):
        known = [process for process in h.processes if process.name == h.name(writer)]
        (known or [h.process(writer, None)])[0].batch({"orders": [f"k{number}"]}, ack={f"k{number}": number})
    h.see("orders", ["k0", "k1"], key=["k", "k"], seq=[0, 1])
    h.table("rows", upstream="orders", writers=["sink"])
    h.process("sink#1/1").batch({"rows": ["k0", "k1"]}, ack=["k0", "k1"])


@twin("regressed-effect", "rows")
def an_older_value_was_written_over_a_newer_one_or_the_same_one_again(h: History, guilty: bool) -> None:
    latest(h, "producer#1/1", "producer#1/1")
    h.wrote("rows", "k0", 0)
    h.wrote("rows", "k1", 1, over=("k0", 0))
    again = 0 if guilty else 1
    h.wrote("rows", f"k{again}", again, over=("k1", 1))
    h.see("rows", [f"k{again}"], key=["k"], seq=[again], src=[again], writer="sink#1/1")


@twin("regressed-effect", "rows")
def one_producer_sent_both_or_each_one_of_them(h: History, guilty: bool) -> None:
    latest(h, "producer#1/1", "producer#1/2" if guilty else "producer#2/1")
    h.wrote("rows", "k1", 1)
    h.wrote("rows", "k0", 0, over=("k1", 1))
    h.see("rows", ["k0"], key=["k"], seq=[0], src=[0], writer="sink#1/1")


@twin("sink-loss", "rows")
def it_was_never_written_or_its_row_was_overwritten_since(h: History, guilty: bool) -> None:
    latest(h, "producer#1/1", "producer#1/1")
    if not guilty:
        h.wrote("rows", "k0", 0)
    h.wrote("rows", "k1", 1, over=(None, None) if guilty else ("k0", 0))
    h.see("rows", ["k1"], key=["k"], seq=[1], src=[1], writer="sink#1/1")


# -- corrupt, offset-ahead-of-output -----------------------------------------------------------------------------------


@twin("corrupt", "orders")
def its_checksum_does_not_match_or_it_has_none(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a"]}, ack=["a"])
    h.see("orders", ["a"], intact=[False if guilty else None])


@twin("corrupt", "orders")
def what_does_not_match_is_committed_or_aborted(h: History, guilty: bool) -> None:
    orders(h).batch({"orders": ["a"]}, outcome="unknown", txn="t/1")
    h.see("orders", ["a"], intact=[False], status="committed" if guilty else "aborted", txn="t/1", marker=True)


@twin("offset-ahead-of-output", "invoices", innocent={("invoices", "stalled"): 1})
def the_offset_is_past_a_record_whose_output_is_open_or_it_is_not(h: History, guilty: bool) -> None:
    """It is not lost yet, but nothing will make it anew if the transaction is aborted."""
    orders(h, "a")
    invoices(h).batch({"invoices": ["a"]}, outcome=None, txn="t/1")
    h.see("invoices", ["a"], src=[0], status="open", txn="t/1")
    h.open("invoices", first_pos=0, age_ms=1_000, timeout_ms=60_000)
    h.committed["invoices", 0] = 1 if guilty else 0


@twin(
    "offset-ahead-of-output",
    "invoices@read_uncommitted",
    also={
        ("invoices", "offset-ahead-of-output"): 1,
        ("invoices", "lost-processing"): 1,
        ("invoices@read_uncommitted", "lost-processing"): 1,
    },
    innocent={("invoices", "offset-ahead-of-output"): 1},
)
def at_read_uncommitted_there_is_no_output_or_an_open_one(h: History, guilty: bool) -> None:
    orders(h, "a")
    invoices(h).batch({"invoices": ["a"]}, outcome=None, txn="t/1")
    h.uncommitted("invoices")
    if not guilty:
        h.see("invoices", ["a"], src=[0], status="open", txn="t/1")
        h.open("invoices", first_pos=0, age_ms=1_000, timeout_ms=60_000)
