"""A history of 100,000 records is judged. No time is asserted: speed is measured in benchmarks/."""

from __future__ import annotations

from pathlib import Path

from tests.unit.audit.histories import History

RECORDS = 100_000
BATCH = 500


def test_a_hundred_thousand_records_with_one_of_each_wrong(tmp_path: Path) -> None:
    history = History()
    history.topic("orders", writers=["producer"])
    history.topic("invoices", upstream="orders", writers=["processor"])
    history.table("rows", upstream="invoices", writers=["sink"])
    producer, processor, sink = (history.process(f"{app}#1/1") for app in ("producer", "processor", "sink"))
    for first in range(0, RECORDS, BATCH):
        ids = [f"producer-{n:06}" for n in range(first, first + BATCH)]
        keys, seq = [f"key-{n % 20}" for n in range(first, first + BATCH)], list(range(first, first + BATCH))
        at = {id_: first + n for n, id_ in enumerate(ids)}
        src = list(range(first, first + BATCH))
        txn = f"t/{first}"
        producer.batch({"orders": ids}, ack=at)
        processor.poll("orders", at)
        processor.batch({"invoices": ids}, ack=ids, txn=txn)
        sink.poll("invoices", at)
        sink.batch({"rows": ids}, ack=ids)
        history.see("orders", ids, key=keys, seq=seq)
        history.see("invoices", ids, key=keys, seq=seq, src=src, status="committed", txn=txn)
        history.see("rows", ids, key=keys, seq=seq, src=src, writer="sink#1/1")
    history.see("orders", ["producer-000000"], key=["key-0"], seq=[0])
    history.see("invoices", ["stranger"], key=["key-0"], seq=[RECORDS + 1])
    history.see("rows", ["producer-000001"], key=["key-1"], seq=[1], writer="sink#1/1")
    assert history.audited(tmp_path) == {
        ("orders", "duplicate"): 1,
        ("invoices", "phantom"): 1,
        ("rows", "sink-loss"): 1,  # of the stranger
        ("rows", "sink-duplicate"): 1,
    }
