"""What has been done already: one file in the folder, replaced as a whole, so that Ctrl-C loses seconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from harness.collect.cluster import Ends
from harness.diagnose.question import Question
from harness.errors import UsageError

FILE = "diagnose.json"
SCHEMA = 1


@dataclass(slots=True)
class PartitionProgress:
    """How far one partition has been read.

    Attributes:
        topic_id: Of the topic when reading began.
        low, stable, high: Its ends then.
        next: Everything before this offset was read; what is settled of it is written.
        unfinished: producer id → first offset of its transaction, for those that still wait for their end.
        bytes: Of the topic's sightings, up to and with what is settled.
        records: That are there; by status.
        unnamed: Those without an identity, unless they were aborted.
        missing: Offsets that hold nothing, since what was there was compacted away.
        open: Of transactions without an end below `high`: [producer id, epoch, first offset, timestamp in ms].
        broken: Why it could not be read whole; None while all is well.
        done: Whether it has been read to its end.
    """

    topic: str
    part: int
    topic_id: str
    low: int
    stable: int
    high: int
    next: int
    unfinished: dict[int, int] = field(default_factory=dict)
    bytes: int = 0
    records: dict[str, int] = field(default_factory=dict)
    unnamed: int = 0
    missing: int = 0
    open: list[list[int]] = field(default_factory=list)
    broken: str | None = None
    done: bool = False

    @property
    def ends(self) -> Ends:
        return Ends(self.low, self.stable, self.high)

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.part}"


@dataclass(slots=True)
class TableProgress:
    """The table, which is read in one go.

    Attributes:
        unnamed: Rows whose first column is NULL.
    """

    rows: int = 0
    unnamed: int = 0


@dataclass(slots=True)
class Progress:
    """All of it.

    Attributes:
        cluster_id: Of the cluster that was asked.
        committed: group → [[topic, partition, offset], …], asked for before table and topics were read.
        unasked: What could not be asked for want of rights, in words.
        table: None until it has been read.
        partitions: Empty until their ends were asked for.
        complete: Whether everything was read; the next command begins anew.
    """

    folder: Path
    question: dict[str, Any]
    cluster_id: str | None = None
    committed: dict[str, list[list[Any]]] = field(default_factory=dict)
    unasked: list[str] = field(default_factory=list)
    table: TableProgress | None = None
    partitions: list[PartitionProgress] = field(default_factory=list)
    complete: bool = False

    def save(self) -> None:
        document = {"schema": SCHEMA, **{key: value for key, value in asdict(self).items() if key != "folder"}}
        path = self.folder / FILE
        beside = path.with_suffix(".part")
        beside.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
        beside.replace(path)


def progress_in(folder: Path, question: Question) -> Progress:
    """What an interrupted command has left there; a new one where there is none, or it came to its end.

    Raises:
        UsageError: The folder holds something else.
    """
    new = Progress(folder, dict(question.to_json()))
    path = folder / FILE
    try:
        document = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder}: holds something, but no diagnosis; name another folder with --out") from None
        return new
    except (OSError, orjson.JSONDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); remove it, or name another folder with --out") from error
    if type(document) is not dict or document.get("schema") != SCHEMA or document.get("question") != new.question:
        raise UsageError(f"{folder}: holds the progress of another command; name another folder with --out")
    if document["complete"]:
        return new
    del document["schema"]
    document["partitions"] = [_partition(each) for each in document["partitions"]]
    document["table"] = document["table"] and TableProgress(**document["table"])
    return Progress(folder, **document)


def _partition(document: dict[str, Any]) -> PartitionProgress:
    document["unfinished"] = {int(producer): first for producer, first in document["unfinished"].items()}
    return PartitionProgress(**document)
