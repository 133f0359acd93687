"""What a diagnosis found, on the terminal and as one document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.diagnose import Diagnosis
from harness.diagnose.model import GroupPosition, OpenTransaction, TableSeen, TopicSeen
from harness.errors import ExitCode
from harness.model import Finding
from harness.report.words import number

SCHEMA = 1


def diagnosis_exit_code(diagnosis: Diagnosis) -> ExitCode:
    if _found(diagnosis):
        return ExitCode.FAILED
    return ExitCode.INCONCLUSIVE if diagnosis.unjudged else ExitCode.AS_EXPECTED


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The one document of `--json` (docs/diagnose.md)."""
    document = asdict(diagnosis)
    exhibit = document.pop("exhibit")
    return {
        "schema": SCHEMA,
        "exit_code": int(diagnosis_exit_code(diagnosis)),
        **document,
        "findings": [_finding_json(finding) for finding in diagnosis.findings],
        "exhibit": exhibit and {"id": exhibit[0], "copies": list(exhibit[1])},
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    samples = [{key: value for key, value in each.items() if key != "operations"} for each in finding.samples]
    return {
        "type": finding.type.value,
        "place": finding.place,
        "count": finding.count,
        "causes": dict(finding.causes),
        "samples": samples,
    }


def print_diagnosis(console: Console, diagnosis: Diagnosis, folder: Path) -> None:
    """The first record that something is wrong with, then all counts, then one line in all."""
    for line in _lines(diagnosis, folder):
        console.print(line, soft_wrap=True, highlight=False)


def _lines(diagnosis: Diagnosis, folder: Path) -> Iterator[Text]:
    if diagnosis.exhibit:
        yield from _exhibit(diagnosis)
        yield Text()
    yield from (Text(_topic(topic, diagnosis.by)) for topic in diagnosis.topics)
    if diagnosis.table:
        yield Text(_table(diagnosis.table))
    yield from (Text(_finding(finding)) for finding in diagnosis.findings)
    yield from (Text(_transaction(each)) for each in diagnosis.transactions)
    yield from (Text(_position(each)) for each in diagnosis.groups)
    yield from (Text(f"note: {note}") for note in diagnosis.notes)
    yield from (Text(f"cannot judge: {reason}") for reason in diagnosis.unjudged)
    yield from (Text(f"no ledger, no proof: {what}", style="dim") for what in diagnosis.unprovable)
    yield Text(f"evidence: {folder}", style="dim")
    yield _last_line(diagnosis)


def _exhibit(diagnosis: Diagnosis) -> Iterator[Text]:
    assert diagnosis.exhibit is not None
    record, copies = diagnosis.exhibit
    yield Text(f"The first of {_found(diagnosis)[0]}", style="bold")
    yield Text(f"  {record}")
    width = max((len(copy.where) for copy in copies), default=0)
    for copy in copies:
        told = ": ".join(filter(None, [copy.facts, copy.difference]))
        yield Text(f"    {copy.where:<{width}}  {told}".rstrip())
    if not copies:
        yield Text("    stands nowhere in the topic")


def _topic(topic: TopicSeen, by: str) -> str:
    there = sum(topic.records.values())
    told = [f"{topic.records[status]} {status}" for status in ("aborted", "open") if topic.records.get(status)]
    partitions = len(topic.partitions)
    records = f"{there} {'record' if there == 1 else 'records'}"
    where = f"{records} in {partitions} {'partition' if partitions == 1 else 'partitions'}"
    return f"{topic.topic}: {', '.join([where, *told])}; told apart by {by}"


def _table(table: TableSeen) -> str:
    parts = [f"{table.rows} {'row' if table.rows == 1 else 'rows'}"]
    if table.only_in_topic is not None:
        parts.append(f"none for {_ids(table.only_in_topic)} of {table.topic}")
    if table.only_in_table is not None:
        aborted = f" ({table.aborted} of them only aborted)" if table.aborted else ""
        parts.append(f"{_ids(table.only_in_table)} that {table.topic} does not have{aborted}")
    return f"{table.place}: {', '.join(parts)}"


def _ids(count: int) -> str:
    return f"{count} {'id' if count == 1 else 'ids'}"


def _finding(finding: Finding) -> str:
    causes = ", ".join(f"{cause}: {count}" for cause, count in finding.causes.items())
    return f"{finding.place}: {finding.count} {finding.type.value}{causes and f' ({causes})'}"


def _transaction(each: OpenTransaction) -> str:
    known = f"transactional id {each.transactional_id}, timeout {(each.timeout_ms or 0) / 1000:g} s"
    who = known if each.transactional_id else "no coordinator knows it"
    word = "hanging" if each.hanging else "open"
    start = f"{each.topic}/{each.part}: a transaction is {word} from offset {each.first_offset} on"
    if each.producer < 0:
        return f"{start}: nobody knows whose it is, and consumers wait behind it"
    return f"{start}, for {each.age_ms / 1000:.1f} s: producer id {each.producer}, epoch {each.epoch} ({who})"


def _position(each: GroupPosition) -> str:
    told = f"group {each.group}: {each.topic}/{each.part} at {each.committed}, {each.lag} behind"
    if each.unread:
        told += f"; {each.unread} offsets before the beginning were deleted before it came to them"
    return told + (f"; {each.beyond} past the end: the log was cut back" if each.beyond else "")


def _found(diagnosis: Diagnosis) -> list[str]:
    """What counts against what was looked at; a record without a row only where nobody can say that it is late."""
    found = [f"{number(finding.count, finding.type)} in {finding.place}" for finding in diagnosis.findings]
    table = diagnosis.table
    if table and table.only_in_table:
        found.append(f"{table.only_in_table} in {table.place} and not in {table.topic}")
    if table and table.only_in_topic and not table.mover:
        found.append(f"{table.only_in_topic} in {table.topic} and not in {table.place}")
    return found


def _last_line(diagnosis: Diagnosis) -> Text:
    found = _found(diagnosis)
    if found:
        word, style, rest = "FOUND", "bold magenta", ", ".join(found)
    elif diagnosis.unjudged:
        word, style, rest = "INCONCLUSIVE", "bold dark_orange", diagnosis.unjudged[0]
    else:
        places = [topic.topic for topic in diagnosis.topics] + ([diagnosis.table.place] if diagnosis.table else [])
        word, style, rest = "CLEAN", "bold blue", f"no finding in {', '.join(places)}"
    return Text(word, style=style).append(f": {rest}", style="not bold")
