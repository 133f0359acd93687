"""The cache: every entry appears whole or not at all, and an interrupted `setup` is repaired by the next."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.environment.home import cache_folder, make_reachable
from harness.errors import EnvironmentFailedError

Progress = Callable[[str], None]
"""Takes one line, for people."""

_UNFINISHED = ".unfinished-"


def content_key(parts: Iterable[str | bytes]) -> str:
    """Twelve hex digits that change when any part does."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]


@contextmanager
def writing(progress: Progress) -> Iterator[Path]:
    """The cache folder, for us alone: another `setup` on this cache is waited for.

    What an interrupted one left unfinished is removed first: under the lock nobody can still be at it.

    Raises:
        EnvironmentFailedError: The cache cannot be written.
    """
    folder = cache_folder()
    try:
        make_reachable(folder)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise EnvironmentFailedError(
            f"the cache {folder} cannot be written ({error.strerror}) and is incomplete\n"
            "  let its owner run `eos-chaos setup`, or set EOS_CHAOS_HOME to a folder of your own"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another setup to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for unfinished in folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        yield folder


@contextmanager
def work_folder() -> Iterator[Path]:
    """An empty folder in the cache that is removed in the end; only inside `writing`."""
    folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=cache_folder()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def install_folder(final: Path) -> Iterator[Path]:
    """An empty folder to fill; when the block ends well it is made readable by all and renamed to `final`.

    Only inside `writing`.
    """
    with work_folder() as work:
        filled = work / final.name
        filled.mkdir()
        yield filled
        open_to_all(filled)
        shutil.rmtree(final, ignore_errors=True)
        filled.rename(final)


def open_to_all(entry: Path) -> None:
    """Let every OS user read a file, or all below a folder: a cache is shared, and PostgreSQL runs as another user."""
    for path in (entry, *entry.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def replace_file(path: Path, text: str) -> None:
    """Write `path` so that a reader sees the old text or the new, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.rename(path)
