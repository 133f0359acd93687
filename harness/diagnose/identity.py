"""What makes one record the same as another. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from harness.collect.batches import Batch
from harness.collect.records import Columns, columns
from harness.errors import UsageError

_FORMS = "key, header:NAME or json:PATH (as in json:order.id)"


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a record's identity stands.

    Args:
        kind: In its key, in one of its headers, or in its value.
        path: The header's name, or the keys that lead to it; empty for the key.
    """

    kind: Literal["key", "header", "json"]
    path: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Identity:
        """From `key`, `header:NAME` or `json:PATH`.

        Raises:
            UsageError: It is none of these.
        """
        kind, _, rest = text.partition(":")
        if text == "key":
            return cls("key")
        if kind == "header" and rest:
            return cls("header", (rest,))
        path = tuple(rest.removeprefix("$.").split("."))
        if kind == "json" and all(path):
            return cls("json", path)
        raise UsageError(f"--by {text}: records are told apart by {_FORMS}")

    def __str__(self) -> str:
        return f"{self.kind}:{'.'.join(self.path)}" if self.path else self.kind

    @property
    def noun(self) -> str:
        """What a record lacks that has no identity: `key`, `header order-id`, `order.id in its JSON`."""
        if self.kind == "json":
            return f"{'.'.join(self.path)} in its JSON"
        return f"header {self.path[0]}" if self.path else "key"

    def of(self, batch: Batch) -> tuple[Columns, list[str | None]]:
        """The records of a batch, and the identity of each; None where it has none.

        Raises:
            UnreadableBatchError: They cannot be decoded.
        """
        if self.kind == "header":
            found = columns(batch, (self.path[0].encode(),))
            return found, texts(found.headers[0])
        if self.kind == "json":
            found = columns(batch, values=True)
            return found, [None if raw is None else _in_json(raw, self.path) for raw in found.values]
        found = columns(batch)
        return found, texts(found.keys)


def texts(column: Sequence[bytes | None]) -> list[str | None]:
    """Printable UTF-8 as it is, and anything else as `0x…`: no two different ones may look alike."""
    try:
        told = [None if raw is None else str(raw, "utf-8") for raw in column]
        if "".join(filter(None, told)).isprintable():
            return told
    except UnicodeDecodeError:
        pass
    return [None if raw is None else _text(raw) for raw in column]


def _text(raw: bytes) -> str:
    try:
        text = str(raw, "utf-8")
    except UnicodeDecodeError:
        return f"0x{raw.hex()}"
    return text if text.isprintable() else f"0x{raw.hex()}"


def _in_json(raw: bytes, path: Sequence[str]) -> str | None:
    """The value at a path as text: of a string its characters, of anything else its JSON; null is none."""
    try:
        value: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    for step in path:
        if type(value) is dict:
            value = value.get(step)
        elif type(value) is list and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    if value is None:
        return None
    text = value if type(value) is str else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return text if text.isprintable() else f"0x{text.encode().hex()}"
