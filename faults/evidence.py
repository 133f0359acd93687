"""What proves that a fault acted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What became of one fault so far. A rule that merely matched, or a signal that was merely sent, is no bite.

    Args:
        fired: How often the fault was injected.
        bit: Whether the facts prove that it acted.
        facts: JSON-ready: signal and pid, frame and connection, bytes withheld, delay measured. Times that end in
            `_ns` are of CLOCK_MONOTONIC, comparable between all processes of one machine.
        why: When it did not bite: the reason, in words. Empty when it did.
    """

    fired: int
    bit: bool
    facts: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
