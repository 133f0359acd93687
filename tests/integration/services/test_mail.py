"""The mail server from outside, through the standard library's client."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from harness.services import address
from tests.integration.services.servers import Server, ids, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("mail", tmp_path_factory.mktemp("mail")) as server:
        server.resources.create("outbox.k3f9-1")
        server.resources.create("other")
        yield server


def mail(to: str, **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "sink@eos.test", to, "An invoice"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Dear customer,\n.\nthere is a dot above.\n")
    return message


def send(server: Server, message: EmailMessage) -> str:
    """The reply to the final dot."""
    with smtplib.SMTP(*server.smtp, timeout=10) as client:
        client.ehlo("sink")
        client.mail("sink@eos.test")
        client.rcpt(message["To"])
        code, words = client.data(message.as_bytes())
    return f"{code} {words.decode()}"


def test_a_message_is_written_down_with_all_that_it_says(server: Server) -> None:
    headers = {
        "X_Eos_Id": "a",
        "X_Eos_Key": "Käufer",
        "X_Eos_Seq": "3",
        "X_Eos_Src": "orders/0/1",
        "X_Eos_Writer": "s#1/1",
    }
    assert send(server, mail(address("outbox.k3f9-1"), **headers)) == "250 2.0.0 queued as 1"
    assert send(server, mail(address("outbox.k3f9-1"), X_Eos_Seq="many")) == "250 2.0.0 queued as 2"
    first, second = server.rows("outbox.k3f9-1")
    assert first == {
        "row": 1,
        "id": "a",
        "key": "Käufer",
        "seq": 3,
        "src": "orders/0/1",
        "writer": "s#1/1",
        "txn": None,
        "idempotency_key": None,
        "accepted": 1,
    }
    assert (second["id"], second["seq"]) == (None, None)
    assert server.rows("other") == []


@pytest.mark.parametrize("to", ["nobody@eos.test", "other@example.com", "plain"])
def test_a_mailbox_that_was_not_made_is_refused(server: Server, to: str) -> None:
    with smtplib.SMTP(*server.smtp, timeout=10) as client:
        client.ehlo("sink")
        client.mail("sink@eos.test")
        assert client.rcpt(to)[0] == 550
        assert client.rcpt(address("other"))[0] == 250, "and the session goes on"


def test_a_message_that_is_too_large_is_refused(server: Server) -> None:
    message = mail(address("other"))
    message.set_content("x" * 70 + "\n" + ("y" * 70 + "\n") * 20_000)
    with pytest.raises(smtplib.SMTPResponseException) as refused, smtplib.SMTP(*server.smtp, timeout=10) as client:
        client.send_message(message)
        raise AssertionError("accepted")
    assert refused.value.smtp_code == 552


def test_killed_it_has_lost_nothing_that_it_answered(tmp_path: Path) -> None:
    with serving("mail", tmp_path) as server:
        server.resources.create("outbox")
        for n in range(20):
            send(server, mail(address("outbox"), X_Eos_Id=f"m{n}"))
            if n % 7 == 6:
                server.kill()
                server.start()
        assert ids(server.rows("outbox")) == [f"m{n}" for n in range(20)]
