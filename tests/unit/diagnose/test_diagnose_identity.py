"""What makes a record the same as another: no two different ones look alike, and nothing makes it crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collect.batches import read_batches
from harness.diagnose import Identity
from harness.diagnose.identity import texts
from harness.errors import UsageError
from tests.unit.collect.logs import Entry, stored


def identities(by: str, *entries: Entry) -> list[str | None]:
    (batch,) = read_batches(stored(entries))
    return Identity.parse(by).of(batch)[1]


@pytest.mark.parametrize("text", ["key", "header:order-id", "header:a:b", "json:order.id", "json:items.0.id"])
def test_as_it_is_asked_so_it_is_told(text: str) -> None:
    assert str(Identity.parse(text)) == text
    assert str(Identity.parse("json:$.order.id")) == "json:order.id"


@pytest.mark.parametrize("text", ["", "colour", "header:", "json:", "json:a..b", "key:x", "Key"])
def test_what_is_no_identity(text: str) -> None:
    with pytest.raises(UsageError, match="records are told apart by key, header:NAME or json:PATH"):
        Identity.parse(text)


def test_keys_and_headers() -> None:
    entries: list[Entry] = [(b"a", b"", [("id", b"1"), ("id", b"2")]), (None, None, []), (b"b", b"", [("id", None)])]
    assert identities("key", *entries) == ["a", None, "b"]
    assert identities("header:id", *entries) == ["2", None, None]


def test_json_paths() -> None:
    values: list[Any] = [{"o": {"id": "x"}}, {"o": {"id": 7}}, {"o": {"id": None}}, {"o": 1}, [], {"o": {"id": [1, 2]}}]
    entries: list[Entry] = [(None, json.dumps(value).encode(), []) for value in values]
    assert identities("json:o.id", *entries, (None, b"{", []), (None, None, [])) == [
        "x",
        "7",
        *[None] * 3,
        "[1,2]",
        *[None] * 2,
    ]
    assert identities("json:o.id.1", *entries) == [None, None, None, None, None, "2"]


@given(st.lists(st.none() | st.binary(max_size=12) | st.text(max_size=6).map(str.encode)))
def test_different_bytes_look_different(column: list[bytes | None]) -> None:
    told = texts(column)
    assert [text is None for text in told] == [raw is None for raw in column]
    known = {raw: text for raw, text in zip(column, told, strict=True) if raw is not None}
    hexadecimal = {raw for raw in known if raw.startswith(b"0x")}
    assert len(set(known.values())) >= len(known) - len(hexadecimal)
    for raw, text in known.items():
        assert text.isprintable() and text in (raw.decode(errors="replace"), f"0x{raw.hex()}")


@given(st.binary(max_size=30), st.sampled_from(["json:a", "json:a.b", "json:0"]))
def test_no_value_makes_it_crash(value: bytes, by: str) -> None:
    identities(by, (None, value, []))
