"""An eosproxy of one's own: started, given hops in front of brokers, databases and services, ended with its owner."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

import orjson

from faults.detours import Detour, LaneDetour, far_hop_of
from faults.errors import FaultError, ProxyFailedError
from faults.hops import HopClient
from faults.messages import HopProtocol, HopSpec, HopState
from faults.program import find_program
from faults.stream import EventStream
from faults.toxics import Toxics

LANE = "app"
"""The lane of hops that are not told another."""

_START_S = 20.0
_END_S = 5.0


class Proxy:
    """A running eosproxy. As a context manager it follows its events, and ends with the block what was started for it::

        with Proxy.start() as proxy:
            hop = proxy.hop("127.0.0.1:5432", protocol="postgres")
            lost = StepLose(proxy.hops, proxy.events, lanes=["app"], step="COMMIT", when="after")
            lost.arm()
            …                                        # connect to hop.listen instead of 127.0.0.1:5432
            print(lost.evidence())

    Attributes:
        hops: Its client.
        events: Its event stream.
        toxics: The Toxiproxy in it.
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None = None) -> None:
        """Of one that runs already: `Proxy("http://127.0.0.1:8474")`; it is left running."""
        self.hops = HopClient(url)
        self.events = EventStream(self.hops)
        self.toxics = Toxics(url)
        self._process = process

    @classmethod
    def start(
        cls,
        program: Path | str | None = None,
        api: str = "127.0.0.1:0",
        progress: Callable[[str], None] = lambda _: None,
    ) -> Proxy:
        """Start one. It ends with this process at the latest, however that ends.

        Args:
            program: See `find_program`.
            api: `host:port` of its HTTP API; port 0 takes a free one.
            progress: Gets a line before something takes long.

        Raises:
            ProxyMissingError: There is no such program.
            ProxyFailedError: It does not start; carries its last words. Usual cause: the address is taken.
        """
        path = find_program(program, progress=progress)
        argv = [str(path), "-api", api, "-exit-on-stdin-eof"]
        with tempfile.TemporaryFile() as words:
            try:
                process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words)
            except OSError as error:
                raise ProxyFailedError(f"{path} cannot be run: {error.strerror}") from error
            try:
                return cls(f"http://{_listening(process, words)}", process)
            except BaseException:
                _end(process)
                raise

    @property
    def url(self) -> str:
        return self.hops.url

    def hop(
        self,
        upstream: str,
        *,
        listen: str = "127.0.0.1:0",
        protocol: HopProtocol = "kafka",
        lane: str = LANE,
        name: str | None = None,
    ) -> HopState:
        """Make a hop in front of a broker, a database or a service. Clients connect to the `listen` of its state.

        Args:
            upstream: `host:port` that it relays to.
            listen: `host:port`; port 0 takes a free one. In front of a Kafka broker it must be the address that the
                broker advertises at the listener that `upstream` is of.
            name: `app/127.0.0.1:9092` when None.

        Raises:
            ProxyError: The name or the address is taken, or the proxy does not answer.
        """
        spec = HopSpec(
            name=name or f"{lane}/{upstream}", listen=listen, upstream=upstream, lane=lane, protocol=protocol
        )
        self.hops.create_hops([spec])
        return next(state for state in self.hops.hops() if state.name == spec.name)

    def detour(self, lane: str = LANE) -> LaneDetour:
        """Lead all hops of a lane through Toxiproxy, at free ports; before anybody connects.

        Raises:
            ProxyError: The lane has a detour already, or the proxy does not answer.
        """
        ways = [Detour(hop=each.name, listen=_free(each.listen), upstream=each.upstream) for each in self._of(lane)]
        detour = LaneDetour(self.hops, self.toxics, lane, ways)
        detour.prepare()
        return detour

    def prepared_detour(self, lane: str = LANE) -> LaneDetour:
        """The detour of a lane that somebody else has prepared.

        Raises:
            FaultError: It has none.
            ProxyError: The proxy does not answer.
        """
        states, far = self._of(lane), {state.name: state.upstream for state in self.hops.hops()}
        ways = [
            Detour(hop=state.name, listen=state.upstream, upstream=far[name])
            for state in states
            if (name := far_hop_of(state.name)) in far
        ]
        if not ways:
            raise FaultError(
                f"lane {lane!r} does not lead through Toxiproxy, and that cannot be changed while it is used"
            )
        return LaneDetour(self.hops, self.toxics, lane, ways)

    def close(self) -> None:
        """Stop to follow its events; end it, with all of its hops and connections, if it was started here."""
        self.events.close()
        if self._process:
            _end(self._process)

    def __enter__(self) -> Proxy:
        try:
            self.events.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _of(self, lane: str) -> list[HopState]:
        states = [state for state in self.hops.hops() if state.lane == lane]
        if not states:
            raise FaultError(f"eosproxy at {self.url} has no hop of lane {lane!r}")
        return states


def _listening(process: subprocess.Popen[bytes], words: IO[bytes]) -> str:
    """The address that it prints once it answers."""
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], _START_S)
    line = process.stdout.readline() if ready else b""
    try:
        return str(orjson.loads(line)["listening"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1 if ready else 0)
        words.seek(0)
        said = (line + words.read()[-2000:]).decode(errors="replace").strip() or f"nothing within {_START_S:g} s"
        raise ProxyFailedError(f"eosproxy did not start: {said}") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()  # the end of its standard input ends it
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free(beside: str) -> str:
    """An address at the same host that nothing listens at."""
    host = beside.rpartition(":")[0]
    with socket.create_server((host, 0)) as server:
        return f"{host}:{server.getsockname()[1]}"
