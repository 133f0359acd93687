"""A real mail server and client through eosproxy: what becomes of a message at a step of its protocol."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from faults import HopClient
from faults.hops import At, Ending
from tests.integration.faults.peers import until
from tests.integration.faults.text_lanes import ANSWER_S, TextLane, text_lane

SILENCE_S = 0.3
DOTS = "Subject: dots\r\n\r\n.\r\n..two\r\nDATA\r\n.\r\n"


class Mailbox:
    """aiosmtpd's handler: keeps what was delivered."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.messages.append(envelope.content)
        return "250 kept"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def lane(hops: HopClient, mailbox: Mailbox) -> Iterator[TextLane]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    with text_lane(hops, "smtp", ("127.0.0.1", port)) as lane:
        yield lane
    server.stop()


def send(client: smtplib.SMTP, *recipients: str) -> dict[str, tuple[int, bytes]]:
    """The recipients that were refused."""
    return client.sendmail("a@example.com", recipients or ["b@example.com"], DOTS)


CLIENT = """
import sys, smtplib
with smtplib.SMTP(sys.argv[1], int(sys.argv[2])) as client:
    client.sendmail("a@example.com", "b@example.com", "Subject: one\\r\\n\\r\\nbody\\r\\n")
"""


@pytest.mark.parametrize(("action", "count"), [("deliver", 1), ("drop", 0)])
def test_a_held_message_arrives_after_its_client_was_killed_if_it_is_delivered(
    lane: TextLane, mailbox: Mailbox, action: Any, count: int
) -> None:
    host, port = lane.address
    with lane.rule("DATA", "request", "hold") as rule:
        with subprocess.Popen([sys.executable, "-c", CLIENT, host, str(port)]) as client:
            hold = rule.held()
            client.kill()
        assert not until(lambda: mailbox.messages != [], SILENCE_S)
        lane.hops.release(hold, action)
        assert until(lambda: len(mailbox.messages) == count, ANSWER_S)


@pytest.mark.parametrize("connection", ["close", "reset"])
@pytest.mark.parametrize(("at", "count"), [("request", 0), ("reply", 1)])
def test_a_lost_message(lane: TextLane, mailbox: Mailbox, at: At, connection: Ending, count: int) -> None:
    with lane.rule("DATA", at, "lose", connection=connection) as rule:
        client = smtplib.SMTP(*lane.address)
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            send(client)
        rule.wait("lost")
        assert len(mailbox.messages) == count
        client.close()
    with smtplib.SMTP(*lane.address) as again:
        send(again)
    assert len(mailbox.messages) == count + 1


def test_a_refused_message_is_not_there_and_its_connection_ends(lane: TextLane, mailbox: Mailbox) -> None:
    with lane.rule("DATA", "request", "refuse", error="451") as rule:
        with smtplib.SMTP(*lane.address) as client:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                send(client)
            assert refused.value.smtp_code == 451
            with pytest.raises(smtplib.SMTPServerDisconnected):
                client.noop()
        assert rule.wait("refused")[0].error == "451"
        assert mailbox.messages == []
        with smtplib.SMTP(*lane.address) as again:
            send(again)
    assert len(mailbox.messages) == 1


def test_a_message_whose_reply_is_replaced_is_there(lane: TextLane, mailbox: Mailbox) -> None:
    with lane.rule("DATA", "reply", "replace", error="451") as rule, smtplib.SMTP(*lane.address) as client:
        with pytest.raises(smtplib.SMTPDataError):
            send(client)
        assert rule.wait("replaced")[0].text == "DATA"
        assert len(mailbox.messages) == 1
        send(client)  # the connection is as it was
    assert mailbox.messages[0] == mailbox.messages[1]


def test_a_refused_recipient(lane: TextLane, mailbox: Mailbox) -> None:
    with lane.rule("RCPT", "request", "refuse", error="550", nth=2), smtplib.SMTP(*lane.address) as client:
        assert list(send(client, "b@example.com", "c@example.com", "d@example.com")) == ["c@example.com"]
        assert len(mailbox.messages) == 1


def test_what_stands_in_a_message_is_no_command(lane: TextLane, mailbox: Mailbox) -> None:
    with lane.rule("DATA", "request", "note", times=-1) as rule, smtplib.SMTP(*lane.address) as client:
        for _ in range(3):
            send(client)
        assert rule.state().seen == 3
    assert len(mailbox.messages) == 3
