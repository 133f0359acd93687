"""What the harness itself asks of the services, past every hop: make a resource, read it whole, remove it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests

_CALL_S = 10.0


class ServiceGoneError(Exception):
    """A service does not answer, or refuses; the message says which and why, on one line."""


class Resources:
    """The resources of one service.

    Args:
        url: `http://host:port` of its HTTP side.

    Raises:
        ServiceGoneError: From every method but `delete`.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def create(self, resource: str, *, idempotency: bool = False) -> None:
        """
        Args:
            idempotency: Heed idempotency keys (REST).
        """
        self._ask("PUT", f"/{resource}", json={"idempotency": idempotency})

    def read(self, resource: str) -> Iterator[dict[str, list[Any]]]:
        """Everything that was accepted, in its order, in columns: row, id, key, seq, src (`orders/0/17`), writer, txn,
        idempotency_key, accepted (1; 0 for a reply that was given before)."""
        after = 0
        while rows := (page := self._ask("GET", f"/{resource}", params={"after": str(after)}).json())["row"]:
            yield page
            after = rows[-1]

    def delete(self, resource: str) -> None:
        """One that is not there, or whose service is gone, is as good as removed."""
        try:
            self._ask("DELETE", f"/{resource}")
        except ServiceGoneError:
            return

    def cluster(self) -> str:
        """The id of the cluster that this service belongs to."""
        return str(self._ask("GET", "/").json()["cluster"])

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxy of the user's stands between us and a loopback address
                answer = session.request(method, f"{self._url}{path}", timeout=_CALL_S, **arguments)
        except requests.RequestException as error:
            raise ServiceGoneError(f"{self._url} does not answer: {error}") from error
        if not answer.ok:
            raise ServiceGoneError(f"{self._url}{path} is refused ({answer.status_code}): {answer.text[:200]}")
        return answer
