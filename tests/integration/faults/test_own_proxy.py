"""An eosproxy of one's own, from Python and from the command line."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from faults import FaultError, Latency, Proxy, ProxyFailedError, ProxyGoneError, ProxyMissingError, StepLose
from faults.program import find_program
from tests.integration.faults.peers import Broker, LostConnectionError, Peer, end_txn, metadata

ROOT = Path(__file__).parents[3]


def test_it_is_started_used_and_gone(program: Path, broker: Broker) -> None:
    with Proxy.start(program) as proxy:
        hop = proxy.hop(broker.address)
        lost = StepLose(proxy.hops, proxy.events, lanes=["app"], step="EndTxn(commit)")
        lost.arm()
        with Peer(hop.listen) as client:
            assert client.ask(metadata(1)) == 1
            with pytest.raises(LostConnectionError):
                client.ask(end_txn(2))
        assert lost.evidence().bit  # though the rule is still armed, and its event on its way
        url = proxy.url
    with pytest.raises(ProxyGoneError, match="Connection refused"):
        Proxy(url).hops.health()
    assert not broker.saw(2)


def test_a_lane_is_led_through_toxiproxy_by_one_and_slowed_down_by_another(program: Path, broker: Broker) -> None:
    with Proxy.start(program) as proxy:
        hop = proxy.hop(broker.address)
        other = Proxy(proxy.url)
        with pytest.raises(FaultError, match="lane 'app' does not lead through Toxiproxy"):
            other.prepared_detour()
        with pytest.raises(FaultError, match="has no hop of lane 'ap'"):
            other.prepared_detour("ap")
        proxy.detour()
        latency = Latency(other.prepared_detour(), 60)
        latency.inject()
        with Peer(hop.listen) as client:
            assert client.ask(metadata(1)) == 1
        latency.heal()
        assert latency.evidence().bit


def test_an_address_that_is_taken_is_said(program: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ProxyFailedError, match=r"did not start: .*address already in use"):
            Proxy.start(program, api=taken)


def test_a_program_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProxyFailedError, match="did not start"):
        Proxy.start("/bin/true")
    with pytest.raises(ProxyMissingError, match="set EOSPROXY to its path, put it on PATH, or install Go"):
        find_program(env={"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})


def test_it_is_found_by_name_and_on_the_path(program: Path, tmp_path: Path) -> None:
    assert find_program(env={"EOSPROXY": str(program)}) == program
    (tmp_path / "eosproxy").symlink_to(program)
    assert find_program(env={"PATH": str(tmp_path)}) == tmp_path / "eosproxy"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_served_proxy_ends_with_its_command(program: Path, number: signal.Signals) -> None:
    argv = [sys.executable, "-m", "faults", "serve", "--api", "127.0.0.1:0", "tcp:127.0.0.1:0=127.0.0.1:9"]
    env = os.environ | {"EOSPROXY": str(program)}
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout
        served = orjson.loads(command.stdout.readline())
        proxy = Proxy(served["proxy"])
        (hop,) = proxy.hops.hops()
        assert served["hops"] == [{"name": hop.name, "listen": hop.listen, "upstream": "127.0.0.1:9"}]
        command.send_signal(number)
        command.communicate(timeout=20)
    assert command.returncode == (-number if number == signal.SIGKILL else 0)
    with pytest.raises(ProxyGoneError):
        while True:  # until the kernel has told it that its owner is gone
            proxy.hops.health()


def test_a_fault_that_does_not_bite_ends_with_3_and_says_why(program: Path, broker: Broker) -> None:
    with Proxy.start(program) as proxy:
        proxy.hop(broker.address)
        argv = [sys.executable, "-m", "faults", "lose", "commit", "--wait", "100ms", "--proxy", proxy.url]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 3
        assert (
            done.stdout == "lose before commit 1: did not bite: commit 1 never came on app: the step was seen 0 times\n"
        )
        as_json = subprocess.run([*argv, "--json"], cwd=ROOT, capture_output=True, timeout=60, check=False)
        assert as_json.returncode == 3
        assert orjson.loads(as_json.stdout)["bit"] is False


def test_a_fault_that_is_interrupted_is_healed(program: Path, broker: Broker) -> None:
    with Proxy.start(program) as proxy:
        hop = proxy.hop(broker.address)
        argv = [sys.executable, "-m", "faults", "partition", "--for", "60s", "--proxy", proxy.url]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
            assert command.stderr
            assert command.stderr.readline() == "partition: injected\n"
            assert proxy.hops.hops()[0].requests == "withhold"
            command.send_signal(signal.SIGINT)
            _, said = command.communicate(timeout=20)
        assert command.returncode == 130
        assert "interrupted: healed" in said
        with Peer(hop.listen) as client:
            assert client.ask(metadata(1)) == 1
