"""E-mails, sent as an application with the standard library's client sends them."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.policy import SMTP

from harness.apps.clients.base import Delivery
from harness.apps.config import Mailbox
from harness.apps.effects import CALL_S, EFFECT_S, Effect, UnconfirmedError, one_by_one
from harness.apps.errors import RestartNeededError
from harness.services.naming import DOMAIN, ID, KEY, SEQ, SRC, TXN, WRITER

_PERMANENT = range(500, 600)
_QUEUED = re.compile(r"queued as (\d+)")


class Mails:
    """One message for each record, on one connection as long as it lasts.

    What was not confirmed (no reply in two seconds, connection lost or refused, 4xx) is sent again on a new
    connection: a message whose reply to the final dot was lost arrives twice (RFC 1047), and nothing in the protocol
    prevents it.
    """

    def __init__(self, mailbox: Mailbox, writer: str, on_retry: Callable[[str], None]) -> None:
        self._mailbox = mailbox
        self._writer = writer
        self._on_retry = on_retry
        self._from = f"sink@{DOMAIN}"
        self._client: smtplib.SMTP | None = None

    def write(self, effects: Sequence[Effect], txn: str | None = None) -> list[Delivery]:
        return one_by_one(effects, lambda effect: self._send(effect, txn), self._on_retry)

    def limit_s(self, effects: int) -> float:
        return effects * EFFECT_S

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _send(self, effect: Effect, txn: str | None) -> Delivery:
        try:
            code, words = self._submit(self._message(effect, txn).as_bytes())
        except smtplib.SMTPResponseException as error:
            self.close()
            if error.smtp_code in _PERMANENT:
                raise RestartNeededError(f"{self._mailbox.place} refuses {effect.id}: {_told(error)}") from error
            raise UnconfirmedError(_told(error)) from error
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise UnconfirmedError(f"{type(error).__name__}: {error}") from error
        found = _QUEUED.search(words)
        assert code == 250
        return Delivery(0, int(found.group(1)) if found else -1)

    def _submit(self, content: bytes) -> tuple[int, str]:
        """The reply to the final dot, which alone says that the message is the server's now."""
        client = self._connected()
        for code, reply in (client.mail(self._from), client.rcpt(self._mailbox.to)):
            if code >= 300:
                raise smtplib.SMTPResponseException(code, reply)
        code, reply = client.data(content)
        if code != 250:
            raise smtplib.SMTPResponseException(code, reply)
        return code, reply.decode(errors="replace")

    def _connected(self) -> smtplib.SMTP:
        if self._client is None:
            host, _, port = self._mailbox.smtp.rpartition(":")
            # With a name of its own, or the library would look the machine's up.
            self._client = smtplib.SMTP(host, int(port), local_hostname=f"app.{DOMAIN}", timeout=CALL_S)
            self._client.ehlo_or_helo_if_needed()
        return self._client

    def _message(self, effect: Effect, txn: str | None) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"] = self._from, self._mailbox.to
        message["Subject"] = f"Your invoice {effect.id or effect.src}"
        facts = {ID: effect.id, KEY: effect.key, SEQ: effect.seq, SRC: effect.src, TXN: txn, WRITER: self._writer}
        for name, fact in facts.items():
            if fact is not None:
                message[name] = str(fact)
        message.set_content((effect.record.value or b"").decode(errors="replace"))
        return message


def _told(error: smtplib.SMTPResponseException) -> str:
    reply = error.smtp_error
    return f"{error.smtp_code} {reply.decode(errors='replace') if isinstance(reply, bytes) else reply}"
