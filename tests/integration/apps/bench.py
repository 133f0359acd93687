"""One pipeline on real brokers without the conductor: topics, table, apps as processes, evidence, audit."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import orjson
import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import sql

from faults.hops import HopClient
from faults.messages import Action, At, Ending, Rule
from harness.apps.config import Write
from harness.apps.tables import create_table_sql
from harness.audit import audit
from harness.collect import Observer, collect
from harness.collect.cluster import Cluster
from harness.collect.wire import BrokerAwayError
from harness.environment import Environment, Lane
from harness.model import Audit, Place
from harness.scenario.model import Topic
from harness.scenario.strict import PropertyValue
from harness.services import Resources, address
from harness.spawning import spawn

APP_S = 30.0
CLIENTS = ("kafka-python", "confluent-kafka")
RECORDS = 20
ALL = [f"producer-{n:06d}" for n in range(RECORDS)]
ORDERS, INVOICES, TABLE = "orders", "invoices", "invoices_seen"
BILLING, OUTBOX = "billing", "outbox"


class Bench:
    """producer → orders → processor (→ billing) → invoices → sink → table or outbox; use it as a context manager.

    Args:
        table: How the sink writes its table; None when there is none.
        billing: Whether the service that the processor calls heeds idempotency keys; None when there is none.
        outbox: Whether the sink writes e-mails.
        invoices: Topic properties of the invoices.
    """

    def __init__(
        self,
        environment: Environment,
        folder: Path,
        *,
        partitions: int = 2,
        table: Write | None = None,
        billing: bool | None = None,
        outbox: bool = False,
        invoices: Mapping[str, PropertyValue] | None = None,
    ) -> None:
        self.environment = environment
        self.folder = folder
        self.suffix = secrets.token_hex(3)
        self.orders, self.invoices = f"{ORDERS}.{self.suffix}", f"{INVOICES}.{self.suffix}"
        self.schema = f"t_{self.suffix}"
        self.observer = Observer(environment.bootstrap_direct, environment.cluster_id)
        self._topics = {
            self.orders: Topic(partitions=partitions),
            self.invoices: Topic(partitions=partitions, config=invoices or {}),
        }
        self._table = table
        self._billing = billing
        self._outbox = outbox
        self.billing, self.outbox = f"{BILLING}.{self.suffix}", f"{OUTBOX}.{self.suffix}"
        self._lanes: dict[str, Lane] = {}
        self._incarnations: dict[str, int] = {}
        self._running: list[subprocess.Popen[bytes]] = []
        self._cleanup = ExitStack()

    @property
    def groups(self) -> dict[str, str]:
        """Of the apps that were started: group → the topic that it reads."""
        reads = {"processor": self.orders, "sink": self.invoices}
        started = {name.partition("-")[0] for name in self._incarnations}
        return {self.group(app): topic for app, topic in reads.items() if app in started}

    @property
    def topics(self) -> list[str]:
        return [self.orders, self.invoices]

    def group(self, app: str) -> str:
        return f"{app}.{self.suffix}"

    def __enter__(self) -> Self:
        with self._cleanup:
            self._cleanup.callback(self.observer.close)
            self._cleanup.callback(self.observer.delete_topics, self.topics)
            self.observer.create_topics(self._topics)
            self._make_services()
            if self._table:
                self._cleanup.callback(self.execute, "DROP SCHEMA IF EXISTS {schema} CASCADE")
                self.execute("CREATE SCHEMA {schema}")
                with psycopg.connect(self.dsn, autocommit=True) as connection:
                    connection.execute(create_table_sql(TABLE, self._table))
            for name in ("ledger", "apps"):
                (self.folder / name).mkdir()
            self._cleanup.callback(self._end)
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def _make_services(self) -> None:
        wanted = {"rest": self._billing is not None, "smtp": self._outbox}
        for service in (name for name, want in wanted.items() if want):
            resource, resources = self._resource(service)
            self.environment.start(service)
            self._cleanup.callback(resources.delete, resource)
            resources.create(resource, idempotency=bool(self._billing and service == "rest"))

    def _resource(self, service: str) -> tuple[str, Resources]:
        if service == "rest":
            return self.billing, Resources(self.environment.rest_url)
        return self.outbox, Resources(self.environment.mail_url)

    @property
    def dsn(self) -> str:
        return psycopg.conninfo.make_conninfo(self.environment.postgres_dsn, options=f"-csearch_path={self.schema}")

    def execute(self, statement: str) -> list[Any]:
        with psycopg.connect(self.environment.postgres_dsn, autocommit=True) as connection:
            schema = sql.Identifier(self.schema)
            cursor = connection.execute(sql.SQL(statement).format(schema=schema))  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    # -- apps ------------------------------------------------------------------------------------------------------

    def lane(self, app: str) -> Lane:
        if app not in self._lanes:
            self._lanes[app] = self.environment.lease_lane()
            self._cleanup.callback(self.environment.release_lane, self._lanes[app])
        return self._lanes[app]

    def start(self, app: str, client: str, *, instance: int = 1, **config: Any) -> subprocess.Popen[bytes]:
        """The next incarnation of an instance of an app; its kind is its name."""
        name = f"{app}-{instance}"
        number = self._incarnations[name] = self._incarnations.get(name, 0) + 1
        stem = f"{name}-{number}"
        full = {
            "app": app,
            "instance": instance,
            "instances": 1,
            "incarnation": number,
            "process": f"{app}#{instance}/{number}",
            "client": client,
            "bootstrap": self.lane(name).bootstrap,
            "ledger": str(self.folder / "ledger" / f"{stem}.jsonl"),
            "state": str(self.folder / "apps"),
            "batch": 5,
            "batch_wait_s": 0.3,
            **self._ends(app, self.lane(name)),
            **config,
        }
        if full.get("commit") == "in_transaction":
            full["transactional_id"] = f"{name}.{self.suffix}"
        path = self.folder / "apps" / f"{stem}.json"
        path.write_bytes(orjson.dumps(full))
        process = spawn([sys.executable, "-m", f"harness.apps.{app}", path], log=self.log)
        self._running.append(process)
        return process

    def _ends(self, app: str, lane: Lane) -> dict[str, Any]:
        orders = {"place": ORDERS, "topic": self.orders}
        invoices = {"place": INVOICES, "topic": self.invoices}
        if app == "producer":
            return {"to": orders, "records": RECORDS, "keys": 12, "seed": 7}
        if app == "processor":
            url = {"place": BILLING, "url": f"{lane.rest_url}/{self.billing}"}
            called = None if self._billing is None else url
            return {"from": orders, "to": invoices, "group": self.group(app), "calls": called}
        ends = {"from": invoices, "group": self.group(app)}
        if self._outbox:
            return {**ends, "mailbox": {"place": OUTBOX, "smtp": lane.smtp, "to": address(self.outbox)}}
        dsn = psycopg.conninfo.make_conninfo(lane.postgres_dsn, options=f"-csearch_path={self.schema}")
        return {**ends, "dsn": dsn, "table": {"place": TABLE, "name": TABLE}, "write": self._table}

    @property
    def log(self) -> Path:
        """What the apps said on stderr."""
        return self.folder / "apps.log"

    def finish(self, process: subprocess.Popen[bytes], expected: int = 0) -> None:
        """Waits for an app that ends by itself."""
        assert process.wait(APP_S) == expected, f"it ended with {process.returncode}:\n{self.log.read_text()}"

    def stop(self, *processes: subprocess.Popen[bytes]) -> None:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            self.finish(process)

    def _end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
                process.wait(10)

    # -- evidence --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        wait_until(lambda: self.observer.settled(self.groups, self.topics))

    def collect(self) -> list[str]:
        (self.folder / "places.json").write_bytes(
            orjson.dumps({"schema": 1, "places": [asdict(place) for place in self.places()], "drained": True})
        )
        return collect(
            bootstrap=self.environment.bootstrap_direct,
            cluster_id=self.environment.cluster_id,
            dsn=self.environment.postgres_dsn,
            places=self.places(),
            out=self.folder,
            deadline_s=30.0,
            rest_url=self.environment.rest_url,
            mail_url=self.environment.mail_url,
        )

    def places(self) -> list[Place]:
        views: list[Place] = []
        for isolation in ("read_committed", "read_uncommitted"):
            suffix = "" if isolation == "read_committed" else "@read_uncommitted"
            topic = {"kind": "topic", "isolation": isolation, "partitions": self._topics[self.orders].partitions}
            of_orders = {"name": ORDERS + suffix, "resource": self.orders, "writers": ("producer",)}
            of_invoices = {"name": INVOICES + suffix, "resource": self.invoices, "writers": ("processor",)}
            views.append(Place(**topic, **of_orders))  # type: ignore[arg-type]
            views.append(
                Place(**topic, **of_invoices, upstream=ORDERS, group=self.group("processor"))  # type: ignore[arg-type]
            )
        into_billing = {"upstream": ORDERS, "group": self.group("processor"), "writers": ("processor",)}
        from_sink = {"upstream": INVOICES, "group": self.group("sink"), "writers": ("sink",)}
        if self._table:
            views.append(Place(name=TABLE, kind="table", resource=f"{self.schema}.{TABLE}", **from_sink))  # type: ignore[arg-type]
        if self._billing is not None:
            views.append(Place(name=BILLING, kind="service", resource=self.billing, **into_billing))  # type: ignore[arg-type]
        if self._outbox:
            views.append(Place(name=OUTBOX, kind="mailbox", resource=self.outbox, **from_sink))  # type: ignore[arg-type]
        return views

    def audit(self) -> Audit:
        return audit(self.folder)

    def lines(self, place: str) -> list[dict[str, Any]]:
        """The sightings of a place, its header first."""
        return json_lines(self.folder / "sightings" / f"{place}.jsonl")

    def ids(self, place: str, *statuses: str | None) -> list[str]:
        """Ids of a place's records, sorted; only those of batches with one of these statuses (None: rows)."""
        lines = [line for line in self.lines(place) if "id" in line and "history" not in line]
        return sorted(id_ for line in lines if not statuses or line.get("status") in statuses for id_ in line["id"])

    def rows(self, place: str, number: str = "row") -> list[dict[str, Any]]:
        """Rows, calls or messages (or with `history`, a table's writes), one mapping each."""
        lines = [line for line in self.lines(place) if number in line]
        return [dict(zip(line, row, strict=True)) for line in lines for row in zip(*line.values(), strict=True)]

    def exact(self, place: str, wanted: Collection[str]) -> tuple[int, int]:
        """(too many, missing): of the records that a read_committed reader gets, as against one of each."""
        copies = Counter(self.ids(place, "plain", "committed", None))
        return sum(copies.values()) - len(copies), len(set(wanted) - set(copies))

    def ledger(self, app: str, incarnation: int = 1, instance: int = 1) -> list[dict[str, Any]]:
        return json_lines(self.ledger_path(app, incarnation, instance))

    def ledger_path(self, app: str, incarnation: int = 1, instance: int = 1) -> Path:
        return self.folder / "ledger" / f"{app}-{instance}-{incarnation}.jsonl"

    def members(self, app: str) -> int:
        """How many members the group of an app has."""
        admin = AdminClient({"bootstrap.servers": self.environment.bootstrap_direct})
        group = self.group(app)
        return len(admin.describe_consumer_groups([group])[group].result(10).members)

    def fill_invoices(self, client: str, **config: Any) -> None:
        """Records among the invoices, written by a producer: for a sink alone."""
        into = {"place": INVOICES, "topic": self.invoices}
        self.finish(self.start("producer", client, to=into, **config))

    def aborted_by_successor(self) -> bool:
        """Whether a transaction of the processor that was open has been aborted."""
        cluster = Cluster(self.environment.bootstrap_direct, self.environment.cluster_id)
        try:
            return not any(self.suffix in each.transactional_id for each in cluster.transactions())
        finally:
            cluster.close()

    def committed(self, part: int) -> int:
        """The processor's committed offset of one partition of the orders."""
        cluster = Cluster(self.environment.bootstrap_direct, self.environment.cluster_id)
        try:
            return cluster.committed(self.group("processor"), [(self.orders, part)])[self.orders, part] or 0
        except BrokerAwayError:  # its offsets are part of an open transaction
            return 0
        finally:
            cluster.close()

    def polled(self, app: str) -> int:
        """How many records an app's first incarnation has read so far."""
        steps = (step for line in self.ledger(app) for step in line.get("do", ()) if "poll" in step)
        return sum(len(step["pos"]) for step in steps)


@contextmanager
def side_by_side(environment: Environment, folder: Path, **options: Any) -> Iterator[dict[str, Bench]]:
    """A bench for each client: most of the time is waiting, which they can do together."""
    with ExitStack() as stack:
        benches = {}
        for client in CLIENTS:
            (folder / client).mkdir()
            benches[client] = stack.enter_context(Bench(environment, folder / client, **options))
        yield benches


def found(audited: Audit) -> dict[tuple[str, str], int]:
    """(place, type) → count, for all that is above 0."""
    return {(finding.place, finding.type.value): finding.count for finding in audited.findings}


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def batches(ledger: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Mapping[str, Any] | None]]:
    """(begin, end) of every batch; no end for one that was cut off."""
    ends = {line["end"]: line for line in ledger if "end" in line}
    for line in ledger:
        if line.get("kind") == "batch":
            yield line, ends.get(line["begin"])


def wait_until(missing: Callable[[], object], seconds: float = APP_S) -> None:
    """Until `missing` returns nothing."""
    deadline = time.monotonic() + seconds
    while what := missing():
        assert time.monotonic() < deadline, f"waited {seconds:g} s: {what}"
        time.sleep(0.02)


COMMIT = ({"api": "EndTxn", "committed": True}, {"api": "OffsetCommit"})
"""What makes a batch durable in Kafka, whatever the processor's configuration."""


class Step:
    """Acts on one frame of an app, at the proxy; use it as a context manager.

    Args:
        apps: `processor-1`: app and instance.
        match: Alternatives, as a rule of the proxy has them.
        nth: Which matching request, counted over the apps from now on.
        lose: Lose it, and what becomes of the connection then; by default it is held.
        error: Answer this instead: without forwarding it, or at the reply.
    """

    def __init__(
        self,
        bench: Bench,
        apps: Sequence[str],
        match: Sequence[Mapping[str, Any]],
        *,
        at: At = "request",
        nth: int = 1,
        lose: Ending | None = None,
        error: str | None = None,
    ) -> None:
        answered: Action = "refuse" if at == "request" else "replace"
        self._hops = HopClient(bench.environment.proxy_url)
        self._rule = Rule(
            id=f"test-{secrets.token_hex(3)}",
            lanes=[bench.lane(app).name for app in apps],
            match=match,
            at=at,
            nth=nth,
            action=answered if error else "lose" if lose else "hold",
            connection=lose,
            error=error,
        )

    def __enter__(self) -> Self:
        self._hops.add_rule(self._rule)
        return self

    def __exit__(self, *_: object) -> None:
        self._hops.remove_rule(self._rule.id)

    def wait(self) -> int:
        """Until it acted; the number of the hold, for `release`."""
        deadline = time.monotonic() + APP_S
        while time.monotonic() < deadline:
            for event in self._hops.events(wait_ms=100):
                if event.rule == self._rule.id and event.kind in ("held", "lost", "refused", "replaced"):
                    return event.hold or 0
        raise AssertionError(f"{self._rule.match} did not come within {APP_S:g} s")

    def drop(self, hold: int) -> None:
        self._hops.release(hold, "drop", "close")

    def deliver(self, hold: int) -> None:
        self._hops.release(hold, "deliver")
