"""How often apps were told that another has taken their place, by the notes in their ledgers.

The brokers say so to a zombie: its producer's epoch, or its generation of the group, is not the newest any more. Each
client has its own name for that, and an app notes down the client's words when it gives a batch or itself up.
"""

from __future__ import annotations

import re
from pathlib import Path

import orjson

_GIVEN_UP = ("aborted", "exit", "rewind")
_FENCED = re.compile(
    "fenced|invalid_?producer_?epoch|illegal_?generation|unknown_?member_?id|commitfailederror", re.IGNORECASE
)


def fenced_in(ledgers: Path) -> dict[str, int]:
    """App → how many batches or incarnations it gave up because it was fenced; apps that never did are absent.

    Args:
        ledgers: The ledger folder of a repeat.
    """
    counts: dict[str, int] = {}
    for path in sorted(ledgers.glob("*.jsonl")):
        app = path.name.rsplit("-", 2)[0]
        told = sum(_tells(line) for line in path.read_bytes().splitlines() if b'"note"' in line)
        if told:
            counts[app] = counts.get(app, 0) + told
    return counts


def _tells(raw: bytes) -> bool:
    try:
        note = orjson.loads(raw)
    except orjson.JSONDecodeError:  # the last line of a process that was killed
        return False
    given_up = isinstance(note, dict) and note.get("note") in _GIVEN_UP
    return given_up and bool(_FENCED.search(str(note.get("reason", ""))))
