"""The words that apps and services share."""

from __future__ import annotations

import re

DOMAIN = "eos.test"  # a top level that will never exist (RFC 2606)
RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
"""Of a reply that was given before: `true`."""

SRC, TXN, WRITER = "X-Eos-Src", "X-Eos-Txn", "X-Eos-Writer"
"""`orders/0/17`, the Kafka transaction of the call, the process that makes it. Of calls and messages."""
ID, KEY, SEQ = "X-Eos-Id", "X-Eos-Key", "X-Eos-Seq"
"""Of messages; a call has `id`, `key` and `seq` in its body."""


def address(resource: str) -> str:
    """Where mail for a mailbox goes."""
    return f"{resource}@{DOMAIN}"


def mailbox(recipient: str) -> str | None:
    """The mailbox of an address; None for another domain's."""
    name, _, domain = recipient.rpartition("@")
    return name if domain.lower() == DOMAIN else None
