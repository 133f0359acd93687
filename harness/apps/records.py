"""What a record of ours looks like, and the deterministic load.

Headers: `eos.id` (unique in the run), `eos.seq` (per-key sequence, decimal), `eos.sum` (crc32 of the value, 8
hex digits), `eos.src` (`orders/0/17`: the input that an output was made from), `eos.txn` (inside a
transaction).
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from harness.apps.clients.base import Incoming, Outgoing

ID, SEQ, SUM, SRC, TXN = "eos.id", "eos.seq", "eos.sum", "eos.src", "eos.txn"


class Item(NamedTuple):
    """One record of the load, before it is encoded."""

    id: str
    key: str
    seq: int


def load(*, app: str, seed: int, records: int, keys: int, instance: int, instances: int) -> Iterator[Item]:
    """The records of one producer instance, in the order it sends them; the same at every call.

    The keys are dealt out among the instances, since two writers of one key would have no common order, and
    every run with two producers would show disorder. So at least one key an instance.
    """
    own_keys = max(1, keys // instances)
    choose = random.Random(f"{seed}/{instance}")
    sent: Counter[str] = Counter()
    for index in range(instance - 1, records, instances):
        key = f"key-{(instance - 1) + instances * choose.randrange(own_keys):03d}"
        yield Item(f"{app}-{index:06d}", key, sent[key])
        sent[key] += 1


def order(item: Item, txn: str | None) -> Outgoing:
    """The order that a producer sends for an item of the load."""
    cents = 100 + zlib.crc32(item.id.encode()) % 100_000
    value = {"id": item.id, "customer": item.key, "order": item.seq, "amount_cents": cents}
    return _outgoing(item.key.encode(), value, {ID: item.id, SEQ: str(item.seq)}, txn)


def invoice(incoming: Incoming, source: str, txn: str | None) -> Outgoing:
    """The invoice that a processor makes of one order.

    Args:
        source: Place of the order.
        txn: Transaction that the invoice is sent in.

    Raises:
        ValueError: The order's value is not a JSON object.
    """
    where = f"{source}/{incoming.part}/{incoming.pos}"
    try:
        bought = orjson.loads(incoming.value or b"")
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{where} is no order: {error}") from error
    if not isinstance(bought, dict):
        raise ValueError(f"{where} is no order: its value is not a JSON object")
    net = int(bought.get("amount_cents", 0))
    value = {
        "id": bought.get("id"),
        "customer": bought.get("customer"),
        "order": bought.get("order"),
        "net_cents": net,
        "vat_cents": net * 19 // 100,
    }
    copied = {name: text for name in (ID, SEQ) if (text := header(incoming, name)) is not None}
    return _outgoing(incoming.key, value, {**copied, SRC: where}, txn)


def header(incoming: Incoming, name: str) -> str | None:
    raw = incoming.headers.get(name)
    return None if raw is None else raw.decode(errors="replace")


def identity(incoming: Incoming) -> tuple[str | None, str | None, int | None]:
    """(id, key, seq) of a record; None for what it does not carry."""
    seq = header(incoming, SEQ)
    key = None if incoming.key is None else incoming.key.decode(errors="replace")
    return header(incoming, ID), key, int(seq) if seq and seq.isdecimal() else None


def _outgoing(key: bytes | None, value: Mapping[str, Any], headers: Mapping[str, str], txn: str | None) -> Outgoing:
    payload = orjson.dumps(value)
    full = {**headers, SUM: f"{zlib.crc32(payload):08x}", **({TXN: txn} if txn else {})}
    return Outgoing(key, payload, [(name, text.encode()) for name, text in full.items()])
