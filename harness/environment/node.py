"""The files and the command line of one broker, from the topology. Starts nothing."""

from __future__ import annotations

import base64
import shutil
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path

from harness.environment.installation import Installation
from harness.topology import CONTROLLER, INTERNAL, Topology, controller_host

JVM_FLAGS = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # it would leave files in /tmp after a SIGKILL
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Dlog4j2.disableJmx=true",
    "-Djava.awt.headless=true",
)
"""Small and quick to start. A class archive is tied to the heap's collector, so training uses the same."""

_TUNED: Mapping[str, str] = {
    "auto.create.topics.enable": "false",
    "auto.leader.rebalance.enable": "false",
    "controlled.shutdown.enable": "false",
    "num.partitions": "3",
    # One network thread for each of up to 19 listeners, and no 128 MB heap for a log cleaner that has nothing to do.
    "num.network.threads": "1",
    "num.io.threads": "2",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.segment.bytes": "16777216",
    # Groups and transactions: no waiting for members that will not come, three partitions each, so quickly loaded.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "share.coordinator.state.topic.num.partitions": "3",
    # A broker that is killed or cut is missed within seconds.
    "replica.lag.time.max.ms": "2000",
    "broker.heartbeat.interval.ms": "200",
    "broker.session.timeout.ms": "3000",
    "initial.broker.registration.timeout.ms": "60000",
    "controller.quorum.election.timeout.ms": "300",
    "controller.quorum.election.backoff.max.ms": "100",
    "controller.quorum.retry.backoff.ms": "20",
    # The default of 30 s stalls a forwarded request that long behind a withheld link.
    "controller.socket.timeout.ms": "2000",
}


def new_kafka_id() -> str:
    """A random id in Kafka's form: 22 characters of URL-safe base64, never with a leading dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def broker_properties(
    topology: Topology, node: int, folder: Path, overrides: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The complete server.properties of broker `node`, whose files are below `folder`."""
    names = topology.listener_names()
    replicas = str(min(3, topology.nodes))
    in_sync = str(min(2, topology.nodes))
    port = topology.broker(node, CONTROLLER).port
    return {
        **_TUNED,
        "process.roles": "broker,controller",
        "node.id": str(node),
        "log.dirs": str(folder / "data"),
        "controller.quorum.voters": ",".join(f"{n}@{controller_host(n)}:{port}" for n in topology.node_ids),
        "controller.listener.names": CONTROLLER,
        "inter.broker.listener.name": INTERNAL,
        "listeners": ",".join(f"{name}://{topology.broker(node, name)}" for name in names),
        "advertised.listeners": ",".join(f"{name}://{topology.advertised(node, name)}" for name in names),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
        "default.replication.factor": replicas,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        **(overrides or {}),
    }


def write_node(
    topology: Topology,
    node: int,
    folder: Path,
    *,
    cluster_id: str,
    format_template: str | None,
    overrides: Mapping[str, str] | None = None,
) -> None:
    """Write all files of broker `node` into the new folder `folder`, its storage formatted.

    Args:
        format_template: What Kafka's own tool once made; copying it takes 10 ms, the tool more than a second. None
            leaves the storage unformatted.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    properties = broker_properties(topology, node, folder, overrides)
    (folder / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    (folder / "hosts").write_text(topology.hosts_file(node, socket.gethostname()))
    (folder / "log4j2.properties").write_text(_LOGGING.format(log=server_log(folder)))
    if format_template is None:
        return
    shutil.copytree(format_template, data / "__cluster_metadata-0", copy_function=shutil.copyfile)
    (data / "meta.properties").write_text(
        f"version=1\ncluster.id={cluster_id}\nnode.id={node}\ndirectory.id={new_kafka_id()}\n"
    )


def java_argv(
    java: str, classpath: tuple[str, ...], folder: Path, main: str, *arguments: str, flags: list[str]
) -> list[str]:
    """The command that runs a class of Kafka's with the files of the broker below `folder`."""
    return [
        java,
        *JVM_FLAGS,
        *flags,
        f"-Djdk.net.hosts.file={folder / 'hosts'}",
        f"-Dlog4j2.configurationFile=file:{folder / 'log4j2.properties'}",
        "-cp",
        ":".join(classpath),
        main,
        *arguments,
    ]


def broker_argv(installation: Installation, folder: Path) -> list[str]:
    """The command that starts the broker whose files are below `folder`."""
    flags = installation.class_archive_flags
    return java_argv(
        installation.java, installation.classpath, folder, BROKER_CLASS, broker_argument(folder), flags=flags
    )


def broker_argument(folder: Path) -> str:
    return str(folder / "server.properties")


def server_log(folder: Path) -> Path:
    return folder / "server.log"


BROKER_CLASS = "kafka.Kafka"

_LOGGING = """\
status=error
appender.file.type=File
appender.file.name=file
appender.file.fileName={log}
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{HH:mm:ss.SSS}} %p %c{{1}} %m%n
rootLogger.level=WARN
rootLogger.appenderRef.file.ref=file
"""
