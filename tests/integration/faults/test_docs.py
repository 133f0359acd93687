"""The examples of docs/faults.md, executed in front of a real broker that advertises a hop, and a real database."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from faults import HopClient
from harness.environment import ClusterSpec, open_environment, setup
from tests.integration.faults.kafka_clients import ACK_S, stored

DOCUMENT = Path(__file__).parents[3] / "docs" / "faults.md"
BLOCKS = re.findall(r"^```(sh|python) ?(?:title=(\S+))?\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
HANG_S = 90
CUT, ERRORS, KILL = "partition", "refuse", "kill-while-held"

executed: set[str] = set()


def script(title: str) -> str:
    (text,) = [text for _, titled, text in BLOCKS if titled == title]
    executed.add(text)
    return text


def shell(mark: str) -> str:
    """The shell example that begins with this command."""
    (text,) = [text for kind, _, text in BLOCKS if kind == "sh" and text.startswith(f"python -m faults {mark}")]
    executed.add(text)
    return text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Site:
    """Where the examples run: their addresses are those of a real broker and database, which are elsewhere."""

    folder: Path
    broker: str
    hop: str
    postgres: str
    dsn: str
    direct: str
    program: Path
    open: ExitStack
    api: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")

    def adapted(self, text: str) -> str:
        there = {
            "127.0.0.1:9092": self.broker,
            "127.0.0.1:19092": self.hop,
            "127.0.0.1:5432": self.postgres,
            "127.0.0.1:15432": f"127.0.0.1:{free_port()}",
            "127.0.0.1:8475": self.api,
        }
        return re.sub("|".join(map(re.escape, there)), lambda found: there[found[0]], text)

    def start(self, command: str, **env: str) -> subprocess.Popen[str]:
        """One line of a shell example, in the background."""
        words = shlex.split(os.path.expandvars(self.adapted(command)) if not env else self._expanded(command, env))
        assert words[:2] == ["python", "-m"]
        return self.open.enter_context(Running([sys.executable, *words[1:]], self._env(), self.folder))

    def run(self, command: str, **env: str) -> str:
        """What it prints; it must bite."""
        return finished(self.start(command, **env))

    def serve(self, command: str, *options: str) -> None:
        """Until the test ends."""
        api = [] if "--api" in command else ["--api", self.api]
        server = self.start(f"{command.strip()} {' '.join([*api, *options])}")
        assert server.stdout
        line = server.stdout.readline()
        assert line, finished(server)
        assert orjson.loads(line)["proxy"] == f"http://{self.api}"

    def app(self) -> subprocess.Popen[str]:
        (self.folder / "app.py").write_text(script("app.py"))
        argv = [sys.executable, str(self.folder / "app.py"), self.hop]
        return self.open.enter_context(Running(argv, self._env(), self.folder))

    def python(self, title: str) -> str:
        (self.folder / "app.py").write_text(script("app.py"))
        (self.folder / title).write_text(self.adapted(script(title)))
        return finished(self.open.enter_context(Running([sys.executable, title], self._env(), self.folder)))

    def _expanded(self, command: str, env: dict[str, str]) -> str:
        return re.sub(r"\$(\w+)", lambda found: env[found[1]], self.adapted(command))

    def _env(self) -> dict[str, str]:
        root = str(DOCUMENT.parents[1])
        return os.environ | {
            "EOSPROXY": str(self.program), "EOSPROXY_URL": f"http://{self.api}", "PYTHONPATH": root,
        }  # fmt: skip


class Running(subprocess.Popen[str]):
    """A child that does not outlive its test."""

    def __init__(self, argv: list[str], env: dict[str, str], folder: Path) -> None:
        super().__init__(argv, env=env, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.communicate()


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=HANG_S)
    assert process.returncode == 0, out + err
    return out


@pytest.fixture(scope="module")
def site_of_module(program: Path) -> Iterator[Site]:
    setup(print)
    with open_environment(ClusterSpec(nodes=1, lanes=1)) as environment:
        hop = environment.topology.lane_hop(0, 1)
        # Its broker advertises this hop: the examples have eosproxies of their own listen there.
        HopClient(environment.proxy_url).patch_hop(hop.name, enabled=False)
        with psycopg.connect(environment.postgres_dsn) as connection:
            connection.execute("CREATE TABLE paid (id int)")
        admin = AdminClient({"bootstrap.servers": environment.bootstrap_direct})
        admin.create_topics([NewTopic("payments", 1, 1)])["payments"].result(ACK_S)
        yield Site(
            Path(), str(hop.upstream), str(hop.listen), str(environment.topology.postgres), environment.postgres_dsn,
            environment.bootstrap_direct, program, ExitStack(),
        )  # fmt: skip


@pytest.fixture
def site(site_of_module: Site, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        shared = vars(site_of_module) | {"folder": tmp_path, "open": stack, "api": f"127.0.0.1:{free_port()}"}
        yield Site(**shared)


def test_a_program_is_killed_inside_its_third_commit_from_the_command_line(site: Site) -> None:
    site.serve(shell("serve kafka:"))
    app = site.app()
    said = site.run(shell(KILL), APP_PID=str(app.pid))
    assert said.startswith(f"kill {app.pid} before EndTxn(commit) 3: bit\n")
    assert app.wait(10) == -9


def test_a_program_is_killed_inside_its_third_commit_from_python(site: Site) -> None:
    before = len(stored(site.direct, "payments"))
    said = site.python("third_commit.py")
    assert "died inside its third commit: True" in said
    assert "bit=True" in said
    assert stored(site.direct, "payments")[before:] == ["payment 1", "payment 2", "payment 3"]


def test_the_answer_to_a_commit_is_lost(site: Site) -> None:
    said = site.python("lost_commit.py")
    assert "was it committed? the client cannot know" in said
    assert "bit=True" in said
    with psycopg.connect(site.dsn) as connection:
        assert connection.execute("SELECT id FROM paid").fetchall() == [(1,)]


def test_requests_are_answered_by_errors(site: Site) -> None:
    site.serve(shell("serve kafka:"))
    commands = [site.start(line) for line in shell(ERRORS).splitlines()]
    for command in commands:
        assert command.stderr
        assert command.stderr.readline().endswith("armed\n")
    site.app()
    refused, replaced = map(finished, commands)
    assert "error: 16\n  error name: NOT_COORDINATOR" in refused
    assert "error: 59\n  error name: UNKNOWN_PRODUCER_ID" in replaced


def test_links_are_cut_and_slowed_down(site: Site) -> None:
    site.serve(shell("serve kafka:"), "--toxics")
    site.app()
    for line in shell(CUT).splitlines():
        assert ": bit\n" in site.run(line)


def test_a_hop_in_front_of_a_database(site: Site) -> None:
    site.serve(shell("serve --api"))
    listed = site.run("python -m faults hops")
    assert f"db/{site.postgres}: " in listed


def test_every_example_was_executed(request: pytest.FixtureRequest) -> None:
    own = [item for item in request.session.items if item.path == Path(__file__)]
    if len(own) > 1:
        assert executed == {text for _, _, text in BLOCKS}
