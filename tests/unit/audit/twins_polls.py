"""Twins of what polls and sends show by their order, with and without a final read."""

from __future__ import annotations

from tests.unit.audit.histories import History, Process
from tests.unit.audit.twins import twin

BIG = 2**63 - 1


def keys(h: History, *names: str, isolation: str = "read_committed") -> Process:
    """Topics that nobody reads at the end, as keys of a history in Jepsen's form; returns one that writes and reads."""
    for name in names:
        h.topic(name, writers=["client"], final_read=False)
    return h.process("client#1/1", isolation)


def sent(process: Process, place: str, ids: dict[str, int]) -> None:
    """One send a record, each acknowledged at its offset."""
    for id_, pos in ids.items():
        process.both({place: {id_: pos}})


# -- duplicate, lost-write, phantom, G1a without a final read ----------------------------------------------------------


@twin("duplicate", "x")
def polled_at_two_offsets_or_twice_at_one(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0})
    h.process("client#2/1").poll("x", {"a": 0})
    h.process("client#3/1").poll("x", {"a": 5 if guilty else 0}, outcome="unknown")


@twin("duplicate", "x")
def acknowledged_at_another_offset_than_it_was_polled_at_or_not(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    client.both({"x": {"a": 0}})
    h.process("client#2/1").poll("x", {"a": 4 if guilty else 0})


@twin("lost-write", "x", also={("x", "unseen"): 1, ("x", "int-poll-skip"): 1}, innocent={("x", "unseen"): 1})
def readers_went_past_it_or_stopped_before(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0, "b": 1, "c": 2})
    h.process("client#2/1").poll("x", {"a": 0, "c": 2} if guilty else {"a": 0, "b": 1})


@twin(
    "lost-write",
    "x",
    also={("x", "unseen"): 1, ("x", "int-poll-skip"): 1},
    innocent={("x", "int-poll-skip"): 1},
)
def a_record_that_readers_went_past_was_confirmed_or_may_not_have_been_sent(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0, "c": 2})
    h.process("client#4/1").both({"x": {"b": 1}}, outcome="ok" if guilty else "unknown", txn="t/1")
    h.process("client#2/1").poll("x", {"a": 0, "c": 2})
    if not guilty:  # somebody saw it, but in a poll that was not worked on
        h.process("client#3/1").poll("x", {"b": 1}, outcome="unknown")


@twin("lost-write", "x", also={("x", "int-poll-skip"): 1})
def an_unknown_transaction_must_have_committed_since_another_record_of_it_was_read_or_may_not_have(
    h: History, guilty: bool
) -> None:
    client = keys(h, "x", "y")
    sent(client, "x", {"a": 0, "c": 2})
    h.process("client#4/1").both({"x": {"b": 1}, "y": {"d": 0}}, outcome="unknown", txn="t/1")
    h.process("client#2/1").poll("x", {"a": 0, "c": 2})
    if guilty:
        h.process("client#3/1").poll("y", {"d": 0})


@twin("phantom", "x")
def polled_and_never_sent_or_sent_for_all_anyone_knows(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0})
    if not guilty:
        client.both({"x": {"b": -1}}, outcome="unknown", txn="t/1")
    h.process("client#2/1").poll("x", {"a": 0, "b": 1})


@twin("G1a", "x")
def polled_what_failed_or_what_may_have_happened(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    client.batch({"x": ["a"]}, outcome="failed" if guilty else "unknown", txn="t/1")
    h.process("client#2/1").poll("x", {"a": 0})


# -- inconsistent-offsets ----------------------------------------------------------------------------------------------


@twin("inconsistent-offsets", "x")
def two_records_at_one_offset_or_at_two(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    client.batch({"x": ["a"]}, outcome="unknown", txn="t/1")
    h.process("client#4/1").batch({"x": ["b"]}, outcome="unknown", txn="t/2")
    h.process("client#2/1").poll("x", {"a": 7})
    h.process("client#3/1").poll("x", {"b": 7 if guilty else 8}, outcome="unknown")


@twin("inconsistent-offsets", "x", also={("x", "unseen"): 1, ("x", "lost-write"): 1})
def an_offset_that_was_acknowledged_holds_another_record_or_may_never_have_held_it(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    client.both({"x": {"a": 0}}, outcome="ok" if guilty else "unknown", txn="t/1")
    h.process("client#4/1").batch({"x": ["b"]}, outcome="unknown", txn="t/2")
    h.process("client#2/1").poll("x", {"b": 0})


@twin(
    "inconsistent-offsets",
    "orders",
    also={("orders", "lost-write"): 1},
    innocent={("orders", "lost-write"): 1},
)
def the_log_was_truncated_and_grew_again_or_not(h: History, guilty: bool) -> None:
    """An acknowledged record is gone; guilty: another one stands where it was acknowledged."""
    h.topic("orders", writers=["producer"])
    h.process("producer#1/1", None).batch({"orders": ["a"]}, ack={"a": 0})
    if guilty:
        h.process("producer#2/1", None).batch({"orders": ["b"]}, ack={"b": 0})
        h.see("orders", ["b"])


# -- unseen ------------------------------------------------------------------------------------------------------------


@twin("unseen", "x")
def no_ok_poll_returned_it_or_one_did(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0})
    h.process("client#2/1").poll("x", {"a": 0}, outcome="unknown" if guilty else "ok")


@twin("unseen", "x")
def a_record_nobody_polled_was_confirmed_or_unknown(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    client.both({"x": {"a": 0}}, outcome="ok" if guilty else "unknown", txn="t/1")


# -- precommitted-read -------------------------------------------------------------------------------------------------


@twin("precommitted-read", "x")
def a_transaction_polled_its_own_record_or_another_ones(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0})
    client.both({"x": {"b": 1}}, client.polled("x", {"b": 1} if guilty else {"a": 0}), txn="t/1")
    h.process("client#2/1").poll("x", {"a": 0, "b": 1})


@twin("precommitted-read", "x")
def it_was_inside_of_a_transaction_or_of_none(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    client.both({"x": {"a": 0}}, client.polled("x", {"a": 0}), txn="t/1" if guilty else None)


@twin("precommitted-read", "x")
def nobody_else_had_sent_it_or_an_earlier_attempt_had(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    if not guilty:
        client.batch({"x": ["a"]}, outcome="unknown", txn="t/0")
    client.both({"x": {"a": -1}}, client.polled("x", {"a": 0}), txn="t/1")


# -- inside of one operation: polls ------------------------------------------------------------------------------------


@twin("int-poll-skip", "x")
def polls_leave_a_known_record_out_or_a_hole(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0, "c": BIG})
    if guilty:
        sent(h.process("client#4/1"), "x", {"b": 2**40})
    h.process("client#2/1").poll("x", {"a": 0, "c": BIG})
    if guilty:
        h.process("client#3/1").poll("x", {"b": 2**40})


@twin("int-poll-skip", "x")
def what_is_left_out_was_seen_by_a_poll_of_any_outcome_or_by_none(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0, "c": 2})
    h.process("client#4/1").batch({"x": ["b"]}, outcome="unknown", txn="t/1")
    h.process("client#2/1").poll("x", {"a": 0, "c": 2})
    if guilty:
        h.process("client#3/1").poll("x", {"b": 1}, outcome="failed")


@twin("int-poll-skip", "x")
def polls_skip_by_themselves_or_after_a_rebalance(h: History, guilty: bool) -> None:
    client = keys(h, "x", "y")
    sent(client, "x", {"a": 0, "b": 1, "c": 2})
    sent(client, "y", {"d": 0})
    h.process("client#2/1").poll("x", {"b": 1})
    reader = h.process("client#3/1")
    rebalanced = reader.assigned("y" if guilty else "x", how="rebalance", part=None)
    reader.both({}, reader.polled("x", {"a": 0}), rebalanced, reader.polled("x", {"c": 2}))
    reader.poll("y", {"d": 0})


@twin("int-nonmonotonic-poll", "x")
def polls_go_back_or_on(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0, "b": 1})
    reader = h.process("client#2/1")
    first, second = ({"b": 1}, {"a": 0}) if guilty else ({"a": 0}, {"b": 1})
    reader.both({}, reader.polled("x", first), reader.polled("x", second), outcome="unknown" if guilty else "ok")
    if guilty:
        h.process("client#3/1").poll("x", {"a": 0, "b": 1})


@twin("int-nonmonotonic-poll", "x")
def one_operation_polls_again_or_two_do(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    sent(client, "x", {"a": 0})
    reader = h.process("client#2/1")
    reader.poll("x", [("a", 0)] * (2 if guilty else 1))
    h.process("client#3/1").poll("x", {"a": 0})


@twin("int-nonmonotonic-poll", "orders")
def a_reader_that_went_back_is_of_this_isolation_level_or_a_record_stands_twice(h: History, guilty: bool) -> None:
    h.topic("orders", writers=["producer"])
    h.process("producer#1/1", None).batch({"orders": ["a", "b"]}, ack={"a": 0, "b": 1})
    h.see("orders", ["a", "b"])
    h.process("reader#1/1").poll("orders", [("a", 0), ("b", 1), *([("a", 0)] if guilty else [])])


# -- between operations: polls -----------------------------------------------------------------------------------------


def reading(h: History, *ids: str) -> Process:
    """A key with records at offsets 0, 1, …, polled by somebody else, and a reader to which it is assigned."""
    client = keys(h, "x", "y")
    sent(client, "x", {id_: pos for pos, id_ in enumerate(ids)})
    h.process("client#2/1").poll("x", {id_: pos for pos, id_ in enumerate(ids)})
    reader = h.process("client#3/1")
    reader.assign("x")
    return reader


@twin("poll-skip", "x")
def the_next_poll_leaves_one_out_or_none(h: History, guilty: bool) -> None:
    reader = reading(h, "a", "b", "c")
    reader.poll("x", {"a": 0} if guilty else {"a": 0, "b": 1})
    reader.poll("x", {"c": 2})


@twin("poll-skip", "x")
def the_partition_stayed_assigned_or_was_left_out_meanwhile(h: History, guilty: bool) -> None:
    reader = reading(h, "a", "b", "c")
    reader.poll("x", {"a": 0})
    reader.assign("x", "y") if guilty else reader.assign("y")
    reader.assign("x", "y")
    reader.poll("x", {"c": 2})


@twin("poll-skip", "x")
def an_assign_without_it_failed_or_may_have_happened(h: History, guilty: bool) -> None:
    reader = reading(h, "a", "b", "c")
    reader.poll("x", {"a": 0})
    reader.assign("y", outcome="failed" if guilty else None)
    reader.poll("x", {"c": 2})


@twin("poll-skip", "x")
def a_rebalance_handed_out_another_partition_or_this_one(h: History, guilty: bool) -> None:
    reader = reading(h, "a", "b", "c")
    reader.poll("x", {"a": 0})
    rebalanced = reader.assigned("y" if guilty else "x", how="rebalance")
    reader.both({}, rebalanced, reader.polled("x", {"c": 2}))


@twin("poll-skip", "x")
def an_empty_assign_leaves_nothing_or_none_happened(h: History, guilty: bool) -> None:
    reader = reading(h, "a", "b", "c")
    reader.poll("x", {"a": 0})
    if not guilty:
        reader.assign()
    reader.poll("x", {"c": 2})


@twin("poll-skip", "x")
def the_poll_before_was_not_ok_or_it_was(h: History, guilty: bool) -> None:
    """One that is not ok is evidence of where it was, but nobody goes on from it."""
    reader = reading(h, "a", "b", "c")
    reader.poll("x", {"a": 0})
    reader.poll("x", {"b": 1}, outcome="unknown" if guilty else "ok")
    reader.poll("x", {"c": 2})


@twin("nonmonotonic-poll", "x")
def the_next_poll_goes_back_or_on(h: History, guilty: bool) -> None:
    reader = reading(h, "a", "b")
    reader.poll("x", {"a": 0})
    reader.poll("x", {"a": 0} if guilty else {"b": 1}, outcome="failed")


@twin("nonmonotonic-poll", "x")
def one_process_goes_back_or_another_begins(h: History, guilty: bool) -> None:
    reader = reading(h, "a", "b")
    reader.poll("x", {"a": 0, "b": 1})
    (reader if guilty else h.process("client#4/1")).poll("x", {"a": 0})


# -- sends -------------------------------------------------------------------------------------------------------------


def written(h: History, *operations: dict[str, int], outcome: str = "ok", back: bool = False) -> None:
    """One client sends; another one of the same app has sent what stands between; somebody reads all of it."""
    client = keys(h, "x")
    for ids in operations:
        client.both({"x": ids}, outcome=outcome, txn="t/1" if outcome != "ok" else None)
    everything = {id_: pos for ids in operations for id_, pos in ids.items()}
    if back:
        h.process("client#9/1").both({"x": {"between": 1}})
        everything["between"] = 1
    in_order = dict(sorted(everything.items(), key=lambda item: item[1]))
    h.process("client#2/1").poll("x", in_order)


@twin("int-send-skip", "x", also={("x", "G0"): 1})
def another_record_stands_between_or_none(h: History, guilty: bool) -> None:
    written(h, {"a": 0, "b": 2}, back=guilty)


@twin("int-send-skip", "x", also={("x", "G0"): 1}, innocent={("x", "duplicate"): 1, ("x", "G0"): 1})
def a_record_behind_another_ones_stands_once_or_twice(h: History, guilty: bool) -> None:
    written(h, {"a": 0, "b": 2}, back=True)
    if not guilty:
        h.process("client#3/1").poll("x", {"b": 3})


@twin("int-nonmonotonic-send", "x")
def what_was_sent_later_stands_earlier_or_later(h: History, guilty: bool) -> None:
    written(h, {"a": 1, "b": 0} if guilty else {"a": 0, "b": 1})


@twin("int-nonmonotonic-send", "x", innocent={("x", "G1a"): 2})
def an_operation_that_sent_the_wrong_way_round_is_unknown_or_failed(h: History, guilty: bool) -> None:
    """What a failed send claims is no evidence."""
    client = keys(h, "x")
    client.batch({"x": ["a", "b"]}, outcome="unknown" if guilty else "failed", txn="t/1")
    h.process("client#2/1").poll("x", {"b": 0, "a": 1})


@twin("int-nonmonotonic-send", "x")
def one_operation_sent_it_or_two_did(h: History, guilty: bool) -> None:
    """With two nobody knows whose copy it is that stands there."""
    client = keys(h, "x")
    client.both({"x": {"a": 1, "b": 0}}, outcome="unknown", txn="t/1")
    if not guilty:
        h.process("client#3/1").batch({"x": ["b"]}, outcome="unknown", txn="t/1")
    h.process("client#2/1").poll("x", {"b": 0, "a": 1})


@twin("nonmonotonic-send", "x")
def the_next_operation_sent_to_before_or_behind(h: History, guilty: bool) -> None:
    written(h, *([{"a": 1}, {"b": 0}] if guilty else [{"a": 0}, {"b": 1}]))


@twin("nonmonotonic-send", "x")
def one_process_sent_them_or_two(h: History, guilty: bool) -> None:
    client = keys(h, "x")
    client.both({"x": {"a": 1}})
    (client if guilty else h.process("client#3/1")).both({"x": {"b": 0}})
    h.process("client#2/1").poll("x", {"b": 0, "a": 1})


@twin("nonmonotonic-send", "x")
def between_the_sends_it_kept_the_partition_or_assigned_another(h: History, guilty: bool) -> None:
    client = keys(h, "x", "y")
    client.both({"x": {"a": 1}})
    client.assign("x" if guilty else "y")
    client.both({"x": {"b": 0}})
    h.process("client#2/1").poll("x", {"b": 0, "a": 1})


# -- cycles ------------------------------------------------------------------------------------------------------------


def crossed(h: History, first: dict[str, int], second: dict[str, int], outcome: str = "ok") -> None:
    """Two transactions that both write to x and y: place → offset."""
    keys(h, "x", "y")
    for number, offsets in enumerate((first, second), 1):
        process = h.process(f"client#{number + 1}/1")
        ids = {place: {f"{place}{number}": pos} for place, pos in offsets.items()}
        process.both(ids, txn=f"t/{number}", outcome=outcome if number == 2 else "ok")
    reader = h.process("client#9/1")
    for place in ("x", "y"):
        at = {f"{place}{n}": offsets[place] for n, offsets in ((1, first), (2, second))}
        reader.poll(place, dict(sorted(at.items(), key=lambda item: item[1])))


@twin("G0", "x", also={("y", "G0"): 1})
def writes_cross_or_follow_one_another(h: History, guilty: bool) -> None:
    crossed(h, {"x": 0, "y": 1}, {"x": 1, "y": 0} if guilty else {"x": 1, "y": 2})


@twin("G1c", "x", also={("y", "G1c"): 1})
def each_read_from_the_other_or_one_from_the_other(h: History, guilty: bool) -> None:
    keys(h, "x", "y")
    one, two = h.process("client#2/1"), h.process("client#3/1")
    one.both({"x": {"a": 0}}, one.polled("y", {"b": 0}), txn="t/1")
    two.both({"y": {"b": 0}}, *([two.polled("x", {"a": 0})] if guilty else []), txn="t/2")
    if not guilty:
        h.process("client#4/1").poll("x", {"a": 0})


@twin("G1c", "x", also={("y", "G1c"): 1})
def the_operations_of_the_circle_must_have_happened_or_may_not_have(h: History, guilty: bool) -> None:
    keys(h, "x", "y")
    one, two = h.process("client#2/1"), h.process("client#3/1")
    one.both({"x": {"a": 0}}, one.polled("y", {"b": 0}), txn="t/1", outcome="unknown")
    two.both({"y": {"b": 0}}, two.polled("x", {"a": 0}), txn="t/2", outcome="ok" if guilty else "unknown")
    h.process("client#4/1").poll("y", {"b": 0} if guilty else {})


# -- empty-history -----------------------------------------------------------------------------------------------------
# Of a folder, not of a place: see test_evidence.py.
