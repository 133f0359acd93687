"""A REST service: `POST /<resource>` has one effect, and answers when the effect is on the disk.

`python -m harness.services.rest ADDRESS STORE CLUSTER`

The body is a JSON object with the record's `id`, and optionally its `key` and `seq`; whatever else it holds is the
business of who calls. With `Idempotency-Key` (where the resource was made with it) a call has its effect once, as
draft-ietf-httpapi-idempotency-key-header says: the same key again gets the first reply again; 409 while the first is
not done; 422 with another body. Elsewhere the key is written down and has no meaning.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.services.naming import IDEMPOTENCY_KEY, REPLAYED, SRC, TXN, WRITER
from harness.services.resources import application, json_object, resource_name
from harness.services.serving import Arguments, serve_http
from harness.services.store import Call, OtherCallError, Store

_KEY_CHARACTERS_MAX = 255
_INT64 = range(-(2**63), 2**63)


def rest(cluster_id: str, store: Store) -> Starlette:
    """The service as an ASGI application."""
    calls = Calls(store)
    return application("rest", cluster_id, store, [Route("/{resource}", calls.post, methods=["POST"])])


class Calls:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._in_progress: set[tuple[str, str]] = set()

    async def post(self, request: Request) -> Response:
        resource = resource_name(request)
        heeded = self._store.idempotency(resource)
        body = await json_object(request)
        call = _call(body, request)
        if call.idempotency_key is None or not heeded:
            return _reply(call, await self._store.accept(resource, call))
        with self._only(resource, call.idempotency_key):
            try:
                return _reply(call, await self._store.accept(resource, call, _fingerprint(body)))
            except OtherCallError as error:
                raise HTTPException(422, f"the idempotency key {error} was used for another call") from error

    @contextmanager
    def _only(self, resource: str, key: str) -> Iterator[None]:
        if (resource, key) in self._in_progress:
            raise HTTPException(409, f"a call with the idempotency key {key} is in progress")
        self._in_progress.add((resource, key))
        try:
            yield
        finally:
            self._in_progress.discard((resource, key))


def _reply(call: Call, accepted: Any) -> Response:
    headers = None if accepted.new else {REPLAYED: "true"}
    return JSONResponse({"row": accepted.row, "id": call.id}, 201, headers)


def _call(body: dict[str, Any], request: Request) -> Call:
    if "id" not in body:
        raise HTTPException(400, "the body must have 'id': the record that the call is made for")
    for name, kind, words in (("id", str, "text"), ("key", str, "text"), ("seq", int, "a whole number of 64 bits")):
        value = body.get(name)
        fits = value is None or (type(value) is kind and (kind is str or value in _INT64))
        if not fits:
            raise HTTPException(400, f"'{name}' must be {words}, not {value!r}")
    headers = request.headers
    return Call(
        id=body["id"],
        key=body.get("key"),
        seq=body.get("seq"),
        src=headers.get(SRC),
        writer=headers.get(WRITER),
        txn=headers.get(TXN),
        idempotency_key=_idempotency_key(headers.get(IDEMPOTENCY_KEY)),
    )


def _idempotency_key(text: str | None) -> str | None:
    """The draft wants it in quotation marks, and nearly nobody writes them."""
    if text is None:
        return None
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if not 0 < len(key) <= _KEY_CHARACTERS_MAX:
        raise HTTPException(400, f"an {IDEMPOTENCY_KEY} has 1 to {_KEY_CHARACTERS_MAX} characters, not {len(key)}")
    return key


def _fingerprint(body: dict[str, Any]) -> str:
    """The same for the same content, however it is spaced and ordered."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


async def _serve(arguments: Arguments) -> None:
    await serve_http(rest(arguments.cluster_id, Store(arguments.store)), arguments.listen)


if __name__ == "__main__":
    asyncio.run(_serve(Arguments.parse("rest")))
