"""The auditor and an independent oracle agree on histories that make no sense at all.

Nothing is simulated here: any app may have sent, acknowledged, polled and committed anything, and anything may stand
anywhere. So every condition of a query meets the cases that nobody thought of.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit import audit
from tests.unit.audit.histories import History, write
from tests.unit.audit.oracle import Oracle

TRIALS = int(os.environ.get("QUALITY_TRIALS", "2000")) // 100

APPS = {"orders": "producer", "invoices": "processor", "billing": "processor", "rows": "sink"}
UPSTREAM = {"invoices": "orders", "billing": "orders", "rows": "invoices"}

ids = st.sampled_from(["a", "b", "c", "d", None])
some_ids = st.lists(ids, min_size=1, max_size=4)
places = st.sampled_from(["orders", "invoices", "billing", "rows"])
outcomes = st.sampled_from(["ok", "ok", "failed", "unknown", None])
spots = st.tuples(st.sampled_from(["orders", "invoices", "elsewhere"]), st.just(0), st.integers(0, 9))

operations = st.fixed_dictionaries(
    {
        "app": st.sampled_from([*APPS.values()]),
        "incarnation": st.integers(1, 2),
        "place": places,
        "ids": some_ids,
        "acked": st.sets(st.integers(0, 3)),
        "outcome": outcomes,
        "txn": st.sampled_from([None, None, "t"]),
        "stray": st.booleans(),  # acknowledges what it never announced
        "at": st.none() | st.integers(-1, 9),  # where the first one was acknowledged
        "polls": st.lists(st.tuples(ids, st.integers(-1, 9)), max_size=2),
    }
)
batches = st.fixed_dictionaries(
    {
        "place": places,
        "ids": some_ids,
        "status": st.sampled_from(["plain", "plain", "committed", "aborted", "open"]),
        "part": st.integers(0, 1),
        "src": st.none() | st.lists(st.none() | spots, min_size=4, max_size=4),
        "marker": st.booleans(),
        "accepted": st.booleans(),
        "idempotency_key": st.sampled_from([None, "1", "2"]),
        "txn": st.sampled_from([None, "t", "u"]),
        "intact": st.sampled_from([True, False, None]),
    }
)
polls = st.fixed_dictionaries(
    {
        "reader": st.sampled_from(["reader#1/1", "reader#1/1", "dirty#1/1", "default#1/1"]),
        "assign": st.none() | st.lists(st.sampled_from(["orders", "invoices"]), max_size=2),
        "how": st.sampled_from(["assign", "subscribe", "rebalance"]),
        "alone": st.booleans(),
        "part": st.sampled_from([0, 0, 0, 1]),
        "place": st.sampled_from(["orders", "invoices"]),
        "spots": st.lists(st.tuples(ids, st.integers(0, 9)), max_size=4),
        "outcome": st.sampled_from(["ok", "ok", "failed", "unknown"]),
    }
)
worlds = st.fixed_dictionaries(
    {
        "operations": st.lists(operations, max_size=6),
        "batches": st.lists(batches, max_size=8),
        "polls": st.lists(polls, max_size=6),
        "writes": st.lists(
            st.tuples(ids, st.none() | st.integers(0, 3), ids, st.none() | st.integers(0, 3)), max_size=2
        ),
        "unread": st.booleans(),  # nobody reads the orders at the end
        "committed": st.dictionaries(
            st.tuples(st.sampled_from(["invoices", "billing", "rows"]), st.integers(0, 1)),
            st.none() | st.integers(0, 12),
        ),
        "partial": st.sets(places, max_size=1),
        "silent": st.booleans(),  # the processor left no ledger
        "least": st.integers(0, 2),
        "more": st.integers(0, 1),
        "uncommitted": st.booleans(),
    }
)


def history_of(world: dict[str, Any], prefix: str) -> History:
    h = History(prefix)
    fan_out = {"least": world["least"], "most": max(world["least"] + world["more"], 1)}
    h.topic("orders", writers=["producer"], least=1, most=1, final_read=not world["unread"])
    h.topic("invoices", upstream="orders", writers=["processor"], **fan_out)
    h.service("billing", upstream="orders", writers=["processor"], least=1, most=1)
    h.table("rows", upstream="invoices", writers=["sink"], least=1, most=1)
    if world["uncommitted"]:
        h.uncommitted("invoices")
    readers = {"reader#1/1": "read_committed", "dirty#1/1": "read_uncommitted", "default#1/1": None}
    names = [f"{app}#1/{number}" for app in dict.fromkeys(APPS.values()) for number in (1, 2)]
    apps = {name: h.process(name) for name in names if not (world["silent"] and name.startswith("processor"))}
    apps |= {name: h.process(name, isolation) for name, isolation in readers.items()}
    for operation in world["operations"]:
        process = apps.get(f"{operation['app']}#1/{operation['incarnation']}")
        if process is None:
            continue
        place = h.name(operation["place"])
        acked = [i for n, i in enumerate(operation["ids"]) if n in operation["acked"]]
        acked += ["stray"] if operation["stray"] else []
        end: list[dict[str, Any]] = [{"ack": place, "id": acked}] if acked else []
        if operation["at"] is not None and acked and place.endswith(("orders", "invoices")):
            end[0] |= {"part": [0] * len(acked), "pos": [operation["at"], *[-1] * (len(acked) - 1)]}
        if operation["polls"] and place.endswith(("orders", "invoices")):
            end.append(process.polled(operation["place"], operation["polls"]))
        begin = [{"send": place, "id": operation["ids"]}]
        process.operation(begin, end, outcome=operation["outcome"], txn=operation["txn"])
    for poll in world["polls"]:
        reader = apps[poll["reader"]]
        steps = [reader.polled(poll["place"], poll["spots"], part=poll["part"])]
        if poll["assign"] is not None:
            assigned = reader.assigned(*poll["assign"], how=poll["how"])
            steps = [assigned] if poll["alone"] else [assigned, *steps]
        reader.both({}, *steps, outcome=poll["outcome"])
    for batch in world["batches"]:
        place, table = batch["place"], batch["place"] in ("rows", "billing")
        if not h.sources[place].final_read:
            continue
        src = None
        if batch["src"] and place != "orders":
            src = [spot and (h.name(spot[0]), *spot[1:]) for spot in batch["src"][: len(batch["ids"])]]
        h.see(
            place,
            batch["ids"],
            part=0 if table else batch["part"],
            status="plain" if table else batch["status"],
            src=src,
            txn=batch["txn"] if place == "billing" else None if table or batch["status"] == "plain" else "t",
            writer="processor#1/1" if place == "billing" else None,
            accepted=batch["accepted"],
            idempotency_key=batch["idempotency_key"],
            intact=None if table else [batch["intact"]] * len(batch["ids"]),
            marker=batch["marker"] and batch["status"] in ("committed", "aborted") and not table,
        )
    for id_, seq, over, over_seq in world["writes"]:
        h.wrote("rows", id_, seq, over=(over, over_seq))
    for name in world["partial"]:
        h.sources[name].whole = False
    h.committed = dict(world["committed"])
    return h


@settings(max_examples=TRIALS)
@given(st.lists(worlds, min_size=1, max_size=6))
def test_the_auditor_and_the_oracle_agree(worlds: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = write((history_of(world, f"w{n}.") for n, world in enumerate(worlds)), Path(name))
        result = audit(folder)
        expected = Oracle(folder).counts()
    for place, counts in expected.items():
        told = {kind: result.counts[place][kind] for kind in counts}
        assert told == counts, place
    assert {(f.place, f.type): f.count for f in result.findings} == {
        (place, kind): count for place, counts in result.counts.items() for kind, count in counts.items() if count
    }
