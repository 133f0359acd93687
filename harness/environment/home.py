"""Where everything lives that is fetched, built or started: `cache/` and `clusters/` below one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SYSTEM_HOME = Path("/var/lib/eos-chaos")


def home(env: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """The folder: $EOS_CHAOS_HOME, else /var/lib/eos-chaos as root, else in the user's cache folder.

    Root's is a system folder because PostgreSQL refuses to run as root: the unprivileged user that runs it then must
    be able to reach its files, and below /root it could not.

    Args:
        root: Whether we are root; None looks.
    """
    if chosen := env.get("EOS_CHAOS_HOME"):
        return Path(chosen).absolute()
    if os.geteuid() == 0 if root is None else root:
        return SYSTEM_HOME
    base = env.get("XDG_CACHE_HOME") or Path(env.get("HOME") or Path.home()) / ".cache"
    return Path(base).absolute() / "eos-chaos"


def cache_folder() -> Path:
    """What `setup` fetched and built; may be a link to a folder that several users share and only one can write."""
    return home() / "cache"


def clusters_folder() -> Path:
    """One folder per running cluster, named by `harness.environment.ownership`."""
    return home() / "clusters"


def make_reachable(folder: Path) -> None:
    """Create `folder` and its missing parents, reachable by other OS users whatever the umask says."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in missing:
        part.chmod(0o755)
