"""From places to evidence: what one repeat left in topics, tables and services, read to the end and written down.

What is read must hold still: when anything grew, or a transaction ended, while it was read, everything is read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from harness.collect.check import CheckFailedError, count_committed
from harness.collect.cluster import Cluster, Ends, Partition, Transaction
from harness.collect.files import Sightings, sightings, write_lines
from harness.collect.log import Deadline
from harness.collect.services import read_service
from harness.collect.tables import read_table
from harness.collect.topics import Open, TopicRead, read_topic
from harness.collect.wire import BrokerAwayError
from harness.errors import EnvironmentFailedError
from harness.model import UNCOMMITTED_SUFFIX, Place
from harness.services import ServiceGoneError

SIGHTINGS, POSITIONS, TRANSACTIONS = "sightings", "positions.jsonl", "transactions.jsonl"

_IN_SYNC_S = 15.0
_PASSES = 5
_LOOK_S = 0.1

Line = Mapping[str, Any]


def collect(
    *,
    bootstrap: str,
    cluster_id: str,
    dsn: str,
    places: Sequence[Place],
    out: Path,
    deadline_s: float,
    rest_url: str = "",
    mail_url: str = "",
) -> list[str]:
    """Reads every place to its end and writes `sightings/`, `positions.jsonl` and `transactions.jsonl`.

    Call it when nobody writes any more. Every topic is read once, whatever places are views of it.

    Args:
        bootstrap: `host:port,…` past every hop.
        cluster_id: What every broker must answer for.
        dsn: Of the database; may be empty without tables.
        rest_url: Of the REST service, past every hop; may be empty without services.
        mail_url: Of the HTTP side of the mail server; may be empty without mailboxes.
        out: The folder of the repeat.
        deadline_s: For all of it; one last answer may take a few seconds longer.

    Returns:
        Why something could not be read whole, one line each; empty when all was.

    Raises:
        EnvironmentFailedError: Another cluster answers on our addresses; or the disk is full.
    """
    deadline = Deadline(deadline_s)
    topics = {place.resource: _source(place) for place in places if place.kind == "topic"}
    read: Mapping[str, Callable[[str, Sightings], None]] = {
        "table": lambda resource, lines: read_table(dsn, resource, topics, deadline.left_s, lines),
        "service": lambda resource, lines: read_service(rest_url, resource, deadline, lines),
        "mailbox": lambda resource, lines: read_service(mail_url, resource, deadline, lines),
    }
    with closing(Cluster(bootstrap, cluster_id)) as cluster, _writing(out):
        reading = _Reading(cluster, topics, places, out, deadline)
        reasons = reading.read()
        reasons += _cross_check(bootstrap, topics, reading.committed, deadline)
        reasons += _read_outside(places, read, out)
    return reasons


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Evidence that cannot be written down is no evidence, and what is missing of it must not be taken for a loss."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise EnvironmentFailedError(f"the evidence cannot be written in {out}: {reason}\n  free some space") from error


@dataclass(slots=True)
class _Reading:
    """The topics of one repeat.

    Attributes:
        committed: How many records a read_committed consumer gets, of the partitions that were read whole.
    """

    cluster: Cluster
    topics: Mapping[str, str]
    places: Sequence[Place]
    out: Path
    deadline: Deadline
    committed: dict[Partition, int] = field(default_factory=dict)

    def read(self) -> list[str]:
        """Reads until nothing changes meanwhile; the reasons of the last pass."""
        if not self.topics:
            return []
        reasons = self._wait_in_sync()
        try:
            before = self._ends()
            for _ in range(_PASSES):
                found = self._pass(before)
                after = self._ends()
                if after == before:
                    return reasons + found
                before = after
        except BrokerAwayError as error:
            return [*reasons, f"the topics could not be read: {error}"]
        return [*reasons, *found, "the topics did not come to rest while they were read: somebody still writes to them"]

    def _ends(self) -> dict[Partition, Ends]:
        return self.deadline.insist(lambda: self.cluster.ends(self.cluster.partitions(list(self.topics))))

    def _wait_in_sync(self) -> list[str]:
        """A new leader's high watermark lags until its followers have caught up: read earlier, records seem lost."""
        patience = self.deadline.within(_IN_SYNC_S)
        while True:
            try:
                behind = self.cluster.out_of_sync(list(self.topics))
            except BrokerAwayError:
                behind = ""  # whoever reads next will say so
            if behind is None:
                return []
            if patience.passed:
                return [f"what is read may lack records that are there: {behind}"] if behind else []
            time.sleep(_LOOK_S)

    def _pass(self, ends: Mapping[Partition, Ends]) -> list[str]:
        reasons: list[str] = []
        open_: dict[Partition, dict[int, Open]] = {}
        self.committed.clear()
        for topic, place in self.topics.items():
            read = self._read_topic(topic, place, ends)
            reasons += read.reasons
            open_ |= {(topic, part): found for part, found in read.open.items()}
            if not read.reasons:
                self.committed |= {each: read.committed[each[1]] for each in ends if each[0] == topic}
        # Without these answers the borders of the partitions would be taken for hanging transactions: none of it then.
        known = self.deadline.insist(self.cluster.transactions)
        write_lines(self.out / TRANSACTIONS, open_transactions(self.topics, open_, known))
        return reasons + self._write_positions(ends)

    def _read_topic(self, topic: str, place: str, ends: Mapping[Partition, Ends]) -> TopicRead:
        header = {"place": place, "kind": "topic", "resource": topic, "cluster_id": self.cluster.cluster_id}
        with sightings(self.out / SIGHTINGS / f"{place}.jsonl", header) as lines:
            read = read_topic(self.cluster, topic, place, ends, self.deadline, lines)
            lines.whole = not read.reasons
        return read

    def _write_positions(self, ends: Mapping[Partition, Ends]) -> list[str]:
        lines = [_position(self.topics[topic], part, borders) for (topic, part), borders in ends.items()]
        reasons = []
        for group, topic in sorted(self._groups()):
            own = [each for each in ends if each[0] == topic]
            try:
                committed = self.deadline.insist(partial(self.cluster.committed, group, own))
            except BrokerAwayError as error:
                reasons.append(f"the offsets of group {group} could not be asked for: {error}")
                continue
            lines += [
                {**_position(self.topics[topic], part, ends[topic, part]), "group": group, "committed": offset}
                for (_, part), offset in committed.items()
            ]
        write_lines(self.out / POSITIONS, lines)
        return reasons

    def _groups(self) -> set[tuple[str, str]]:
        """(group, topic)"""
        resources = {place.name: place.resource for place in self.places}
        return {(place.group, resources[place.upstream]) for place in self.places if place.group and place.upstream}


def _source(place: Place) -> str:
    """The name of the topic that a place is a view of, as the scenario calls it."""
    return place.name.removesuffix(UNCOMMITTED_SUFFIX)


def _position(place: str, part: int, ends: Ends) -> dict[str, Any]:
    return {
        "place": place,
        "part": part,
        "group": None,
        "committed": None,
        "low": ends.low,
        "stable": ends.stable,
        "high": ends.high,
    }


def open_transactions(
    topics: Mapping[str, str], open_: Mapping[Partition, Mapping[int, Open]], known: Iterable[Transaction]
) -> Iterator[Line]:
    """Those without an end in our topics, and what their coordinator knows of them; hanging ones have none."""
    now_ms = time.time_ns() // 1_000_000
    left = {(*partition, producer): found for partition, own in open_.items() for producer, found in own.items()}
    for transaction in known:
        for topic, part in sorted(transaction.partitions):
            if topic in topics:
                found = left.pop((topic, part, transaction.producer), None)
                yield {
                    "place": topics[topic],
                    "part": part,
                    "producer": transaction.producer,
                    "epoch": transaction.epoch,
                    "transactional_id": transaction.transactional_id,
                    "first_pos": found.first if found else None,
                    "age_ms": max(now_ms - transaction.started_ms, 0),
                    "timeout_ms": transaction.timeout_ms,
                    "state": transaction.state,
                }
    for (topic, part, _), found in left.items():
        yield {
            "place": topics[topic],
            "part": part,
            "producer": found.producer,
            "epoch": found.epoch,
            "transactional_id": None,
            "first_pos": found.first,
            "age_ms": max(now_ms - found.at, 0),
            "timeout_ms": None,
            "state": None,
        }


def _cross_check(
    bootstrap: str, topics: Mapping[str, str], read: Mapping[Partition, int], deadline: Deadline
) -> Iterator[str]:
    try:
        counted = count_committed(bootstrap, read, deadline)
    except CheckFailedError as error:
        yield f"what was read could not be checked with a read_committed consumer: {error}"
        return
    for (topic, part), committed in sorted(read.items()):
        if counted[topic, part] != committed:
            yield (
                f"{topics[topic]}/{part}: {committed} committed records were read, "
                f"but a read_committed consumer gets {counted[topic, part]}"
            )


def _read_outside(
    places: Sequence[Place], read: Mapping[str, Callable[[str, Sightings], None]], out: Path
) -> Iterator[str]:
    """What is outside Kafka.

    Args:
        read: Kind of a place → what writes the sightings of a resource.
    """
    for place in places:
        if place.kind not in read:
            continue
        header = {"place": place.name, "kind": place.kind, "resource": place.resource}
        with sightings(out / SIGHTINGS / f"{place.name}.jsonl", header) as lines:
            try:
                read[place.kind](place.resource, lines)
            except (psycopg.Error, ServiceGoneError) as error:
                lines.whole = False
                yield f"{place.name} could not be read whole: {' '.join(str(error).split())}"
