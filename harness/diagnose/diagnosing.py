"""Question → diagnosis, in an order in which a cluster at work can be judged.

Positions of groups first, then the table, then the ends of the partitions, then their records. So a row that is missing
was due when the offset had passed its record, and a record that is missing was due when its row was there; what comes
in meanwhile cannot be taken for a loss.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TypeVar

from harness.collect.cluster import Cluster, Partition, Transaction
from harness.collect.log import Deadline
from harness.collect.wire import BrokerAwayError, RefusedError
from harness.diagnose.judging import is_hanging, judge, now_ms, table_place
from harness.diagnose.model import Diagnosis, OpenTransaction
from harness.diagnose.progress import PartitionProgress, Progress, progress_in
from harness.diagnose.question import Question
from harness.diagnose.reading import read_topics
from harness.diagnose.tables import read_table
from harness.errors import EnvironmentFailedError, UsageError

_TIMEOUT_S = 10.0
_SETTLE_S, _LOOK_S = 5.0, 0.2

Tell = Callable[[str], None]
R = TypeVar("R")


def diagnose(question: Question, folder: Path, tell: Tell) -> Diagnosis:
    """Answers a question; goes on where the same one was interrupted in that folder.

    Args:
        folder: For what is read; made when it is missing.
        tell: Gets a line now and then, about how far it is.

    Raises:
        UsageError: There is no such topic or group, the query is refused, or the folder is another's.
        EnvironmentFailedError: A broker or the database does not answer, or we have not the right to ask.
    """
    progress = progress_in(folder, question)
    folder.mkdir(parents=True, exist_ok=True)
    with closing(Cluster(question.bootstrap, progress.cluster_id, _TIMEOUT_S, question.security)) as cluster:
        try:
            if progress.partitions:
                _insist_on_the_same_topics(cluster, progress)
            else:
                _begin(cluster, question, progress, tell)
            read_topics(cluster, progress, question.by, tell)
            transactions, unknown = _open_transactions(cluster, progress)
        except RefusedError as error:
            raise EnvironmentFailedError(f"{error}\n  {_RIGHTS}") from error
        except BrokerAwayError as error:
            kept = f"\n  what was read is kept in {folder}: the same command goes on" if progress.partitions else ""
            raise EnvironmentFailedError(f"{error}{kept or _UNREACHABLE}") from error
        tell("judging")
        diagnosis = judge(question, progress, transactions, unknown)
        progress.complete = True
        progress.save()
        return diagnosis


_UNREACHABLE = "\n  is --bootstrap right, does the cluster run, and does its listener need --config (TLS, SASL)?"
_RIGHTS = (
    "needed are: Describe and Read on the topics, Describe on the groups; and for open transactions "
    "Describe on the transactional ids"
)


def _begin(cluster: Cluster, question: Question, progress: Progress, tell: Tell) -> None:
    """Everything that has to be asked for before the records are read."""
    known = cluster.topics()
    for topic in question.topics:
        if topic not in known:
            raise UsageError(f"--topic {topic}: {_no_such('topic', topic, known)}")
    progress.cluster_id = cluster.cluster_id
    states = _patiently(lambda: cluster.partitions(list(question.topics)))
    progress.committed = _positions(cluster, question, progress, list(states))
    place = table_place(question)
    if place and question.table is not None:
        progress.table = read_table(question.table, question.dsn or "", place, progress.folder, tell)
    ends = _patiently(lambda: cluster.ends(cluster.partitions(list(question.topics))))
    progress.partitions = [
        PartitionProgress(topic, part, states[topic, part].topic_id, found.low, found.stable, found.high, found.low)
        for (topic, part), found in sorted(ends.items(), key=lambda item: _order(question, item[0]))
        if (topic, part) in states  # else it was added this moment
    ]
    progress.save()


def _insist_on_the_same_topics(cluster: Cluster, progress: Progress) -> None:
    topics = list(dict.fromkeys(each.topic for each in progress.partitions))
    states = _patiently(lambda: cluster.partitions(topics))
    for each in progress.partitions:
        state = states.get((each.topic, each.part))
        if state is None or state.topic_id != each.topic_id:
            raise UsageError(
                f"{each.topic} was deleted and made anew since this command was interrupted; "
                f"remove {progress.folder}, or name another folder with --out"
            )


def _order(question: Question, partition: Partition) -> tuple[int, int]:
    return question.topics.index(partition[0]), partition[1]


def _no_such(kind: str, name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; it has {', '.join(known[:10])}" if known else ""
    return f"the cluster has no such {kind}, or we may not see it{hint}"


def _positions(
    cluster: Cluster, question: Question, progress: Progress, partitions: list[Partition]
) -> dict[str, list[list[object]]]:
    """Of the groups that were named, or of all that have one in these partitions."""
    try:
        known = _patiently(cluster.groups)
    except RefusedError as error:
        if question.groups:
            raise
        progress.unasked.append(f"positions of groups: {error}")
        return {}
    for group in question.groups:
        if group not in known:
            raise UsageError(f"--group {group}: {_no_such('group', group, known)}")
    found: dict[str, list[list[object]]] = {}
    for group in question.groups or known:
        try:
            committed = _patiently(partial(cluster.committed, group, partitions))
        except RefusedError as error:
            if question.groups:
                raise
            progress.unasked.append(f"positions of group {group}: {error}")
            continue
        own: list[list[object]] = [[*partition, offset] for partition, offset in committed.items()]
        if question.groups or any(offset is not None for *_, offset in own):
            found[group] = own
    return found


def _open_transactions(cluster: Cluster, progress: Progress) -> tuple[list[OpenTransaction], str | None]:
    """Those that have no end in what was read and are still open now, with what their coordinators know of them.

    Returns:
        Them, and why they could not be asked for.
    """
    waiting = [state for state in progress.partitions if state.open or state.stable < state.high]
    if not waiting:
        return [], None
    try:
        # Coordinators before leaders: what a leader still calls open was so before, when no coordinator knew it.
        known = {
            (*each, found.producer): found for found in _patiently(cluster.transactions) for each in found.partitions
        }
        return [each for state in waiting for each in _still_open(cluster, state, known)], None
    except RefusedError as error:
        return [], f"transactions without an end: {error}"


def _still_open(
    cluster: Cluster, state: PartitionProgress, known: Mapping[tuple[str, int, int], Transaction]
) -> Iterator[OpenTransaction]:
    partition = state.topic, state.part
    began = {(producer, first): at for producer, _, first, at in state.open}
    now = now_ms()
    for producer, epoch, first in _held_back(cluster, partition, state.high):
        coordinated = known.get((*partition, producer))
        timeout = coordinated.timeout_ms if coordinated else None
        age = max(now - (coordinated.started_ms if coordinated else began.get((producer, first), now)), 0)
        yield OpenTransaction(
            topic=state.topic,
            part=state.part,
            producer=producer,
            epoch=epoch,
            first_offset=first,
            age_ms=age,
            transactional_id=coordinated.transactional_id if coordinated else None,
            timeout_ms=timeout,
            hanging=is_hanging(age, timeout),
        )


def _held_back(cluster: Cluster, partition: Partition, high: int) -> list[tuple[int, int, int]]:
    """(producer id, epoch, first offset) of what is open below an offset; (-1, -1, …) where nobody says whose it is."""
    patience = Deadline(_SETTLE_S)
    while True:
        found = [each for each in _patiently(lambda: cluster.open_producers(partition)) if each[2] < high]
        stable = _patiently(lambda: cluster.ends(cluster.partitions([partition[0]])))[partition].stable
        if found or stable >= high:
            return found
        if patience.passed:
            return [(-1, -1, stable)]
        time.sleep(_LOOK_S)  # it has just ended: the last stable offset moves when its marker is replicated


def _patiently(ask: Callable[[], R]) -> R:
    return Deadline(math.inf).insist(ask)
