"""What makes brokers start in seconds: a formatted storage to copy, and the JVM's archive of loaded classes.

Both come from Kafka's own programs, once per Kafka, Java and class path. The archive is made by a training run: one
broker is started, worked with, and ended by SIGTERM, whereupon the JVM writes what it had loaded.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from harness.environment.building import run_to_end
from harness.environment.children import Child, how_it_ended, last_lines, spawn
from harness.environment.home import cache_folder
from harness.environment.node import (
    BROKER_CLASS,
    JVM_FLAGS,
    broker_argument,
    java_argv,
    new_kafka_id,
    server_log,
    write_node,
)
from harness.environment.ports import allowed_blocks, claim_block
from harness.environment.store import Progress, content_key, install_folder, open_to_all, replace_file, work_folder
from harness.environment.tools import Tool
from harness.environment.usable import Usability
from harness.errors import EnvironmentFailedError
from harness.topology import Topology

_FORMAT_S = 60
_TRAINING_S = 60
_DUMP_S = 120
_AOT_JAVA = 25


def find_format_template(kafka_version: str) -> Path | None:
    folder = cache_folder() / f"format-{kafka_version}" / "__cluster_metadata-0"
    return folder.resolve() if folder.is_dir() else None


def ensure_format_template(java: Tool, classpath: Sequence[str], kafka_version: str, progress: Progress) -> Path:
    """Kafka's own formatted storage, to be copied; only inside `store.writing`.

    Raises:
        EnvironmentFailedError: The tool failed; carries its last lines.
    """
    if found := find_format_template(kafka_version):
        return found
    progress(f"formatting a storage with Kafka {kafka_version}")
    topology = Topology(block=16, nodes=1, lanes=0)  # only written down, nothing listens
    cluster_id = new_kafka_id()
    with work_folder() as work, install_folder(cache_folder() / f"format-{kafka_version}") as target:
        node = work / "node"
        write_node(topology, 1, node, cluster_id=cluster_id, format_template=None)
        arguments = ("format", "-t", cluster_id, "-c", broker_argument(node))
        argv = java_argv(str(java.path), tuple(classpath), node, "kafka.tools.StorageTool", *arguments, flags=[])
        code, said = run_to_end("Kafka's storage tool", argv, cwd=work, timeout_s=_FORMAT_S)
        made = node / "data" / "__cluster_metadata-0"
        if code != 0 or not made.is_dir():
            raise EnvironmentFailedError("Kafka's storage tool failed:\n  " + "\n  ".join(said[-8:]))
        made.rename(target / made.name)
    found = find_format_template(kafka_version)
    assert found is not None, "just made"
    return found


def archive_path(java: Tool, classpath: Sequence[str]) -> Path:
    """Where the archive for exactly this Java, class path and heap is, or would be."""
    jars = [f"{jar} {Path(jar).stat().st_size}" for jar in classpath]
    key = content_key([str(java.path.resolve()), java.version, *jars, *JVM_FLAGS])
    return cache_folder().resolve() / f"classes-{key}{'.aot' if java.numbers[0] >= _AOT_JAVA else '.jsa'}"


def find_class_archive(java: Tool, classpath: Sequence[str]) -> Path | None:
    """The archive, if nobody has touched it since it was made: a JVM may crash on a damaged one."""
    path = archive_path(java, classpath)
    try:
        noted = json.loads(_note(path).read_text())
        # A note of an earlier version knows the size alone.
        whole = noted == {name: value for name, value in _state(path).items() if name in noted} and "size" in noted
    except (OSError, ValueError, TypeError):
        return None
    return path if whole else None


def ensure_class_archive(java: Tool, classpath: Sequence[str], template: Path, progress: Progress) -> Path:
    """Make the archive if there is no whole one; only inside `store.writing`.

    Raises:
        EnvironmentFailedError: The broker in training did not start or did not write it.
    """
    if found := find_class_archive(java, classpath):
        return found
    progress("training the JVM's class archive (about 20 s)")
    path = archive_path(java, classpath)
    with work_folder() as work:
        draft = work / path.name
        _train(java, classpath, template, draft, work)
        path.unlink(missing_ok=True)
        draft.rename(path)
    open_to_all(path)
    replace_file(_note(path), json.dumps(_state(path)))
    open_to_all(_note(path))
    return path


def _train(java: Tool, classpath: Sequence[str], template: Path, output: Path, work: Path) -> None:
    topology, lock = claim_block(1, 1, allowed_blocks())
    option = "AOTCacheOutput" if output.suffix == ".aot" else "ArchiveClassesAtExit"
    node, cluster_id = work / "broker-1", new_kafka_id()
    with closing(lock):
        write_node(topology, 1, node, cluster_id=cluster_id, format_template=str(template))
        argv = java_argv(
            str(java.path),
            tuple(classpath),
            node,
            BROKER_CLASS,
            broker_argument(node),
            flags=[f"-XX:{option}={output}"],
        )
        broker = spawn("broker 1", argv, cwd=node, logs=(server_log(node), node / "broker-1.out"))
        try:
            Usability(topology, cluster_id, lambda: _require_running(broker)).wait_usable(_TRAINING_S)
            broker.process.terminate()
            broker.process.wait(_DUMP_S)
        except subprocess.TimeoutExpired as error:
            raise EnvironmentFailedError(f"the JVM did not write its class archive within {_DUMP_S} s") from error
        finally:
            broker.process.kill()
            broker.process.wait()
    if not output.is_file():
        raise EnvironmentFailedError(f"the JVM wrote no class archive; {last_lines(broker.logs)}")


def _require_running(broker: Child) -> None:
    if not broker.running():
        how = how_it_ended(broker.process.poll())
        raise EnvironmentFailedError(f"the broker in training {how}; {last_lines(broker.logs)}")


def _state(path: Path) -> dict[str, int]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}


def _note(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".json")
