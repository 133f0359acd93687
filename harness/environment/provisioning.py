"""Fetch and build, once, all that a local cluster is started from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from harness.environment.class_archive import (
    ensure_class_archive,
    ensure_format_template,
    find_class_archive,
    find_format_template,
)
from harness.environment.installation import Installation
from harness.environment.jars import ensure_jars, find_jars
from harness.environment.postgres import Postgres, ensure_postgres, find_postgres
from harness.environment.proxy_build import ensure_proxy, proxy_path
from harness.environment.store import Progress, writing
from harness.environment.tools import Tool, ensure_java, find_java
from harness.errors import EnvironmentFailedError, MissingNeedError

LINUX_MEND = "use a Linux machine, virtual machine or container"


def setup(progress: Progress | None = None) -> Installation:
    """Everything in place; what is there already is not made again (under 0.2 s when all of it is).

    Args:
        progress: Called with one line before each step that takes time.

    Raises:
        MissingNeedError: A tool is missing and nothing can stand in; carries the command that mends it.
        EnvironmentFailedError: A step failed; carries the last lines of what failed.
    """
    if sys.platform != "linux":
        raise MissingNeedError(f"local clusters need Linux, and this is {sys.platform}", LINUX_MEND)
    return find_installation() or _make(progress or (lambda _: None))


def find_installation() -> Installation | None:
    """What an earlier `setup` made, if all of it is there. Writes nothing, so a cache may be another user's."""
    java, jars, proxy, postgres = find_java().tool, find_jars(), proxy_path(), find_postgres()
    if java is None or not jars or not proxy.is_file() or postgres is None:
        return None
    template, archive = find_format_template(kafka_version(jars)), find_class_archive(java, jars)
    if template is None or archive is None:
        return None
    return _installation(java, jars, proxy, postgres, template, archive)


def kafka_version(jars: tuple[str, ...]) -> str:
    """From the name of the clients' jar."""
    for jar in jars:
        if found := re.fullmatch(r"kafka-clients-(.+)\.jar", Path(jar).name):
            return found.group(1)
    raise EnvironmentFailedError(
        "the broker's jars are incomplete: run `eos-chaos clean --cache`, then `eos-chaos setup`"
    )


def _make(progress: Progress) -> Installation:
    with writing(progress):
        java = ensure_java(progress)
        jars = ensure_jars(java, progress)
        proxy = ensure_proxy(progress)
        postgres = ensure_postgres(progress)
        template = ensure_format_template(java, jars, kafka_version(jars), progress)
        archive = ensure_class_archive(java, jars, template, progress)
        return _installation(java, jars, proxy, postgres, template, archive)


def _installation(
    java: Tool, jars: tuple[str, ...], proxy: Path, postgres: Postgres, template: Path, archive: Path
) -> Installation:
    assert postgres.data is not None, "prepared"
    return Installation(
        java=str(java.path),
        java_version=java.version,
        classpath=jars,
        kafka_version=kafka_version(jars),
        proxy=str(proxy.resolve()),
        format_template=str(template),
        class_archive=str(archive),
        postgres_bin=str(postgres.bin),
        postgres_data=str(postgres.data.resolve()),
        postgres_version=postgres.version,
    )
