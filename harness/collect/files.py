"""Writing sightings: their header says whether they are whole, which is known only at their end."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import orjson

SCHEMA = 1
_MEMORY_BYTES = 32 << 20


class Sightings:
    """The lines of one file, as they are found.

    Attributes:
        whole: To be set before the end when something could not be read.
    """

    def __init__(self, body: SpooledTemporaryFile[bytes]) -> None:
        self.whole = True
        self._body = body

    def write(self, line: Mapping[str, Any]) -> None:
        self._body.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


@contextmanager
def sightings(path: Path, header: Mapping[str, Any]) -> Iterator[Sightings]:
    """A file of sightings that is there, complete, or not at all.

    Args:
        header: Of the file, without what is the same in all of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with SpooledTemporaryFile(_MEMORY_BYTES, dir=str(path.parent)) as body:
        lines = Sightings(body)
        yield lines
        body.seek(0)
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            full = {"sightings": SCHEMA, **header, "whole": lines.whole}
            file.write(orjson.dumps(full, option=orjson.OPT_APPEND_NEWLINE))
            shutil.copyfileobj(body, file)
        beside.replace(path)


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """A file of JSON lines."""
    path.write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
