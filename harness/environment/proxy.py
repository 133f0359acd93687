"""What an environment itself says to eosproxy: are you there, make these hops, forget that run's proxies. Everything
else goes through `faults`.

With the standard library alone, since this stands in the way of the brokers' start: importing requests costs 0.2 s.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from harness.errors import EnvironmentFailedError
from harness.topology import Address, Topology

_CALL_S = 10.0


def proxy_argv(program: Path | str, api: Address) -> list[str]:
    return [str(program), "-api", str(api)]


def answers(api: Address) -> bool:
    try:
        status, _ = _ask(api, "GET", "/eos/health")
    except (OSError, http.client.HTTPException):
        return False
    return status == 200


def make_hops(topology: Topology) -> None:
    """Make every hop of the cluster.

    Raises:
        EnvironmentFailedError: It refused; carries its words.
    """
    hops = [hop.to_json() for hop in topology.hops()]
    try:
        status, body = _ask(topology.proxy_api, "POST", "/eos/hops", hops)
    except (OSError, http.client.HTTPException) as error:
        raise EnvironmentFailedError(f"eosproxy at {topology.proxy_api} did not answer: {error!r}") from error
    if status != 201:
        raise EnvironmentFailedError(f"eosproxy refused the cluster's hops ({status}): {body.strip()[:500]}")


def remove_toxiproxies(topology: Topology) -> None:
    """Remove every proxy that a run made in front of a broker, its toxics and connections with it.

    Raises:
        EnvironmentFailedError: It refused; carries its words.
    """
    try:
        _, listed = _ask(topology.proxy_api, "GET", "/proxies")
        for name in json.loads(listed):
            status, body = _ask(topology.proxy_api, "DELETE", f"/proxies/{name}")
            if status not in (204, 404):
                raise EnvironmentFailedError(f"eosproxy did not remove {name!r} ({status}): {body.strip()[:500]}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EnvironmentFailedError(f"eosproxy at {topology.proxy_api} did not answer: {error!r}") from error


def _ask(api: Address, method: str, path: str, body: Any = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(api.host, api.port, timeout=_CALL_S)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()
