"""`--keep` hands a cluster on; two runs never share one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing

import psutil
from kafka import KafkaConsumer, KafkaProducer

from faults import HopClient, Rule, Toxics
from harness.environment import ClusterSpec, Environment, clean, doctor, open_environment
from tests.runs import CommandLine

SMALL = ClusterSpec(nodes=1, lanes=2, broker={"auto.create.topics.enable": "true"})


def test_a_kept_cluster_is_used_again_as_new_and_ended_by_clean(own_home: CommandLine) -> None:
    with open_environment(SMALL, keep=True) as first:
        assert not first.reused
        cluster_id = first.cluster_id
        _send(first, b"remembered")
        _leave_a_mess(first)
    assert any(need.name == "kept cluster" for need in doctor())

    with open_environment(SMALL) as second:
        assert (second.reused, second.cluster_id) == (True, cluster_id)
        assert second.seconds < 10
        _assert_tidy(second)
        assert _first_value(second) == b"remembered"
        with open_environment(SMALL) as other:
            assert not other.reused, "one run has a cluster alone"
            assert other.cluster_id != cluster_id
            assert other.topology.block != second.topology.block

    with open_environment(ClusterSpec(nodes=1, lanes=1)) as another:
        assert not another.reused, "it is not what was asked for"
    done = clean()
    assert len(done) == 1
    assert done[0].startswith("ended the kept cluster")
    assert own_home.leftovers() == []


def test_a_kept_cluster_outlives_its_harness_and_is_replaced_when_damaged(own_home: CommandLine) -> None:
    told = json.loads(_python(_KEEP_AND_DIE))
    with open_environment(ClusterSpec(nodes=1, lanes=1)) as environment:
        assert (environment.reused, environment.cluster_id) == (True, told["cluster_id"])
    psutil.Process(told["postgres"]).kill()
    said: list[str] = []
    with open_environment(ClusterSpec(nodes=1, lanes=1), progress=said.append) as environment:
        assert not environment.reused
        assert environment.cluster_id != told["cluster_id"]
    assert any(line.startswith("replacing the kept cluster: postgres") for line in said)
    assert own_home.leftovers() == [], "the new one was not to be kept, and the old one is gone"


_KEEP_AND_DIE = """
import json, os, signal
from harness.environment import ClusterSpec, open_environment
with open_environment(ClusterSpec(nodes=1, lanes=1), keep=True) as environment:
    facts = {"cluster_id": environment.cluster_id, "postgres": environment.process("postgres")[0]}
    print(json.dumps(facts), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _python(code: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout


def _send(environment: Environment, value: bytes) -> None:
    with closing(KafkaProducer(bootstrap_servers=environment.bootstrap_direct, acks="all")) as producer:
        producer.send("kept", value).get(20)


def _first_value(environment: Environment) -> bytes:
    """Through a lane, which the mess had closed."""
    lane = environment.lease_lane()
    consumer = KafkaConsumer(
        "kept", bootstrap_servers=lane.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20_000
    )
    with closing(consumer):
        value: bytes = next(consumer).value
    environment.release_lane(lane)
    return value


def _leave_a_mess(environment: Environment) -> None:
    """What a run that was killed leaves in the proxy."""
    hops, topology = HopClient(environment.proxy_url), environment.topology
    hops.patch_hop("lane-0/broker-1", enabled=False)
    hops.patch_hop("lane-1/broker-1", requests="withhold", upstream=str(topology.toxic_address(1, 1)))
    hops.add_rule(
        Rule(id="left", lanes=["lane-0"], match=[{"api": "Produce"}], at="request", action="lose", connection="close")
    )
    toxics = Toxics(environment.proxy_url)
    toxics.create_proxy("left", str(topology.toxic_address(1, 1)), str(topology.broker(1, "LANE1")))


def _assert_tidy(environment: Environment) -> None:
    hops, topology = HopClient(environment.proxy_url), environment.topology
    assert hops.rules() == []
    assert {(hop.enabled, hop.requests, hop.replies) for hop in hops.hops()} == {(True, "pass", "pass")}
    assert {hop.name: hop.upstream for hop in hops.hops()} == {hop.name: str(hop.upstream) for hop in topology.hops()}
    toxics = Toxics(environment.proxy_url)
    toxics.create_proxy("left", str(topology.toxic_address(1, 1)), str(topology.broker(1, "LANE1")))  # the name is free
    toxics.remove_proxy("left")
