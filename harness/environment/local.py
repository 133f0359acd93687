"""A running local cluster as the harness holds it: opened, worked with, and given back.

The cluster itself belongs to a keeper process (`keeper.py`); this end of the line knows its addresses, leases its
lanes and watches over its components.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from harness.environment import rpc
from harness.environment.installation import Installation
from harness.environment.node import broker_properties
from harness.environment.postgres import dsn
from harness.environment.spec import ClusterSpec
from harness.environment.usable import Usability, wait_for_postgres, wait_for_service
from harness.errors import EnvironmentFailedError
from harness.topology import SERVICES, Service, Topology, lane_name

USABLE_S = 60.0
BROKER_BACK_S = 30.0
POSTGRES_BACK_S = 20.0
SERVICE_S = 20.0
REUSED_S = 20.0


Info = Mapping[str, Any]
"""What a keeper says of its cluster."""
Adopt = Callable[[rpc.Line, Info], None]


@dataclass(frozen=True, slots=True)
class Lane:
    """One way into the cluster, for one app instance.

    Args:
        name: `lane-3`, as the hops' events and rules call it.
        bootstrap: `bootstrap.servers` for whoever is to use it.
        hop_names: Its hops to brokers, one each.
        postgres_dsn: libpq's connection string. All addresses lead through the lane's own hops.
        rest_url: `http://host:port`.
        smtp: `host:port`.
        service_hops: `postgres`, `rest`, `smtp` → the hop to it.
    """

    name: str
    index: int
    bootstrap: str
    hop_names: tuple[str, ...]
    postgres_dsn: str
    rest_url: str
    smtp: str
    service_hops: Mapping[Service, str]

    @classmethod
    def of(cls, topology: Topology, index: int) -> Lane:
        hops = {service: topology.service_hop(index, service) for service in SERVICES}
        return cls(
            name=lane_name(index),
            index=index,
            bootstrap=topology.bootstrap_lane(index),
            hop_names=topology.lane_hop_names(index),
            postgres_dsn=dsn(hops["postgres"].listen),
            rest_url=f"http://{hops['rest'].listen}",
            smtp=str(hops["smtp"].listen),
            service_hops={service: hop.name for service, hop in hops.items()},
        )


class Environment:
    """A usable cluster with its database and its proxy.

    Attributes:
        topology: Its addresses.
        cluster_id: What every answer of its brokers must carry.
        postgres_dsn: libpq's connection string.
        seconds: How long it took to become usable.
        reused: Whether it was running already.
        served: How many repeats it has had in this run; whoever runs one counts it.
    """

    def __init__(
        self,
        line: rpc.Line,
        info: Info,
        installation: Installation,
        start_another: Callable[[Adopt], None],
        *,
        began: float,
        reused: bool,
    ) -> None:
        self._installation = installation
        self._start_another = start_another
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._adopt(line, info, began=began, reused=reused)

    def _adopt(self, line: rpc.Line, info: Info, *, began: float, reused: bool) -> None:
        spec = ClusterSpec.from_json(info["spec"])
        self.topology = Topology(info["block"], spec.nodes, spec.lanes)
        self.cluster_id: str = info["cluster_id"]
        self.postgres_dsn = dsn(self.topology.postgres)
        self.reused = reused
        self.served = 0
        self._line = line
        self._spec = spec
        self._folder = Path(info["folder"])
        self._down: set[str] = set()
        self._free = deque(self.topology.lane_indexes)
        self._usability = Usability(self.topology, self.cluster_id, self.check)
        deadline_s = REUSED_S if reused else USABLE_S
        self._usability.wait_usable(deadline_s)
        wait_for_postgres(self.topology, deadline_s, self.check)
        self.seconds = round(time.monotonic() - began, 3)

    def renew(self) -> None:
        """End this cluster and take another of the same kind; its addresses, its id and its lanes are new.

        Raises:
            EnvironmentFailedError: The other one did not become usable.
        """
        self._line.end_cluster()
        self._start_another(partial(self._adopt, began=time.monotonic(), reused=False))

    def close(self) -> None:
        """Give it back: it ends, unless it is to be kept."""
        self._line.hang_up()

    @property
    def proxy_url(self) -> str:
        return self.topology.proxy_url

    @property
    def bootstrap_direct(self) -> str:
        """Past every hop: for the harness's own reading and administration, never for an app."""
        return self.topology.bootstrap_direct

    @property
    def rest_url(self) -> str:
        """Of the REST service, past every hop; it is there once it was started."""
        return f"http://{self.topology.rest}"

    @property
    def mail_url(self) -> str:
        """Where the mail server's mailboxes are made and read."""
        return f"http://{self.topology.mail_api}"

    def lease_lane(self) -> Lane:
        """A lane that nobody else has until it is released.

        Raises:
            EnvironmentFailedError: All are leased.
        """
        with self._lock:
            if not self._free:
                raise EnvironmentFailedError(
                    f"all {self.topology.lanes} lanes are leased: every app instance needs one of its own"
                )
            index = self._free.popleft()
        return Lane.of(self.topology, index)

    def release_lane(self, lane: Lane) -> None:
        """Give it back, to be leased again after all that are free now."""
        with self._lock:
            assert lane.index not in self._free, f"{lane.name} is not leased"
            self._free.append(lane.index)

    def process(self, component: str) -> tuple[int, float]:
        """Process id and start (seconds since the epoch) of `broker 1`, `postgres`, `proxy`, `rest`, `smtp`.

        Raises:
            EnvironmentFailedError: There is no such component, or it does not run.
        """
        state = self._line.call("info")["processes"].get(component)
        if state is None:
            raise EnvironmentFailedError(f"this cluster has no {component!r}")
        if not state["running"]:
            raise EnvironmentFailedError(state["obituary"])
        return state["pid"], state["created"]

    def mark_down(self, component: str) -> None:
        """A fault is about to end or to stop it: `check` does not mind until `mark_up`."""
        with self._lock:
            self._down.add(component)

    def mark_up(self, component: str) -> None:
        with self._lock:
            self._down.discard(component)

    def start_broker(self, node: int) -> None:
        """Start a broker that has ended; returns when it is part of the cluster again.

        Raises:
            EnvironmentFailedError: It did not come back; carries the end of its log.
        """
        component = f"broker {node}"
        self._line.call("start", component=component)
        self._usability.wait_registered(node, BROKER_BACK_S, lambda: self._require(component))

    def start(self, component: str) -> None:
        """Start `broker 1` or `postgres` after its end, `rest` or `smtp` when one is first wanted or after its end.

        Returns when it answers; at once when `rest` or `smtp` runs already. What a service had answered for before its
        end, it still knows.

        Raises:
            EnvironmentFailedError: It did not come (back), or a broker or PostgreSQL runs already; carries the end of
                its log.
        """
        match component:
            case "rest" | "smtp":
                self._start_service(component)
            case "postgres":
                self._start_postgres()
            case _ if component.startswith("broker "):
                self.start_broker(int(component.removeprefix("broker ")))
            case _:
                raise EnvironmentFailedError(f"this cluster has no {component!r}")

    def _start_service(self, service: Literal["rest", "smtp"]) -> None:
        with self._starting:  # several repeats may want it at once
            state = self._line.call("info")["processes"].get(service)
            if state is None or not state["running"]:
                self._line.call("start", component=service)
        url = self.rest_url if service == "rest" else self.mail_url
        wait_for_service(url, self.cluster_id, SERVICE_S, lambda: self._require(service))

    def _start_postgres(self) -> None:
        """A postmaster that was killed leaves backends, and no other starts before they have noticed."""
        deadline = time.monotonic() + POSTGRES_BACK_S
        while True:
            self._line.call("start", component="postgres")
            try:
                left_s = deadline - time.monotonic()
                wait_for_postgres(self.topology, left_s, lambda: self._require("postgres"))
                return
            except EnvironmentFailedError:
                if time.monotonic() > deadline or self._line.call("info")["processes"]["postgres"]["running"]:
                    raise
            time.sleep(0.1)

    def check(self) -> None:
        """
        Raises:
            EnvironmentFailedError: A component has ended that no fault ended, or the keeper is gone; carries the end
                of its log.
        """
        states = self._line.call("info")["processes"]
        with self._lock:
            down = set(self._down)
        for name, state in states.items():
            if not state["running"] and name not in down:
                raise EnvironmentFailedError(state["obituary"])

    def describe(self) -> dict[str, Any]:
        """What it is, JSON-ready: versions, addresses and the brokers' effective properties."""
        made = self._installation
        topology = self.topology
        return {
            "kind": "local",
            "cluster_id": self.cluster_id,
            "reused": self.reused,
            "usable_after_s": self.seconds,
            "versions": {
                "kafka": made.kafka_version,
                "java": made.java_version,
                "postgres": made.postgres_version,
                "python": sys.version.split()[0],
            },
            "spec": self._spec.to_json(),
            "addresses": {
                "direct": topology.bootstrap_direct,
                "proxy": topology.proxy_url,
                **{service: str(topology.service(service)) for service in SERVICES},
                "lanes": {lane_name(lane): topology.bootstrap_lane(lane) for lane in topology.lane_indexes},
            },
            "brokers": {
                str(node): broker_properties(topology, node, self._folder / f"broker-{node}", self._spec.broker)
                for node in topology.node_ids
            },
        }

    def _require(self, component: str) -> None:
        state = self._line.call("info")["processes"][component]
        if not state["running"]:
            raise EnvironmentFailedError(state["obituary"])
