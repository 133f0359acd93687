"""Names, addresses and ports of one cluster. Pure: nothing is opened, started or looked up.

Every cluster has a *block* of loopback addresses of its own, 127.<block>.0.0/16, so several run on one machine::

    127.B.0.1      port 29000: held by the cluster's keeper for as long as it lives; who holds it owns the block
    127.B.1.n      broker n: INTERNAL 29092, CONTROLLER 29093, DIRECT 29100, lane l at 29200+l
    127.B.2.1      PostgreSQL 25432
    127.B.3.1      eosproxy's API 8474
    127.B.4.1      the REST service 28080
    127.B.5.1      the mail server: SMTP 25025, and 28080 where its mailboxes are made and read
    127.B.10+f.t   the directed link from broker f to broker t, same ports as INTERNAL and CONTROLLER
    127.B.30+f.t   Toxiproxy behind that link, same ports (made only where a toxic is wanted)
    127.B.100+l.n  lane l's hop to broker n, port 29200+l; .21, .22 and .23 to PostgreSQL, REST and SMTP, at their ports
    127.B.150+l.n  Toxiproxy behind the hop of the same last number, at its port (made only where a toxic is wanted)

An app sees the cluster through its lane only: each lane is a listener of its own, advertised at its own hops, so a
client that bootstraps through a lane never learns another address. Brokers see one another through host names that
each broker's own hosts file resolves to its own directed links. What an app uses beside Kafka it reaches through its
lane as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

FIRST_BLOCK, LAST_BLOCK = 16, 239
MOST_NODES, MOST_LANES = 9, 16

Protocol = Literal["kafka", "tcp", "postgres", "http", "smtp"]
Service = Literal["postgres", "rest", "smtp"]
SERVICES: tuple[Service, ...] = get_args(Service)
"""What apps use beside Kafka."""

INTERNAL, CONTROLLER, DIRECT = "INTERNAL", "CONTROLLER", "DIRECT"
_PORTS = {INTERNAL: 29092, CONTROLLER: 29093, DIRECT: 29100}
_FIRST_LANE_PORT = 29200
_LINK_LISTENERS = (INTERNAL, CONTROLLER)
_FIRST_SERVICE_HOST = 21
_SERVICE_PROTOCOLS: Mapping[Service, Protocol] = {"postgres": "postgres", "rest": "http", "smtp": "smtp"}


@dataclass(frozen=True, slots=True, order=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Hop:
    """One relay of eosproxy.

    Args:
        name: `lane-3/broker-1`, `lane-3/postgres` or `link/1-2/INTERNAL`.
        lane: `lane-3`; empty for a link between brokers.
        link: `1-2` (from, to); empty for a lane.
        protocol: In what steps are counted; `tcp` where bytes are only passed or withheld.
    """

    name: str
    lane: str
    link: str
    listen: Address
    upstream: Address
    protocol: Protocol

    def to_json(self) -> dict[str, str]:
        """The body that eosproxy's `POST /eos/hops` takes, one element of its list."""
        return {
            "name": self.name,
            "lane": self.lane,
            "link": self.link,
            "listen": str(self.listen),
            "upstream": str(self.upstream),
            "protocol": self.protocol,
        }


@dataclass(frozen=True, slots=True)
class Topology:
    """One cluster's addresses.

    Args:
        block: Second octet of all its addresses, 16 to 239.
        nodes: Brokers, 1 to 9; they are numbered from 1.
        lanes: 0 to 16; they are numbered from 0.

    Raises:
        ValueError: Out of these ranges.
    """

    block: int
    nodes: int = 3
    lanes: int = 16

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("block", self.block, FIRST_BLOCK, LAST_BLOCK),
            ("nodes", self.nodes, 1, MOST_NODES),
            ("lanes", self.lanes, 0, MOST_LANES),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} of a cluster must be {least} to {most}, not {value}")

    @property
    def node_ids(self) -> range:
        return range(1, self.nodes + 1)

    @property
    def lane_indexes(self) -> range:
        return range(self.lanes)

    @property
    def lock(self) -> Address:
        """Listened at by the owner of the block: the kernel allows one, and frees it when that one dies."""
        return self._at(0, 1, 29000)

    @property
    def postgres(self) -> Address:
        return self._at(2, 1, 25432)

    @property
    def rest(self) -> Address:
        return self._at(4, 1, 28080)

    @property
    def smtp(self) -> Address:
        return self._at(5, 1, 25025)

    @property
    def mail_api(self) -> Address:
        """Where the mail server's mailboxes are made and read; the harness's alone."""
        return self._at(5, 1, 28080)

    @property
    def proxy_api(self) -> Address:
        return self._at(3, 1, 8474)

    @property
    def proxy_url(self) -> str:
        return f"http://{self.proxy_api}"

    @property
    def bootstrap_direct(self) -> str:
        """Past every hop: for the harness's own reading and administration, never for an app."""
        return ",".join(str(self.broker(node, DIRECT)) for node in self.node_ids)

    def bootstrap_lane(self, lane: int) -> str:
        return ",".join(str(self.lane_hop(lane, node).listen) for node in self.node_ids)

    def listener_names(self) -> tuple[str, ...]:
        return (*_PORTS, *(lane_listener(lane) for lane in self.lane_indexes))

    def broker(self, node: int, listener: str) -> Address:
        """Where broker `node` itself listens. Raises KeyError for a listener that it does not have."""
        ports = _PORTS | {lane_listener(lane): _FIRST_LANE_PORT + lane for lane in self.lane_indexes}
        return self._at(1, node, ports[listener])

    def advertised(self, node: int, listener: str) -> str:
        """`host:port` that broker `node` gives to those who reach it at this listener."""
        if listener == INTERNAL:
            return f"{internal_host(node)}:{_PORTS[INTERNAL]}"
        if listener == CONTROLLER:
            return f"{controller_host(node)}:{_PORTS[CONTROLLER]}"
        if listener == DIRECT:
            return str(self.broker(node, DIRECT))
        return str(self.lane_hop(int(listener.removeprefix("LANE")), node).listen)

    def lane_hop(self, lane: int, node: int) -> Hop:
        port = _FIRST_LANE_PORT + lane
        return Hop(
            name=f"{lane_name(lane)}/broker-{node}",
            lane=lane_name(lane),
            link="",
            listen=self._at(100 + lane, node, port),
            upstream=self._at(1, node, port),
            protocol="kafka",
        )

    def service(self, service: Service) -> Address:
        """Where a service itself listens."""
        return {"postgres": self.postgres, "rest": self.rest, "smtp": self.smtp}[service]

    def service_hop(self, lane: int, service: Service) -> Hop:
        upstream = self.service(service)
        return Hop(
            name=f"{lane_name(lane)}/{service}",
            lane=lane_name(lane),
            link="",
            listen=self._at(100 + lane, _FIRST_SERVICE_HOST + SERVICES.index(service), upstream.port),
            upstream=upstream,
            protocol=_SERVICE_PROTOCOLS[service],
        )

    def link_hop(self, source: int, target: int, listener: str) -> Hop:
        """The directed hop through which broker `source` reaches `target`. Requests flow that way, replies back."""
        return Hop(
            name=f"link/{source}-{target}/{listener}",
            lane="",
            link=f"{source}-{target}",
            listen=self._at(10 + source, target, _PORTS[listener]),
            upstream=self.broker(target, listener),
            protocol="kafka",
        )

    def toxic_address(self, lane: int, node: int) -> Address:
        """Where a Toxiproxy proxy listens that stands between lane `lane`'s hop and broker `node`."""
        return self._at(150 + lane, node, _FIRST_LANE_PORT + lane)

    def service_toxic_address(self, lane: int, service: Service) -> Address:
        """The same between the lane's hop and a service."""
        return self._at(150 + lane, _FIRST_SERVICE_HOST + SERVICES.index(service), self.service(service).port)

    def link_toxic_address(self, hop: Hop) -> Address:
        """The same between the hop of a link and the broker that it leads to."""
        source, target = hop.link.split("-")
        return self._at(30 + int(source), int(target), hop.listen.port)

    def hops(self) -> tuple[Hop, ...]:
        """Every hop of the cluster: lanes first, then the links of every directed pair."""
        return (*(hop for lane in self.lane_indexes for hop in self._lane(lane)), *self.link_hops())

    def link_hops(self) -> Iterator[Hop]:
        """Of every directed pair of brokers."""
        for source in self.node_ids:
            for target in self.node_ids:
                if source != target:
                    yield from (self.link_hop(source, target, listener) for listener in _LINK_LISTENERS)

    def lane_hop_names(self, lane: int) -> tuple[str, ...]:
        """Of the hops to brokers."""
        return tuple(self.lane_hop(lane, node).name for node in self.node_ids)

    def link_hop_names(self, source: int, target: int) -> tuple[str, ...]:
        return tuple(self.link_hop(source, target, listener).name for listener in _LINK_LISTENERS)

    def hosts_file(self, node: int, machine: str) -> str:
        """What `jdk.net.hosts.file` of broker `node` holds.

        Args:
            machine: The machine's own host name. The file replaces *all* name resolution of that JVM, and some of its
                libraries insist on resolving the local host.
        """
        lines = []
        for other in self.node_ids:
            host = (
                self.broker(other, INTERNAL).host if other == node else self.link_hop(node, other, INTERNAL).listen.host
            )
            lines.append(f"{host} {internal_host(other)} {controller_host(other)}")
        lines.append(f"127.0.0.1 localhost {machine}")
        return "\n".join(lines) + "\n"

    def listening(self) -> tuple[Address, ...]:
        """Every address that a started cluster listens at, its lock and the on-demand toxic addresses excepted."""
        brokers = (self.broker(node, name) for node in self.node_ids for name in self.listener_names())
        services = (self.postgres, self.rest, self.smtp, self.mail_api, self.proxy_api)
        return (*brokers, *services, *(hop.listen for hop in self.hops()))

    def _lane(self, lane: int) -> Iterator[Hop]:
        yield from (self.lane_hop(lane, node) for node in self.node_ids)
        yield from (self.service_hop(lane, service) for service in SERVICES)

    def _at(self, third: int, fourth: int, port: int) -> Address:
        return Address(f"127.{self.block}.{third}.{fourth}", port)


def lane_name(lane: int) -> str:
    return f"lane-{lane}"


def lane_listener(lane: int) -> str:
    """The broker listener behind a lane. Kafka wants upper case."""
    return f"LANE{lane}"


def internal_host(node: int) -> str:
    return f"b{node}.eos"


def controller_host(node: int) -> str:
    return f"c{node}.eos"
