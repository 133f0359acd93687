"""From the folder of one repeat to the tables of evidence, and what is wrong with it on the way.

Only a folder that is no history at all is refused: no `places.json`, a schema that this version does not know, a file
that cannot be opened.
Everything else that cannot be understood is left out and named, and what it might have said is not held against
anybody: the place or ledger concerned is not *whole*, so that what is absent from it proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from harness.audit import schema
from harness.audit.engine import Engine
from harness.audit.strides import Strides
from harness.errors import HistoryError, Problem
from harness.ledger.reader import Header, JsonLines, LedgerFile, Line, ledger_files
from harness.ledger.shapes import Shape
from harness.model import UNCOMMITTED_SUFFIX, Place

_FAN_OUT_MAX = 1_000_000
_NO_PRODUCER = {"producer": -1, "epoch": -1, "bseq": -1}


@dataclass(slots=True)
class Evidence:
    """What was loaded, beside the tables.

    Attributes:
        places: By name, in the order of `places.json`.
        problems: What could not be read; the repeat is inconclusive.
        attributed: Whether every ledger says whose it is. Else any process may have written what is missing.
        unread: Sources that nobody read at the end (`final_read`: false), so that what was polled is all there is.
    """

    places: Mapping[str, Place]
    problems: list[Problem] = field(default_factory=list)
    attributed: bool = True
    unread: frozenset[str] = frozenset()

    @property
    def kinds(self) -> Mapping[str, str]:
        """What kind of place every source is."""
        return {source_of(place.name): place.kind for place in self.places.values()}


def read_places(folder: Path) -> Evidence:
    """`places.json` of a repeat.

    Raises:
        HistoryError: There is none, or it says something that cannot be.
    """
    path = folder / "places.json"
    try:
        text = path.read_bytes()
    except OSError as error:
        hint = "a history has at least places.json, ledger/ and sightings/ (docs/ledger.md)"
        reason = error.strerror or "unreadable"
        raise HistoryError([Problem(f"cannot be read: {reason}", str(path), hint=hint)]) from error
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise HistoryError([Problem(f"not JSON: {error.msg}", str(path), error.lineno, error.colno)]) from error
    problems = [Problem(message, str(path)) for message in _document_faults(document)]
    if problems:
        raise HistoryError(problems)
    places = [Place(**_known_fields(place)) for place in document["places"]]
    problems = [Problem(message, str(path)) for message in _place_faults(places)]
    if problems:
        raise HistoryError(problems)
    unread = frozenset(source_of(place["name"]) for place in document["places"] if not place.get("final_read", True))
    return Evidence({place.name: place for place in places}, unread=unread)


def load(folder: Path, evidence: Evidence, engine: Engine) -> None:
    """Put everything that the folder says into the engine's tables; problems go to `evidence`.

    Raises:
        HistoryError: A file is of an unknown schema, or cannot be read.
    """
    declare_places(evidence, engine)
    unreadable = [
        *_load_ledgers(folder, evidence, engine),
        *_load_sightings(folder, evidence, engine),
    ]
    if unreadable:
        raise HistoryError(unreadable)
    _load_positions(folder / "positions.jsonl", evidence, engine)
    listed = _load_lines(folder / "transactions.jsonl", schema.OPEN_TRANSACTION, "open_txns", evidence, engine)
    engine.add("facts", {"ledgers": evidence.attributed, "transactions": listed})
    engine.flush()


def source_of(place: str) -> str:
    """The topic or table that a place is a view of."""
    return place.removesuffix(UNCOMMITTED_SUFFIX)


def _document_faults(document: Any) -> list[str]:
    if type(document) is not dict:
        return ["must be an object"]
    if document.get("schema") != schema.PLACES_SCHEMA:
        known = f"this version reads schema {schema.PLACES_SCHEMA}"
        return [f"schema {document.get('schema')!r} is not known: {known}"]
    fault = schema.PLACES.fault(document)
    if fault:
        return [fault.message]
    if not document["places"]:
        return ["'places' is empty: nothing could be judged"]
    faults = []
    for index, place in enumerate(document["places"]):
        fault = schema.PLACE.fault(place)
        if fault:
            faults.append(f"places[{index}]: {fault.message}")
    return faults


def _place_faults(places: list[Place]) -> list[str]:
    names = [place.name for place in places]
    faults = [f"place '{name}' stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for place in places:
        if place.upstream is not None and place.upstream not in names:
            faults.append(f"place '{place.name}': its upstream '{place.upstream}' is not a place")
        if not 0 <= place.least <= place.most <= _FAN_OUT_MAX or place.most == 0:
            limits = f"'least' must be 0 to 'most', and 'most' 1 to {_FAN_OUT_MAX}"
            faults.append(f"place '{place.name}': {limits}")
    return faults


def _known_fields(place: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: place[name] for name in Place.__dataclass_fields__ if name in place}
    fields.setdefault("resource", place["name"])
    if place["kind"] == "topic" and fields.get("isolation") is None:
        uncommitted = place["name"].endswith(UNCOMMITTED_SUFFIX)
        fields["isolation"] = "read_uncommitted" if uncommitted else "read_committed"
    fields["writers"] = tuple(place.get("writers", ()))
    return fields


def declare_places(evidence: Evidence, engine: Engine) -> None:
    """Tell the engine which places there are, and what is expected of them."""
    for place in evidence.places.values():
        engine.add(
            "declared",
            {
                "place": place.name,
                "kind": place.kind,
                "isolation": place.isolation if place.kind == "topic" else None,
                "source": source_of(place.name),
                "upstream": place.upstream,
                "upstream_source": None if place.upstream is None else source_of(place.upstream),
                "origin": _origin(place, evidence.places),
                "grp": place.group,
                "least": place.least,
                "most": place.most,
                "final_read": source_of(place.name) not in evidence.unread,
            },
        )
        for app in dict.fromkeys(place.writers):
            engine.add("writers", {"place": place.name, "app": app})


def _origin(place: Place, places: Mapping[str, Place]) -> str:
    """The source that a place's records come from in the end."""
    passed = {place.name}
    while place.upstream is not None and place.upstream not in passed:
        passed.add(place.upstream)
        place = places[place.upstream]
    return source_of(place.name)


def _load_ledgers(folder: Path, evidence: Evidence, engine: Engine) -> list[Problem]:
    unreadable = []
    processes: dict[str, dict[str, Any]] = {}
    for path in ledger_files(folder):
        file = LedgerFile(path)
        header = file.header
        if file.unreadable is not None:
            unreadable.append(file.unreadable)
            continue
        if header is None:
            # Without problems its writer was killed before it had written a line: it did nothing.
            evidence.attributed = evidence.attributed and not file.problems
        elif header.process in processes:
            # Its operations cannot be told from the other's, so they are left out.
            evidence.problems.append(Problem(f"process {header.process} has another ledger already", str(path)))
            evidence.attributed = False
        else:
            strides = Strides()
            for line in file:
                _load_operation(header.process, line, engine)
                for stride in strides.of(line):
                    engine.add("strides", {"process": header.process, **stride})
            processes[header.process] = _process(header, whole=file.whole)
        evidence.problems.extend(file.problems)
    for process in processes.values():
        engine.add("processes", process)
    return unreadable


def _process(header: Header, *, whole: bool) -> dict[str, Any]:
    return {
        "process": header.process,
        "app": header.app,
        "instance": header.instance,
        "isolation": header.isolation,
        "whole": whole,
    }


_STEP_TABLES = {"send": ("announced",), "ack": ("acked",), "poll": ("polls",), "assign": ("assigns", "assigned")}


def _load_operation(process: str, line: Line, engine: Engine) -> None:
    data = line.data
    if "note" in data:
        return
    if "begin" in data:
        own = {"process": process, "n": data["begin"], "line": line.number}
        engine.add("begun", {**own, "kind": data["kind"], "txn": data.get("txn")})
    else:
        own = {"process": process, "n": data["end"], "line": line.number}
        engine.add("ended", {**own, "outcome": data["outcome"]})
    after_commit = False
    for number, step in enumerate(data.get("do", ())):
        after_commit = after_commit or "commit" in step
        for word, tables in _STEP_TABLES.items():
            for table in tables if word in step else ():
                engine.add(table, {**step, **own, "step": number, "after_commit": after_commit})


def _load_sightings(folder: Path, evidence: Evidence, engine: Engine) -> list[Problem]:
    unreadable = []
    read: set[str] = set()
    for path in sorted((folder / "sightings").glob("*.jsonl")):
        file = JsonLines(path)
        lines = iter(file)
        header = next(lines, None)
        if header is None:
            evidence.problems.extend(file.problems or [Problem("no header: the file is empty", str(path))])
        elif header.data.get("sightings") != schema.SIGHTINGS_SCHEMA:
            found = header.data.get("sightings")
            hint = f"this version reads schema {schema.SIGHTINGS_SCHEMA} (docs/ledger.md)"
            file.report(header.number, header.raw, f"sightings schema {found!r} is not known", hint=hint)
            unreadable.append(file.problems[-1])
        elif file.report_unless(header, schema.SIGHTINGS) and header.data["place"] in read:
            file.report_field(header, "place", f"'{header.data['place']}' has another file already")
            evidence.problems.extend(file.problems)
        else:
            if file.whole:
                read.add(header.data["place"])
                _load_source(header, file, lines, evidence, engine)
            evidence.problems.extend(file.problems)
    _name_missing(folder, read, evidence)
    return unreadable


def _name_missing(folder: Path, read: set[str], evidence: Evidence) -> None:
    sources = dict.fromkeys(source_of(place) for place in evidence.places)
    expected = (source for source in sources if source not in evidence.unread)
    missing = [source for source in expected if source not in {source_of(place) for place in read}]
    evidence.problems.extend(Problem(f"no sightings of '{source}'", str(folder / "sightings")) for source in missing)


def _load_source(header: Line, file: JsonLines, lines: Iterator[Line], evidence: Evidence, engine: Engine) -> None:
    source, kind, whole = source_of(header.data["place"]), header.data["kind"], header.data["whole"]
    if kind != evidence.kinds.get(source, kind):
        file.report_field(header, "kind", f"'{source}' is a {evidence.kinds[source]} in places.json")
    for line in lines:
        if "history" in line.data:
            if file.report_unless(line, schema.HISTORY):
                engine.add("history", {**line.data, "source": source})
        elif kind != "topic":
            if file.report_unless(line, schema.ROWS):
                data = {key: value for key, value in line.data.items() if key != "row"}
                row = {**data, **_NO_PRODUCER, "part": 0, "pos": line.data["row"], "status": "plain"}
                engine.add("sighted", {**row, "source": source})
        elif "marker" in line.data:
            file.report_unless(line, schema.MARKER)
        elif file.report_unless(line, schema.BATCH):
            engine.add("sighted", {**_NO_PRODUCER, **line.data, "source": source})
    engine.add("sources", {"source": source, "kind": kind, "whole": whole and file.whole})
    if not whole:
        message = f"'{source}' was not read whole: what is absent from it proves nothing"
        evidence.problems.append(Problem(message, str(file.path), header.number))


def _load_positions(path: Path, evidence: Evidence, engine: Engine) -> None:
    _load_lines(path, schema.POSITION, "positions", evidence, engine)
    if not path.exists() and any(place.group for place in evidence.places.values()):
        evidence.problems.append(Problem("is missing: nobody can tell what is late and what is lost", str(path)))


def _load_lines(path: Path, shape: Shape, table: str, evidence: Evidence, engine: Engine) -> bool:
    """Whether there is such a file, and all of it was understood."""
    if not path.exists():
        return False
    file = JsonLines(path)
    for line in file:
        if file.report_unless(line, shape):
            place = source_of(line.data["place"])
            engine.add(table, {**line.data, "place": place, "grp": line.data.get("group")})
    evidence.problems.extend(file.problems)
    return file.whole
