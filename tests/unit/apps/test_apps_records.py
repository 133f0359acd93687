"""Records of ours: what is written into headers is read back from them; the load is the same at every call."""

from __future__ import annotations

import zlib
from collections import Counter

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.apps.batches import Batch, poll_steps
from harness.apps.clients.base import Delivery, Incoming, Outgoing
from harness.apps.operations import ack_step, commit_step, first_error, send_step
from harness.apps.records import SRC, SUM, TXN, Item, header, identity, invoice, load, order
from harness.ledger.format import line_fault

ITEMS = st.builds(Item, st.text(min_size=1), st.text(), st.integers(0, 2**62))
PLACES = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True)


def received(sent: Outgoing, part: int = 0, pos: int = 0) -> Incoming:
    return Incoming("orders.k3f9", part, pos, sent.key, sent.value, dict(sent.headers))


@given(ITEMS, st.none() | st.text(min_size=1))
def test_an_order_carries_what_it_is(item: Item, txn: str | None) -> None:
    incoming = received(order(item, txn))
    assert identity(incoming) == (item.id, item.key, item.seq)
    assert header(incoming, TXN) == txn
    assert header(incoming, SRC) is None
    assert header(incoming, SUM) == f"{zlib.crc32(incoming.value or b''):08x}"
    assert orjson.loads(incoming.value or b"")["id"] == item.id


@given(ITEMS, PLACES, st.integers(0, 99), st.integers(0, 2**62), st.none() | st.text(min_size=1))
def test_an_invoice_carries_what_it_was_made_from(
    item: Item, source: str, part: int, pos: int, txn: str | None
) -> None:
    incoming = received(order(item, "of the order"), part, pos)
    made = received(invoice(incoming, source, txn))
    assert identity(made) == identity(incoming)
    assert header(made, SRC) == f"{source}/{part}/{pos}"
    assert header(made, TXN) == txn
    value = orjson.loads(made.value or b"")
    bought = orjson.loads(incoming.value or b"")
    assert (value["id"], value["net_cents"]) == (item.id, bought["amount_cents"])


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"17"])
def test_what_is_no_order(value: bytes | None) -> None:
    with pytest.raises(ValueError, match=r"^orders/1/17 is no order"):
        invoice(Incoming("orders.k3f9", 1, 17, None, value, {}), "orders", None)


@given(
    st.dictionaries(st.sampled_from(["eos.id", "eos.seq"]), st.binary(max_size=6)), st.none() | st.binary(max_size=6)
)
def test_a_strangers_record_has_what_it_has(headers: dict[str, bytes], key: bytes | None) -> None:
    id_, name, seq = identity(Incoming("orders", 0, 0, key, b"", headers))
    assert (id_ is None) == ("eos.id" not in headers)
    assert (name is None) == (key is None)
    assert seq is None or seq >= 0


@given(st.integers(0, 200), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**31))
def test_the_load_is_dealt_out_completely(records: int, keys: int, instances: int, seed: int) -> None:
    def of(instance: int) -> list[Item]:
        sent = load(app="producer", seed=seed, records=records, keys=keys, instance=instance, instances=instances)
        return list(sent)

    shares = {instance: of(instance) for instance in range(1, instances + 1)}
    assert shares == {instance: of(instance) for instance in range(1, instances + 1)}
    everything = [item for share in shares.values() for item in share]
    assert sorted(item.id for item in everything) == [f"producer-{n:06d}" for n in range(records)]
    writers = Counter(key for share in shares.values() for key in {item.key for item in share})
    assert all(count == 1 for count in writers.values())  # one writer per key, or its order would mean nothing
    for share in shares.values():
        for key in {item.key for item in share}:
            of_key = [item.seq for item in share if item.key == key]
            assert of_key == list(range(len(of_key)))


def test_steps_are_what_the_ledger_takes() -> None:
    polled = [Incoming("t", part, pos, None, b"", {"eos.id": b"a"}) for part, pos in ((1, 7), (0, 3), (1, 8))]
    assert Batch(tuple(polled)).offsets == {1: 9, 0: 4}
    polls = poll_steps("orders", polled)
    assert [(step["part"], step["pos"]) for step in polls] == [(1, [7, 8]), (0, [3])]
    identities = [("a", "k", 0), (None, None, None)]
    steps = [*polls, send_step("orders", identities), send_step("orders", []), commit_step("g", "orders", {1: 9, 0: 4})]
    assert line_fault({"begin": 1, "kind": "batch", "at": 1, "do": steps}) is None
    assert steps[-1]["offsets"] == [["orders", 0, 4], ["orders", 1, 9]]


def test_only_what_was_acknowledged_is_told_so() -> None:
    deliveries = [Delivery(0, 17), Delivery(-1, -1, "timed out"), Delivery(2, 3)]
    step = ack_step("orders", ["a", "b", "c"], deliveries)
    assert step == {"ack": "orders", "id": ["a", "c"], "part": [0, 2], "pos": [17, 3]}
    assert line_fault({"end": 1, "outcome": "unknown", "at": 1, "do": [step]}) is None
    assert first_error(deliveries, ["a", "b", "c"]) == "b was not acknowledged: timed out"
    assert first_error(deliveries[:1], ["a"]) is None
