"""A mail server: what it says 250 to after the final dot is on the disk.

`python -m harness.services.mail SMTP-ADDRESS STORE CLUSTER API-ADDRESS`

A mailbox is a resource; mail for one that was not made is refused at RCPT. As every mail server, it cannot know that
a message came before: who lost the reply to the final dot and sends again has sent two.
"""

from __future__ import annotations

import asyncio
import sqlite3
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

from harness.services.naming import ID, KEY, SEQ, SRC, TXN, WRITER, mailbox
from harness.services.resources import BODY_BYTES_MAX, application
from harness.services.serving import Arguments, listening, serve_http
from harness.services.store import Call, ResourceGoneError, Store

_UNKNOWN = "550 5.1.1 no such mailbox here"


class Mailboxes:
    """What aiosmtpd asks: may this recipient be written to, and what of this message."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        try:
            self._store.idempotency(mailbox(address) or "")
        except ResourceGoneError:
            return _UNKNOWN
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes), "decode_data is off"
        message = message_from_bytes(content, policy=policy.default)
        row = 0
        try:
            for recipient in envelope.rcpt_tos:
                row = (await self._store.accept(mailbox(recipient) or "", _call(message))).row
        except ResourceGoneError:
            return _UNKNOWN
        except sqlite3.Error as error:
            return _unable(error)
        return f"250 2.0.0 queued as {row}"


def _unable(error: sqlite3.Error) -> str:
    return f"452 4.3.1 nothing can be written down: {error}"


def _call(message: EmailMessage) -> Call:
    sequence = str(message.get(SEQ, ""))
    return Call(
        id=_text(message, ID),
        key=_text(message, KEY),
        seq=int(sequence) if sequence.isascii() and sequence.isdecimal() and len(sequence) <= 18 else None,
        src=_text(message, SRC),
        writer=_text(message, WRITER),
        txn=_text(message, TXN),
    )


def _text(message: EmailMessage, header: str) -> str | None:
    value = message.get(header)
    return None if value is None else str(value)


async def _serve(arguments: Arguments) -> None:
    store = Store(arguments.store)
    mailboxes = Mailboxes(store)
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(mailboxes, hostname="mail.eos.test", ident="ESMTP", data_size_limit=BODY_BYTES_MAX, loop=loop)

    server = await loop.create_server(protocol, sock=listening(arguments.listen))
    async with server:
        await serve_http(application("smtp", arguments.cluster_id, store), arguments.api)


if __name__ == "__main__":
    asyncio.run(_serve(Arguments.parse("mail", with_api=True)))
