"""Where the evidence of a run goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError

LATEST = "latest"


def run_folders(scenarios: Sequence[str], out: Path | None) -> list[Path]:
    """Make one empty folder per scenario: `out` itself for a single one, else a folder of its own in it.

    Without `out`: `runs/<scenario>-<UTC time>` under the current folder; `runs/latest` points to the last.

    Raises:
        UsageError: `out` already holds something; evidence of two runs must not mix.
    """
    if out and out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out}: the folder is not empty; name another one with --out")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    if out and len(scenarios) == 1:
        _make(out, exist_ok=True)
        return [out]
    folders = [_made((out or Path("runs")) / (name if out else f"{name}-{stamp}")) for name in scenarios]
    if not out:
        _point_latest_at(folders[-1])
    return folders


def _made(folder: Path) -> Path:
    """Make the folder; with a number appended while the name is taken (two runs in one second)."""
    number = 1
    candidate = folder
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    _make(candidate)
    return candidate


def _make(folder: Path, *, exist_ok: bool = False) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror}") from error


def _point_latest_at(folder: Path) -> None:
    partial = folder.parent / f".{LATEST}.{os.getpid()}"
    with suppress(OSError):  # a convenience: some file systems have no symbolic links
        partial.symlink_to(folder.name)
        partial.replace(folder.parent / LATEST)
