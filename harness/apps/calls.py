"""Calls to a REST service, as its client would really make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import requests

from harness.apps.clients.base import Delivery
from harness.apps.config import Service
from harness.apps.effects import CALL_S, EFFECT_S, Effect, UnconfirmedError, one_by_one
from harness.apps.errors import RestartNeededError
from harness.services.naming import IDEMPOTENCY_KEY, SRC, TXN, WRITER

# In progress, too many requests; and whatever is the server's own fault.
_WORTH_ANOTHER_TRY = frozenset({408, 409, 425, 429})
_SERVER_ERROR = 500


class Calls:
    """`POST` for each record, on one connection as long as it lasts.

    What was not confirmed (no answer in two seconds, connection lost or refused, 409, 429, 5xx) is sent again. With
    an idempotency key, the record's id, the service can tell that it is the same call; without one it cannot.
    """

    def __init__(self, service: Service, writer: str, on_retry: Callable[[str], None]) -> None:
        self._service = service
        self._on_retry = on_retry
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy of the user's
        self._session.headers.update({"Content-Type": "application/json", WRITER: writer})

    def write(self, effects: Sequence[Effect], txn: str | None = None) -> list[Delivery]:
        return one_by_one(effects, lambda effect: self._call(effect, txn), self._on_retry)

    def limit_s(self, effects: int) -> float:
        return effects * EFFECT_S

    def close(self) -> None:
        self._session.close()

    def _call(self, effect: Effect, txn: str | None) -> Delivery:
        headers = {SRC: effect.src}
        if txn is not None:
            headers[TXN] = txn
        if self._service.idempotency_key:
            headers[IDEMPOTENCY_KEY] = effect.id or effect.src
        try:
            answer = self._session.post(self._service.url, data=_body(effect), headers=headers, timeout=CALL_S)
        except requests.RequestException as error:
            raise UnconfirmedError(str(error)) from error
        if answer.status_code in _WORTH_ANOTHER_TRY or answer.status_code >= _SERVER_ERROR:
            raise UnconfirmedError(f"{answer.status_code} {answer.text[:200]}")
        if not answer.ok:
            raise RestartNeededError(
                f"{self._service.place} refuses {effect.id}: {answer.status_code} {answer.text[:200]}"
            )
        return Delivery(0, _row(answer))


def _body(effect: Effect) -> bytes:
    """The record's own content, whatever of it is JSON, with what it is known by."""
    try:
        value = orjson.loads(effect.record.value or b"null")
    except orjson.JSONDecodeError:
        value = None
    content: dict[str, Any] = value if isinstance(value, dict) else {}
    return orjson.dumps({**content, "id": effect.id, "key": effect.key, "seq": effect.seq})


def _row(answer: requests.Response) -> int:
    """The number that the service gave the call; -1 where it does not say."""
    try:
        row = answer.json()["row"]
    except (ValueError, KeyError, TypeError):
        return -1
    return row if isinstance(row, int) else -1
