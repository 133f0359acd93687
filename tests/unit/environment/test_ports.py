from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.environment.ports import allowed_blocks
from harness.errors import UsageError
from harness.topology import FIRST_BLOCK, LAST_BLOCK

BLOCKS = st.integers(FIRST_BLOCK, LAST_BLOCK)


def test_every_block_is_allowed_unless_said_otherwise() -> None:
    assert allowed_blocks({}) == range(FIRST_BLOCK, LAST_BLOCK + 1)


@given(BLOCKS, BLOCKS)
def test_a_range_of_blocks(one: int, other: int) -> None:
    first, last = sorted((one, other))
    assert allowed_blocks({"EOS_CHAOS_BLOCKS": f"{first}-{last}"}) == range(first, last + 1)
    assert list(allowed_blocks({"EOS_CHAOS_BLOCKS": str(first)})) == [first]


@pytest.mark.parametrize("text", ["15", "16-240", "39-16", "x", "-16", "16,17", "16-17-18", " ", "1e2"])
def test_what_is_no_range_of_blocks(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        allowed_blocks({"EOS_CHAOS_BLOCKS": text})
    assert repr(text) in str(caught.value)
    assert "16-239" in str(caught.value)
