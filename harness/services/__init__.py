"""Services that apps use beside Kafka: a REST service and a mail server, real ones, each a process of its own.

What they accept they have written down, synced to the disk, before they say so: killed and started again they have
lost nothing that they had answered. Each repeat has *resources* of its own there: a path of the REST service, a
mailbox of the mail server.

Walk it in this order::

    naming.py      resources, addresses, and the headers that say what a call or message is about
    store.py       what was accepted, in SQLite
    resources.py   HTTP: resources made, read and removed (of both)
    rest.py        `python -m harness.services.rest`: POST /<resource>, with idempotency keys
    mail.py        `python -m harness.services.mail`: SMTP
    client.py      what the harness itself asks of both; apps never read what is kept here
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.services.naming import address

if TYPE_CHECKING:
    from harness.services.client import Resources, ServiceGoneError

__all__ = ["Resources", "ServiceGoneError", "address"]


def __getattr__(name: str) -> Any:
    """The client when it is first used: apps and servers load this package too, and do not need it."""
    if name not in ("Resources", "ServiceGoneError"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from harness.services import client

    return getattr(client, name)
