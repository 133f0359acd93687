"""Sightings → findings: by the audit, which proves what it can without a ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from harness.audit import audit
from harness.collect.collecting import POSITIONS, TRANSACTIONS
from harness.collect.files import write_lines
from harness.diagnose.comparing import SAMPLES_MAX, compared, copies, difference
from harness.diagnose.model import Copy, Diagnosis, GroupPosition, OpenTransaction, TableSeen, TopicSeen
from harness.diagnose.progress import Progress
from harness.diagnose.question import Question
from harness.model import Anomaly, Cause, Finding

_PROVED = (Anomaly.DUPLICATE, Anomaly.SINK_DUPLICATE, Anomaly.SINK_LOSS)
"""What the audit proves of batches, rows and offsets alone. The others need to know what was sent."""
_FACTS = {
    Cause.BROKER: "the same producer id, epoch and sequence",
    Cause.APPLICATION: "the same producer id and epoch, another sequence",
    Cause.PRODUCER_RESTART: "another producer id",
    Cause.UNTOLD: "the same producer id at another epoch, or no producer id",
}
"""What the batches of a duplicate say. The audit's causes are what a ledger makes of it, and there is none."""
_GRACE_MS = 10_000  # a coordinator looks for transactions past their timeout at least so often
UNPROVABLE = (
    "losses of what was never stored: a record that no broker has leaves no trace",
    "who sent a record, and whether its sender believes that it failed",
    "whether two producer ids are one producer that was restarted, or two",
    "whether a copy with another sequence was sent again by the application or is meant",
)


def judge(
    question: Question, progress: Progress, transactions: Sequence[OpenTransaction], unknown: str | None
) -> Diagnosis:
    """Everything that the sightings in the folder prove.

    Args:
        transactions: That are open; none where they could not be asked for, and `unknown` says why.
    """
    folder = progress.folder
    place = table_place(question)
    _write_places(question, progress, place)
    _write_positions(progress)
    write_lines(folder / TRANSACTIONS, ())
    topics = [_seen(topic, progress) for topic in question.topics]
    table = _table_seen(question, progress, place, topics[-1])
    audited = audit(folder)
    findings = [_as_batches_say(finding) for finding in audited.findings if finding.type in _PROVED]
    findings += [finding for topic in question.topics for finding in _hanging(topic, transactions)]
    return Diagnosis(
        cluster_id=progress.cluster_id or "",
        by=str(question.by),
        topics=topics,
        findings=findings,
        transactions=transactions,
        groups=list(_groups(progress)),
        table=table,
        exhibit=_exhibit(question, folder, findings, table),
        notes=[*_notes(question, topics, progress)],
        unjudged=[*([unknown] if unknown else []), *_unjudged(question, progress, topics, table)],
        unprovable=UNPROVABLE,
    )


def table_place(question: Question) -> str | None:
    """What the table is called beside the topics."""
    if question.table is None:
        return None
    return "table" if "table" not in question.topics else "the-table"


def is_hanging(age_ms: int, timeout_ms: int | None) -> bool:
    """Whether nobody will end a transaction any more: the rule of the audit's `hanging-transaction`."""
    return timeout_ms is None or age_ms - _GRACE_MS > timeout_ms


def _write_places(question: Question, progress: Progress, table: str | None) -> None:
    places: list[dict[str, Any]] = [{"name": topic, "kind": "topic"} for topic in question.topics]
    if table:
        places.append({"name": table, "kind": "table", "upstream": question.topics[-1], "group": question.mover})
    document = {"schema": 1, "drained": False, "places": places}
    (progress.folder / "places.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _write_positions(progress: Progress) -> None:
    """The ends of partitions, and where groups are.

    What stands behind an open transaction is there and is judged, though consumers do not get it yet: so the end is the
    last stable offset here, and what is open is judged by what leaders and coordinators say of it.
    """
    lines = [
        {"place": each.topic, "part": each.part, "low": each.low, "stable": each.high, "high": each.high}
        for each in progress.partitions
    ]
    ends = {(line["place"], line["part"]): line for line in lines}
    of_groups = [
        {**ends[topic, part], "group": group, "committed": offset}
        for group, committed in progress.committed.items()
        for topic, part, offset in committed
        if (topic, part) in ends
    ]
    write_lines(progress.folder / POSITIONS, [*lines, *of_groups])


def _as_batches_say(finding: Finding) -> Finding:
    if finding.type is not Anomaly.DUPLICATE:
        return finding
    facts = {str(cause): fact for cause, fact in _FACTS.items()}
    causes = {facts.get(cause, cause): count for cause, count in finding.causes.items()}
    samples = tuple({**each, "cause": facts.get(each["cause"], each["cause"])} for each in finding.samples)
    return replace(finding, causes=causes, samples=samples)


def _hanging(topic: str, transactions: Sequence[OpenTransaction]) -> Iterator[Finding]:
    """One finding for those of a topic that nobody will end any more."""
    own = sorted((each for each in transactions if each.topic == topic and each.hanging), key=lambda each: each.spot)
    if own:
        samples = [
            {
                "id": each.transactional_id or f"producer {each.producer}",
                "positions": [list(each.spot)],
                "producer": each.producer,
                "epoch": each.epoch,
                "age_ms": each.age_ms,
                "timeout_ms": each.timeout_ms,
            }
            for each in own[:SAMPLES_MAX]
        ]
        yield Finding(type=Anomaly.HANGING_TRANSACTION, place=topic, count=len(own), samples=tuple(samples))


def _seen(topic: str, progress: Progress) -> TopicSeen:
    own = [each for each in progress.partitions if each.topic == topic]
    records: dict[str, int] = {}
    for each in own:
        for status, count in each.records.items():
            records[status] = records.get(status, 0) + count
    return TopicSeen(
        topic=topic,
        records=records,
        unnamed=sum(each.unnamed for each in own),
        partitions=[{"part": each.part, "low": each.low, "stable": each.stable, "high": each.high} for each in own],
        deleted=sum(each.low for each in own),
        missing=sum(each.missing for each in own),
    )


def _groups(progress: Progress) -> Iterator[GroupPosition]:
    ends = {(each.topic, each.part): each for each in progress.partitions}
    for group, committed in sorted(progress.committed.items()):
        for topic, part, offset in committed:
            if (topic, part) in ends and offset is not None:
                state = ends[topic, part]
                yield GroupPosition(
                    group=group,
                    topic=topic,
                    part=part,
                    committed=offset,
                    lag=max(state.high - max(offset, state.low), 0),
                    unread=max(state.low - offset, 0),
                    beyond=max(offset - state.high, 0),
                )


def _table_seen(question: Question, progress: Progress, place: str | None, topic: TopicSeen) -> TableSeen | None:
    if place is None or progress.table is None:
        return None
    with compared(progress.folder, topic.topic, place) as database:
        late, late_samples = difference(database, "only-in-topic")
        strange, strange_samples = difference(database, "only-in-table")
        (aborted,) = database.execute("SELECT count(*) FROM found WHERE aborted").fetchall()[0]
    readable = not any(each.broken for each in progress.partitions if each.topic == topic.topic)
    provable = topic.whole and readable
    return TableSeen(
        place=place,
        topic=topic.topic,
        mover=question.mover,
        rows=progress.table.rows,
        unnamed=progress.table.unnamed,
        only_in_topic=late,
        only_in_table=strange if provable else None,
        aborted=aborted if provable else 0,
        topic_samples=late_samples,
        table_samples=strange_samples if provable else (),
    )


def _exhibit(
    question: Question, folder: Path, findings: Sequence[Finding], table: TableSeen | None
) -> tuple[str, Sequence[Copy]] | None:
    """The first record that something is wrong with."""
    for finding in findings:
        if finding.type is Anomaly.HANGING_TRANSACTION or not finding.samples:
            continue
        sample = finding.samples[0]
        record = str(sample["id"])
        if finding.type is Anomaly.DUPLICATE:
            return record, copies(folder, finding.place, record)
        found = copies(folder, question.topics[-1], record)
        rows = sample["positions"] if finding.type is Anomaly.SINK_DUPLICATE else ()
        return record, [*found, *_rows(finding.place, rows)]
    if table and table.only_in_table:
        sample = table.table_samples[0]
        return sample["id"], [*copies(folder, table.topic, sample["id"]), *_rows(table.place, sample["positions"])]
    if table and table.only_in_topic and question.mover is None:
        return table.topic_samples[0]["id"], copies(folder, table.topic, table.topic_samples[0]["id"])
    return None


def _rows(place: str, positions: Sequence[Sequence[int]]) -> Iterator[Copy]:
    yield from (Copy(where=f"row {row} of {place}") for _, row in positions)


def _notes(question: Question, topics: Sequence[TopicSeen], progress: Progress) -> Iterator[str]:
    for topic in topics:
        if topic.deleted:
            yield f"{topic.topic}: {topic.deleted} offsets lie before its beginning: what was there was deleted"
        if topic.missing:
            yield f"{topic.topic}: {topic.missing} offsets hold nothing: what was there was compacted away"
        if topic.records.get("open"):
            yield f"{topic.topic}: {topic.records['open']} of its records are in transactions without an end: left out"
    if question.table is not None and question.mover is None:
        yield "whether a record without a row is late or lost: name the group that writes the rows with one --group"
    yield from progress.unasked


def _unjudged(
    question: Question, progress: Progress, topics: Sequence[TopicSeen], table: TableSeen | None
) -> Iterator[str]:
    yield from (each.broken for each in progress.partitions if each.broken)
    for topic in topics:
        there = sum(count for status, count in topic.records.items() if status != "aborted")
        if topic.unnamed:
            yield f"{topic.topic}: {topic.unnamed} of {there} records have no {question.by.noun}"
    if table and table.unnamed:
        yield f"{table.place}: {table.unnamed} of {table.rows} rows have NULL for an id"
    if table and table.only_in_table is None:
        yield f"rows that {table.topic} does not have: it lacks records that once were there"


def now_ms() -> int:
    return time.time_ns() // 1_000_000
