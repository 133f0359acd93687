"""The broker's jars, by Maven, from compose/jvm/pom.xml."""

from __future__ import annotations

import re
from pathlib import Path

from harness.environment.building import run_to_end
from harness.environment.home import cache_folder
from harness.environment.store import Progress, content_key, install_folder
from harness.environment.tools import Tool, require_maven
from harness.errors import EnvironmentFailedError
from harness.resources import resource

_MAVEN_S = 900


def jars_folder() -> Path:
    """Where the jars of the present pom.xml are, or would be."""
    return cache_folder() / f"jars-{content_key([_pom().read_bytes()])}"


def find_jars() -> tuple[str, ...]:
    """The class path, sorted by name; empty where `setup` has not fetched it."""
    return tuple(sorted(str(jar) for jar in jars_folder().resolve().glob("*.jar")))


def ensure_jars(java: Tool, progress: Progress) -> tuple[str, ...]:
    """Fetch what is missing; only inside `store.writing`.

    Args:
        java: What Maven itself runs on, too: a machine may have a Maven and no Java.

    Raises:
        MissingNeedError: No Maven.
        EnvironmentFailedError: Maven failed; carries what it said.
    """
    if jars := find_jars():
        return jars
    maven = require_maven()
    progress(f"fetching the jars of Kafka {pom_kafka_version()} with Maven (43 MB)")
    with install_folder(jars_folder()) as target:
        _copy_dependencies(str(maven.path), java, target)
    return find_jars()


def pom_kafka_version() -> str:
    found = re.search(r"<kafka\.version>(.+?)</kafka\.version>", _pom().read_text())
    assert found, "compose/jvm/pom.xml names the Kafka version in one property"
    return found.group(1)


def _pom() -> Path:
    return resource("compose") / "jvm" / "pom.xml"


def _copy_dependencies(maven: str, java: Tool, target: Path) -> None:
    argv = [
        maven, "-B", "-q", "-ntp", "-f", str(_pom()), "dependency:copy-dependencies",
        f"-DoutputDirectory={target}", "-DincludeScope=runtime",
    ]  # fmt: skip
    env = {"JAVA_HOME": str(java.path.resolve().parent.parent)}
    code, said = run_to_end("Maven", argv, cwd=target, timeout_s=_MAVEN_S, env=env)
    if code != 0 or not any(target.glob("kafka_*.jar")):
        # Maven says first what is wrong, and then how to run Maven.
        raise EnvironmentFailedError("Maven could not fetch the broker's jars:\n  " + "\n  ".join(said[:6]))
