"""The life of a record: from the first send to where it stands in the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.audit import life, render
from harness.errors import HistoryError
from tests.unit.audit.histories import History


def crashed() -> History:
    """Order a is processed twice: the first processor died before its transaction ended."""
    h = History()
    h.topic("orders", writers=["producer"])
    h.process("producer#1/1", None).batch({"orders": ["a", "b"]}, ack={"a": 0, "b": 1})
    h.see("orders", ["a", "b"], producer=1000, bseq=0)
    h.topic("invoices", upstream="orders", writers=["processor"])
    first = h.process("processor#1/1")
    first.poll("orders", {"a": 0, "b": 1})
    first.batch({"invoices": ["a"]}, commit={"orders": 1}, txn="t1", outcome=None)
    second = h.process("processor#1/2")
    second.poll("orders", {"a": 0, "b": 1})
    second.batch({"invoices": ["a"]}, ack={"a": 2}, commit={"orders": 1}, txn="t2")
    h.see("invoices", ["a"], src=[0], status="aborted", producer=7, epoch=0, bseq=0, txn="t1", marker=True)
    h.see("invoices", ["a"], src=[0], status="committed", producer=7, epoch=1, bseq=0, txn="t2", marker=True)
    h.table("rows", upstream="invoices", writers=["sink"])
    sink = h.process("sink#1/1")
    sink.poll("invoices", {"a": 2})
    sink.batch({"rows": ["a"]}, ack={"a": 1}, commit={"invoices": 4}, outcome="unknown")
    h.see("rows", ["a"], src=[2], writer="sink#1/1")
    for at, line in enumerate(line for process in h.processes for line in process.lines):
        line["at"] = 1 + at * 100_000_000
    return h


STORY = """\
a
     0.000 s  producer#1/1   begins to send it to orders (operation 1)
     0.100 s  producer#1/1   gets it acknowledged at orders/0 at 0
     0.100 s  producer#1/1   operation 1 ended ok
     0.300 s  processor#1/1  reads it from orders/0 at 0
     0.400 s  processor#1/1  begins to send it to invoices in transaction t1 (operation 2)
     0.400 s  processor#1/1  begins to commit the offset past orders/0 at 0 in transaction t1 (operation 2)
     0.400 s  processor#1/1  operation 2 never ended: the process was gone
     0.500 s  processor#1/1  — crash processor before commit 1
     0.600 s  processor#1/2  reads it from orders/0 at 0
     0.700 s  processor#1/2  begins to send it to invoices in transaction t2 (operation 2)
     0.700 s  processor#1/2  begins to commit the offset past orders/0 at 0 in transaction t2 (operation 2)
     0.800 s  processor#1/2  gets it acknowledged at invoices/0 at 2
     0.800 s  processor#1/2  operation 2 ended ok
     1.000 s  sink#1/1       reads it from invoices/0 at 2
     1.100 s  sink#1/1       begins to send it to rows (operation 2)
     1.100 s  sink#1/1       begins to commit the offset past invoices/0 at 2 (operation 2)
     1.200 s  sink#1/1       gets it acknowledged as row 1 of rows
     1.200 s  sink#1/1       operation 2 ended unknown
  at the end: orders/0 at 0: plain, producer id 1000, epoch 0, sequence 0
  at the end: invoices/0 at 0: aborted, producer id 7, epoch 0, sequence 0, made from orders/0 at 0, in transaction t1
  at the end: invoices/0 at 2: committed, producer id 7, epoch 1, sequence 0, made from orders/0 at 0, in transaction t2
  at the end: row 1 of rows, written by sink#1/1, made from invoices/0 at 2"""


def test_a_whole_life_in_the_order_it_happened(tmp_path: Path) -> None:
    folder = crashed().write(tmp_path)
    act = {"process": "processor#1/1", "signal": "SIGKILL", "exited_ns": 500_000_001}
    fault = {"fault": "crash processor before commit 1", "evidence": {"acts": [act]}}
    (folder / "faults.jsonl").write_text(json.dumps(fault) + "\n{}\nnot json\n")
    told = life(folder, "a")
    assert told is not None
    assert "\n".join(render(told)) == STORY


def test_another_records_life_is_another(tmp_path: Path) -> None:
    told = life(crashed().write(tmp_path), "b")
    assert told is not None
    assert not any("send it to invoices" in line for line in render(told))


def test_nobody_knows_it(tmp_path: Path) -> None:
    assert life(crashed().write(tmp_path), "c") is None


def test_what_was_sent_and_is_nowhere(tmp_path: Path) -> None:
    history = History()
    history.topic("orders", writers=["producer"])
    history.process("producer#1/1").batch({"orders": ["a"]}, ack=["a"])
    told = life(history.write(tmp_path), "a")
    assert told is not None
    assert render(told)[-1] == "  at the end: nowhere to be seen"


def test_twice_in_one_poll_and_in_one_batch(tmp_path: Path) -> None:
    history = History()
    history.topic("orders", writers=["producer"])
    step = {"ack": "orders", "id": ["a", "a"], "part": [0, 0], "pos": [0, 1]}
    history.process("producer#1/1").operation([{"send": "orders", "id": ["a", "a"]}], [step])
    history.process("reader#1/1").poll("orders", [("a", 0), ("a", 1)])
    history.see("orders", ["a", "a"])
    told = life(history.write(tmp_path), "a")
    assert told is not None
    text = "\n".join(render(told))
    for words in ("reads it from orders/0 at", "gets it acknowledged at orders/0 at", "at the end: orders/0 at"):
        assert [f"{words} {pos}" in text for pos in (0, 1)] == [True, True]


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    """It is the audit that reports them."""
    folder = crashed().write(tmp_path)
    sightings = folder / "sightings/orders.jsonl"
    sightings.write_text(sightings.read_text() + '{"id": ["a"]}\n{"id": 7}\nnothing\n{"part": 0, "marker": "commit"}\n')
    ledger = folder / "ledger/producer-1-1.jsonl"
    ledger.write_text(ledger.read_text() + '{"begin": 9, "do": [{"send": "orders", "id": ["a"]}]}\n{"end')
    for name in ("empty", "torn"):
        (folder / f"ledger/{name}.jsonl").write_text("" if name == "empty" else '{"ledger"')
    (folder / "sightings/empty.jsonl").write_text("")
    told = life(folder, "a")
    assert told is not None
    assert [line for line in render(told) if "orders/0 at 0: plain" in line]


def test_what_is_no_ledger_is_said(tmp_path: Path) -> None:
    folder = crashed().write(tmp_path)
    (folder / "ledger/x.jsonl").write_text('{"ledger": 7}\n')
    with pytest.raises(HistoryError, match="ledger schema 7 is not known"):
        life(folder, "a")


def test_calls_of_a_service_are_told(tmp_path: Path) -> None:
    history = crashed()
    history.service("billing", upstream="orders", writers=["processor"])
    for number, accepted in ((1, True), (2, False)):
        writer, txn = f"processor#1/{number}", f"t{number}"
        history.see("billing", ["a"], src=[0], writer=writer, txn=txn, idempotency_key="a", accepted=accepted)
    told = life(history.write(tmp_path), "a")
    assert told is not None
    first, second = [line for line in render(told) if "of billing" in line]
    assert first.endswith(
        "row 1 of billing, written by processor#1/1, made from orders/0 at 0, in transaction t1, idempotency key a"
    )
    assert second.endswith("idempotency key a, answered from an earlier call, without an effect")


def test_a_frame_that_was_lost_is_told_where_its_link_was(tmp_path: Path) -> None:
    folder = crashed().write(tmp_path)
    frame = {"hop": "lane-2/postgres", "lost_ns": 1_150_000_001, "then": "close"}
    (folder / "faults.jsonl").write_text(
        json.dumps({"fault": "lose sink after COMMIT 1", "evidence": {"frame": frame}})
    )
    told = life(folder, "a")
    assert told is not None
    (line,) = [line for line in render(told) if "lose sink" in line]
    assert line.strip() == "1.150 s  lane-2/postgres  — lose sink after COMMIT 1"


def test_who_went_back_commits_the_offset_past_it_again(tmp_path: Path) -> None:
    history = History()
    history.topic("orders", writers=["producer"])
    history.topic("invoices", upstream="orders", writers=["processor"])
    history.see("orders", ["a"])
    processor = history.process("processor#1/1")
    for outcome in ("unknown", "ok"):
        processor.poll("orders", {"a": 0})
        processor.batch({"invoices": ["a"]}, ack=[], commit={"orders": 1}, outcome=outcome)
    told = life(history.write(tmp_path), "a")
    assert told is not None
    assert sum("begins to commit the offset past orders/0 at 0" in line for line in render(told)) == 2


def test_an_error_of_several_lines_stays_on_one(tmp_path: Path) -> None:
    history = crashed()
    end = history.processes[-1].lines[-1]
    end["error"] = "server closed the connection\n\tThis probably means"
    told = life(history.write(tmp_path), "a")
    assert told is not None
    assert any(line.endswith("unknown: server closed the connection This probably means") for line in render(told))
