"""One finding's first case, told in full."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.audit import life, render
from harness.errors import HistoryError
from harness.model import Anomaly, Finding

_NOT_A_RECORD = (
    Anomaly.TORN_TRANSACTION,
    Anomaly.HANGING_TRANSACTION,
    Anomaly.STALLED,
    Anomaly.G0,
    Anomaly.G1C,
    Anomaly.EMPTY_HISTORY,
)


def story(finding: Finding, folder: Path) -> list[str]:
    """The life of the finding's first record, from the evidence in `folder`.

    The bare facts for what is no record (a transaction, a group), and when the evidence cannot be read.
    """
    if not finding.samples:
        return []
    sample = finding.samples[0]
    if finding.type in _NOT_A_RECORD:
        return _facts(sample)
    try:
        found = life(folder, str(sample["id"]))
    except (HistoryError, OSError) as error:
        return [*_facts(sample), f"its life cannot be read: {error}"]
    return list(render(found)) if found else _facts(sample)


def _facts(sample: Mapping[str, Any]) -> list[str]:
    return [f"{key}: {value}" for key, value in sample.items()]
