"""HTTP to eosproxy: never through an HTTP proxy of the environment, errors in eosproxy's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
import requests

from faults.errors import ProxyFailedError, ProxyGoneError, ProxyRefusedError

DIRECT: Mapping[str, None] = {"http": None, "https": None, "all": None}
"""`proxies=` of requests: without it, HTTP_PROXY of the environment would be asked to fetch 127.x.y.z."""


@contextmanager
def transport_errors(asked: str, url: str) -> Iterator[None]:
    """Turn every failure to get an answer at all into ProxyGoneError.

    Args:
        asked: The request in words, as `GET /eos/hops`.
        url: The proxy's base URL.
    """
    try:
        yield
    except requests.Timeout as error:
        raise ProxyGoneError(f"eosproxy at {url} did not answer {asked} in time: it hangs or is overloaded") from error
    except requests.RequestException as error:
        raise ProxyGoneError(f"eosproxy at {url} cannot be reached ({asked}): {_root(error)}") from error


def _root(error: BaseException) -> str:
    """What the system said, where it said something; requests wraps it three times."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return str(error)


def checked(asked: str, response: requests.Response) -> requests.Response:
    """The same response, if it is a success.

    Raises:
        ProxyRefusedError: Status 4xx.
        ProxyFailedError: Any other status that is no success.
    """
    if response.ok and response.status_code < 300:
        return response
    words = words_of(response.content)
    if 400 <= response.status_code < 500:
        raise ProxyRefusedError(asked, response.status_code, words)
    raise ProxyFailedError(f"eosproxy failed at {asked}: {words} (status {response.status_code})")


def json_of(asked: str, response: requests.Response) -> Any:
    """The decoded body of a checked response.

    Raises:
        ProxyFailedError: It is not JSON: something else listens at this address.
    """
    try:
        return response.json()
    except requests.JSONDecodeError as error:
        raise ProxyFailedError(f"{asked} was not answered with JSON: is it eosproxy that listens there?") from error


def words_of(body: bytes) -> str:
    """What an error answer of eosproxy or Toxiproxy says: its `error`, or the bare text of anything else."""
    try:
        error = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        error = body.decode(errors="replace").strip()[:500]
    return str(error) or "no reason given"
