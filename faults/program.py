"""The eosproxy program: found, or built where Go is."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from faults.errors import ProxyMissingError

NAME = "eosproxy"
VARIABLE = "EOSPROXY"

_PACKAGE = Path(__file__).parent
_SOURCES = (_PACKAGE.parent / "compose" / NAME, _PACKAGE.parent / "harness" / "_data" / "compose" / NAME)
"""In a checkout, and in an installed wheel."""

_BUILD_S = 900


def find_program(
    program: Path | str | None = None,
    env: Mapping[str, str] = os.environ,
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """The program at this path, or named by EOSPROXY, or on PATH, or built from the sources that came with us.

    Args:
        progress: Gets a line before something takes long.

    Raises:
        ProxyMissingError: There is none; says how to get one.
    """
    for named, origin in ((program, "the program"), (env.get(VARIABLE), VARIABLE)):
        if named:
            if not os.access(named, os.X_OK) or Path(named).is_dir():
                raise ProxyMissingError(f"{origin} is {str(named)!r}, which cannot be run: is it the path of {NAME}?")
            return Path(named)
    if on_path := shutil.which(NAME, path=env.get("PATH")):
        return Path(on_path)
    return _built(env, progress)


def _built(env: Mapping[str, str], progress: Callable[[str], None]) -> Path:
    sources = next((each for each in _SOURCES if (each / "go.mod").is_file()), None)
    target = _cache(env) / f"{NAME}-{_key(sources)}" / NAME if sources else None
    if target and target.is_file():
        return target
    go = shutil.which("go", path=env.get("PATH"))
    if sources is None or target is None or go is None:
        raise ProxyMissingError(
            f"there is no {NAME}: set {VARIABLE} to its path, put it on PATH, or install Go 1.23 or newer,"
            " by which it is built"
        )
    progress(f"building {NAME} (once)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:  # several may build at once: the last one wins
        _build(go, sources, Path(folder, NAME))
        Path(folder, NAME).replace(target)
    return target


def _build(go: str, sources: Path, output: Path) -> None:
    argv = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(output), "."]
    try:
        done = subprocess.run(argv, cwd=sources, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProxyMissingError(f"{NAME} could not be built: {error}") from error
    if done.returncode != 0:
        raise ProxyMissingError(f"{NAME} does not build:\n  " + "\n  ".join(done.stderr.splitlines()[-12:]))


def _cache(env: Mapping[str, str]) -> Path:
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eos-chaos"


def _key(sources: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*")):
        if path.name in {"go.mod", "go.sum"} or path.suffix == ".go":
            digest.update(str(path.relative_to(sources)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
