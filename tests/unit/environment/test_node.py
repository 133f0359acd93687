"""The files and the command line of a broker."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.environment.installation import Installation
from harness.environment.node import broker_argv, broker_properties, new_kafka_id, write_node
from harness.topology import Topology

TOPOLOGY = Topology(20, nodes=3, lanes=2)


def test_every_listener_is_bound_to_the_brokers_own_address_and_advertised_at_its_hop(tmp_path: Path) -> None:
    properties = broker_properties(TOPOLOGY, 2, tmp_path)
    assert properties["listeners"].split(",") == [
        "INTERNAL://127.20.1.2:29092",
        "CONTROLLER://127.20.1.2:29093",
        "DIRECT://127.20.1.2:29100",
        "LANE0://127.20.1.2:29200",
        "LANE1://127.20.1.2:29201",
    ]
    assert properties["advertised.listeners"].split(",") == [
        "INTERNAL://b2.eos:29092",
        "CONTROLLER://c2.eos:29093",
        "DIRECT://127.20.1.2:29100",
        "LANE0://127.20.100.2:29200",
        "LANE1://127.20.101.2:29201",
    ]
    assert properties["controller.quorum.voters"] == "1@c1.eos:29093,2@c2.eos:29093,3@c3.eos:29093"


def test_a_small_cluster_asks_for_no_more_replicas_than_it_has_brokers(tmp_path: Path) -> None:
    properties = broker_properties(Topology(20, nodes=1, lanes=0), 1, tmp_path)
    assert properties["transaction.state.log.replication.factor"] == "1"
    assert properties["transaction.state.log.min.isr"] == "1"


def test_the_users_properties_come_last(tmp_path: Path) -> None:
    wanted = {"replica.lag.time.max.ms": "9000", "message.max.bytes": "1000"}
    properties = broker_properties(TOPOLOGY, 1, tmp_path, wanted)
    assert {key: properties[key] for key in wanted} == wanted


def test_the_files_of_a_broker(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "00000.checkpoint").write_bytes(b"formatted")
    node = tmp_path / "node"
    write_node(TOPOLOGY, 1, node, cluster_id="AAAAAAAAAAAAAAAAAAAAAA", format_template=str(template))
    assert (node / "data/__cluster_metadata-0/00000.checkpoint").read_bytes() == b"formatted"
    meta = dict(line.split("=") for line in (node / "data/meta.properties").read_text().splitlines())
    assert (meta["version"], meta["cluster.id"], meta["node.id"]) == ("1", "AAAAAAAAAAAAAAAAAAAAAA", "1")
    assert len(meta["directory.id"]) == 22
    assert "node.id=1\n" in (node / "server.properties").read_text()
    hosts = (node / "hosts").read_text().splitlines()
    assert hosts == [
        "127.20.1.1 b1.eos c1.eos",
        "127.20.11.2 b2.eos c2.eos",
        "127.20.11.3 b3.eos c3.eos",
        f"127.0.0.1 localhost {socket.gethostname()}",
    ]
    assert f"fileName={node}/server.log" in (node / "log4j2.properties").read_text()


def test_ids_never_look_like_an_option() -> None:
    ids = {new_kafka_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(each) == 22 and not each.startswith("-") for each in ids)


@pytest.mark.parametrize(
    ("archive", "flags"),
    [("/c/x.jsa", ["-XX:SharedArchiveFile=/c/x.jsa"]), ("/c/x.aot", ["-XX:AOTCache=/c/x.aot"]), (None, [])],
)
def test_the_command_uses_the_class_archive_in_its_javas_own_way(archive: str | None, flags: list[str]) -> None:
    texts = dict.fromkeys(Installation.__dataclass_fields__, "")
    made = Installation(**{**texts, "java": "/jdk/java", "classpath": ("/a.jar", "/b.jar"), "class_archive": archive})  # type: ignore[arg-type]
    argv = broker_argv(made, Path("/n"))
    assert argv[0] == "/jdk/java"
    assert [part for part in argv if "Archive" in part or "AOT" in part] == flags
    assert argv[-4:] == ["-cp", "/a.jar:/b.jar", "kafka.Kafka", "/n/server.properties"]
