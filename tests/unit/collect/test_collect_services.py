"""Calls and messages as sightings: whoever made them may have said anything of their source."""

from __future__ import annotations

import pytest

from harness.collect.services import _line


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("orders/0/17", ["orders", 0, 17]),
        ("or/ders/0/17", ["or/ders", 0, 17]),
        (None, None),
        ("", None),
        ("orders", None),
        ("orders/0", None),
        ("/0/17", None),
        ("orders/-1/17", None),
        ("orders/0/1e3", None),
        ("orders/0/²", None),
        ("orders/0/" + "9" * 19, None),
        ("orders/0/17\n", None),
    ],
)
def test_the_source_of_a_call(said: str | None, source: list[object] | None) -> None:
    page = {"row": [1], "id": ["a"], "src": [said], "accepted": [1]}
    assert _line(page) == {"row": [1], "id": ["a"], "src": [source], "accepted": [True]}
