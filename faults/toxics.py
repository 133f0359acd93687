"""Toxiproxy's proxies and toxics: the one thin module over toxiproxy-python.

That library keeps host and port in class globals, has no timeouts, lets 5xx answers pass and throws away what
Toxiproxy echoes. Toxiproxy itself answers 200 to an attribute that it does not know and sets the known one to 0: a
silent no-fault. So every toxic is read back and compared, when it is added and again when its evidence is asked for.
After a 5xx or a timeout a change may still be applied *later*, so that the proxy's state is unknown: it is made anew,
without toxics; its connections are cut.

Toxicity is always 1.0: Toxiproxy's seed does nothing, so chance would not be ours.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from faults.errors import FaultError, ProxyFailedError, ProxyGoneError, ProxyRefusedError, ToxicError
from faults.transport import DIRECT, checked, json_of, transport_errors, words_of

Stream = Literal["downstream", "upstream"]
"""downstream = replies, on their way to the client."""

_STATUS = {ProxyExists: 409, NotFound: 404, InvalidToxic: 400}


class Toxics:
    """The Toxiproxy at a URL. Threads may share one.

    Every method raises ProxyGoneError, ProxyRefusedError or ProxyFailedError as `HopClient` does.

    Args:
        url: `http://127.22.3.1:8474`, the same as eosproxy's.
        timeout_s: For each request.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        parts = urlsplit(self.url)
        # A class of our own per server: the library reads host and port from the class that is called.
        self._api: Any = type("Consumer", (APIConsumer,), {"host": parts.hostname, "port": parts.port})
        self._lock = threading.RLock()
        self._made: dict[str, dict[str, Any]] = {}
        self._remade: dict[str, int] = {}
        self._added: dict[str, dict[str, dict[str, Any]]] = {}  # proxy → toxic → as it was asked for

    def create_proxy(self, name: str, listen: str, upstream: str) -> None:
        """Make a proxy without toxics that accepts connections at once.

        Args:
            name: Without a slash: it is part of a path.
            listen: `host:port`.
            upstream: `host:port`.

        Raises:
            ProxyRefusedError: Status 409: the name exists.
            ProxyFailedError: Usual cause: the address is taken.
            ToxicError: It is listed otherwise than it was asked for.
        """
        wanted = {"name": name, "listen": listen, "upstream": upstream, "enabled": True}
        with self._lock:
            self._ask("post", "/proxies", wanted)
            self._made[name] = wanted
            try:
                _compare(f"proxy {name!r}", wanted | {"toxics": []}, self._ask("get", f"/proxies/{name}"))
            except FaultError:
                self.remove_proxy(name)
                raise

    def remove_proxy(self, name: str) -> None:
        """Remove a proxy with its toxics and connections; it is no error when there is none."""
        with self._lock:
            self._made.pop(name, None)
            self._added.pop(name, None)
            try:
                self._ask("delete", f"/proxies/{name}")
            except ProxyRefusedError as error:
                if error.status != 404:
                    raise

    def add(
        self, proxy: str, toxic: str, kind: str, attributes: Mapping[str, int], stream: Stream = "downstream"
    ) -> None:
        """Add a toxic to one direction of a proxy.

        Args:
            proxy: Made by `create_proxy` of this object.
            toxic: Its name, unique on the proxy.
            kind: Toxiproxy's `type`: latency, bandwidth, slicer, reset_peer.
            attributes: As Toxiproxy names them, all of them.

        Raises:
            ToxicError: It is not listed as asked for and was taken back, or the proxy refuses changes even after it
                was made anew.
        """
        wanted = {
            "name": toxic,
            "type": kind,
            "stream": stream,
            "toxicity": 1.0,
            "attributes": dict(attributes),
        }
        with self._lock:
            try:
                self._ask("post", f"/proxies/{proxy}/toxics", wanted)
            except (ProxyFailedError, ProxyGoneError) as error:
                self._remake(proxy, error)
                self._ask("post", f"/proxies/{proxy}/toxics", wanted)
            self._added.setdefault(proxy, {})[toxic] = wanted
            try:
                self.check(proxy)
            except FaultError:
                self.remove_toxic(proxy, toxic)
                raise

    def check(self, proxy: str) -> None:
        """
        Raises:
            ToxicError: A toxic that was added here is not listed any more, or not as it was asked for.
        """
        with self._lock:
            listed = {toxic["name"]: toxic for toxic in self._ask("get", f"/proxies/{proxy}/toxics")}
            for name, wanted in self._added.get(proxy, {}).items():
                if name not in listed:
                    raise ToxicError(f"toxic {name!r} of proxy {proxy!r} is not there: somebody removed it")
                _compare(f"toxic {name!r} of proxy {proxy!r}", wanted, listed[name])

    def remove_toxic(self, proxy: str, toxic: str) -> None:
        """Remove a toxic; what it held back goes on at once. It is no error when there is none.

        Raises:
            ToxicError: It is still listed, or the proxy refuses changes even after it was made anew.
        """
        with self._lock:
            self._added.get(proxy, {}).pop(toxic, None)
            try:
                self._ask("delete", f"/proxies/{proxy}/toxics/{toxic}")
            except ProxyRefusedError as error:
                if error.status != 404:
                    raise
            except (ProxyFailedError, ProxyGoneError) as error:
                self._remake(proxy, error)
            if toxic in self.toxics(proxy):
                raise ToxicError(f"toxic {toxic!r} of proxy {proxy!r} is still listed after its removal")

    def toxics(self, proxy: str) -> list[str]:
        """The names of a proxy's toxics."""
        return [str(toxic["name"]) for toxic in self._ask("get", f"/proxies/{proxy}/toxics")]

    def remade(self, proxy: str) -> int:
        """How often a proxy had to be made anew, which cuts its connections: a fault nobody asked for."""
        return self._remade.get(proxy, 0)

    def _remake(self, name: str, cause: FaultError) -> None:
        made = self._made.get(name)
        if made is None:
            raise cause
        added = self._added.get(name, {})
        try:
            self.remove_proxy(name)
            self.create_proxy(name, made["listen"], made["upstream"])
        except FaultError as error:
            self._made[name] = made
            raise ToxicError(
                f"proxy {name!r} is wedged ({cause}) and cannot be made anew ({error}): its client does not"
                " read. Resume a paused client before its toxics are changed, or start eosproxy again"
            ) from error
        self._added[name] = added  # they are gone, which `check` is to find
        self._remade[name] = self.remade(name) + 1

    def _ask(self, method: Literal["get", "post", "delete"], path: str, json: Any = None) -> Any:
        asked = f"{method.upper()} {path}"
        options = {"timeout": self.timeout_s, "proxies": DIRECT} | ({} if json is None else {"json": json})
        try:
            with transport_errors(asked, self.url):
                response: requests.Response = getattr(self._api, method)(path, **options)
        except (ProxyExists, NotFound, InvalidToxic) as error:
            raise ProxyRefusedError(asked, _STATUS[type(error)], words_of(error.args[0])) from error
        checked(asked, response)
        return json_of(asked, response) if response.content.strip() else None


def _compare(what: str, wanted: dict[str, Any], echo: Any) -> None:
    differs = {key: echo.get(key) for key, value in wanted.items() if echo.get(key) != value}
    if differs:
        raise ToxicError(f"{what} is not what was asked for: {differs} instead of { {k: wanted[k] for k in differs} }")
