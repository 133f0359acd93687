"""The eosproxy program, built by Go from compose/eosproxy."""

from __future__ import annotations

from pathlib import Path

from harness.environment.building import run_to_end
from harness.environment.home import cache_folder
from harness.environment.store import Progress, content_key, install_folder
from harness.environment.tools import ensure_go
from harness.errors import EnvironmentFailedError
from harness.resources import resource

_BUILD_S = 900


def proxy_path() -> Path:
    """Where the program built from the present sources is, or would be."""
    return cache_folder() / f"eosproxy-{_source_key()}" / "eosproxy"


def ensure_proxy(progress: Progress) -> Path:
    """Build it if it is missing; only inside `store.writing`.

    Raises:
        MissingNeedError: No Go, and no stand-in.
        EnvironmentFailedError: It does not build; carries the compiler's last lines.
    """
    path = proxy_path()
    if path.is_file():
        return path
    go = ensure_go(progress)
    progress(f"building eosproxy with Go {go.version}")
    with install_folder(path.parent) as target:
        _build(str(go.path), target / path.name)
    return path


def _build(go: str, output: Path) -> None:
    key = output.parent.name.removeprefix("eosproxy-")
    argv = [
        go,
        "build",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        f"-s -w -X main.version={key}",
        "-o",
        str(output),
        ".",
    ]
    env = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    code, said = run_to_end("Go", argv, cwd=_sources(), timeout_s=_BUILD_S, env=env)
    if code != 0:
        raise EnvironmentFailedError("eosproxy does not build:\n  " + "\n  ".join(said[-12:]))


def _sources() -> Path:
    return resource("compose") / "eosproxy"


def _source_key() -> str:
    root = _sources()
    files = sorted(
        path
        for path in root.rglob("*")
        if path.name in {"go.mod", "go.sum"}
        or (path.suffix == ".go" and not path.name.endswith("_test.go"))
        or (path.suffix == ".txt" and path.parent.name != "testdata")  # what Go embeds
    )
    return content_key(part for path in files for part in (str(path.relative_to(root)), path.read_bytes()))
