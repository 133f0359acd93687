"""HTTP for the harness: resources made, read and removed. Errors are `{"error": "…"}`.

::

    GET /                             {"service": "rest", "cluster": "…"}
    PUT /<resource>                   {"idempotency": true}   makes it
    GET /<resource>?after=0           up to 1000 calls, columnar: {"row": […], "id": […], …}
    DELETE /<resource>
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.services.naming import RESOURCE
from harness.services.store import COLUMNS, ExistsOtherwiseError, ResourceGoneError, Store

PAGE = 1000
BODY_BYTES_MAX = 1 << 20


def application(service: str, cluster_id: str, store: Store, routes: Sequence[Route] = ()) -> Starlette:
    """
    Args:
        service: `rest` or `smtp`.
        cluster_id: Of the cluster that it belongs to: whoever asks can tell a stranger.
        routes: More than those above, for the same paths too.
    """

    async def who(_: Request) -> Response:
        return JSONResponse({"service": service, "cluster": cluster_id})

    async def create(request: Request) -> Response:
        settings = await json_object(request)
        idempotency = settings.pop("idempotency", False)
        if settings or not isinstance(idempotency, bool):
            raise HTTPException(400, 'a resource is made with {"idempotency": true} or false, and no other setting')
        await store.create(resource_name(request), idempotency=idempotency)
        return Response(status_code=204)

    async def read(request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) <= 18):
            raise HTTPException(400, f"'after' must be the number of a call, not {after!r}")
        rows = await store.read(resource_name(request), int(after), PAGE)
        columns = zip(*rows, strict=True) if rows else ([] for _ in COLUMNS)
        return JSONResponse(dict(zip(COLUMNS, map(list, columns), strict=True)))

    async def delete(request: Request) -> Response:
        await store.delete(resource_name(request))
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/", who, methods=["GET"]),
            *routes,
            Route("/{resource}", create, methods=["PUT"]),
            Route("/{resource}", read, methods=["GET"]),
            Route("/{resource}", delete, methods=["DELETE"]),
        ],
        exception_handlers={
            HTTPException: lambda _, error: _refused(error.status_code, error.detail, error.headers),
            ResourceGoneError: lambda _, error: _refused(404, f"there is no resource {error}"),
            ExistsOtherwiseError: lambda _, error: _refused(409, f"{error} was made with other settings"),
            sqlite3.Error: lambda _, error: _refused(503, f"nothing can be written down: {error}"),
        },
    )


def resource_name(request: Request) -> str:
    name = str(request.path_params["resource"])
    if not RESOURCE.fullmatch(name):
        raise HTTPException(400, f"{name!r} is no name of a resource: letters, digits, '.', '-' and '_'")
    return name


async def json_object(request: Request) -> dict[str, Any]:
    """The body.

    Raises:
        HTTPException: It is too large, of another type, or no JSON object.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"the body must be application/json, not {kind or 'of no type'}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise HTTPException(413, f"the body is larger than {BODY_BYTES_MAX} bytes")
    try:
        found = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "the body is not a JSON object")
    return found


def _refused(status: int, reason: str, headers: Any = None) -> Response:
    return JSONResponse({"error": reason}, status, headers)
