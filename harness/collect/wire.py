"""Requests straight to brokers, on kafka-python's protocol classes: batches, producer ids and markers included.

Every connection is used only after the broker on it has named our cluster: a leftover of another run on the same
addresses would give plausible, false answers.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from typing import Any

from kafka.errors import for_code
from kafka.protocol.metadata import MetadataRequest, MetadataResponse
from kafka.protocol.sasl import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)

from harness.collect.security import PLAINTEXT, Security
from harness.errors import EnvironmentFailedError

METADATA_VERSION = 10
CLIENT_ID = "eos-chaos-collect"
ANSWER_BYTES_MAX = 256 << 20
"""More is no answer of a broker to us: the first bytes of TLS or HTTP, taken for a length, are more than that."""


class BrokerAwayError(Exception):
    """A broker does not answer, or has to be asked again; the message says who, on one line."""


class RefusedError(BrokerAwayError):
    """A broker answers, and always will, that we may not: rights, a password or a certificate are missing."""


class Connection:
    """One blocking connection; not for several threads.

    Args:
        timeout_s: For connecting, and for each whole answer.

    Raises:
        BrokerAwayError: From every method; the connection is of no use then.
        RefusedError: When it is made: the broker's certificate, or who we say we are, is not accepted.
    """

    def __init__(self, host: str, port: int, timeout_s: float, security: Security = PLAINTEXT) -> None:
        self.name = f"{host}:{port}"
        self._timeout_s = timeout_s
        self._correlation = itertools.count(1)
        try:
            plain = socket.create_connection((host, port), timeout_s)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = security.wrap(plain, host)
        except (ssl.SSLCertVerificationError, ssl.CertificateError) as error:
            raise RefusedError(f"the certificate of {self.name} is not trusted ({error.verify_message})") from error
        except ssl.SSLError as error:
            raise RefusedError(f"{self.name} does not speak TLS with us ({error.reason or error})") from error
        except OSError as error:
            raise BrokerAwayError(f"{self.name} does not answer ({error.strerror or error})") from error
        if security.mechanism:
            self._authenticate(security)

    def _authenticate(self, security: Security) -> None:
        hello = SaslHandshakeRequest(mechanism=security.mechanism)
        shaken = self.call(hello, SaslHandshakeResponse, 1)
        if shaken.error_code:
            offered = ", ".join(shaken.mechanisms)
            raise RefusedError(f"{self.name} does not offer SASL {security.mechanism}; it offers {offered}")
        dialogue = security.dialogue()
        while not dialogue.is_done():
            answer = self.call(SaslAuthenticateRequest(auth_bytes=dialogue.auth_bytes()), SaslAuthenticateResponse, 1)
            if answer.error_code:
                reason = answer.error_message or for_code(answer.error_code).message
                raise RefusedError(f"{self.name} refuses SASL {security.mechanism}: {reason}")
            try:
                dialogue.receive(answer.auth_bytes)
            except (ValueError, KeyError) as error:
                raise RefusedError(f"{self.name} did not prove that it knows our password ({error})") from error

    def call(self, request: Any, response: Any, version: int) -> Any:
        """Sends one request and decodes its answer as `response` of that version."""
        correlation = next(self._correlation)
        request.API_VERSION = version
        request.with_header(correlation_id=correlation, client_id=CLIENT_ID)
        try:
            answer = self._exchange(request.encode(version=version, header=True, framed=True))
        except OSError as error:
            self.close()
            raise BrokerAwayError(f"{self.name} does not answer ({error})") from error
        try:
            decoded = response.decode(answer, version=version, header=True)
        except Exception as error:  # kafka-python raises whatever the bytes make it stumble over
            self.close()
            raise BrokerAwayError(f"{self.name} answers with what is not Kafka's protocol ({error!r})") from error
        if decoded.header.correlation_id != correlation:
            self.close()
            raise BrokerAwayError(f"{self.name} answers another question than ours")
        return decoded

    def _exchange(self, frame: bytes) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        self._socket.settimeout(self._timeout_s)
        self._socket.sendall(frame)
        size: int = struct.unpack(">i", self._read(4, deadline))[0]
        if not 0 <= size <= ANSWER_BYTES_MAX:
            raise ConnectionError("not Kafka's protocol")
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        data = bytearray(size)
        view = memoryview(data)
        done = 0
        while done < size:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            count = self._socket.recv_into(view[done:])
            if not count:
                raise ConnectionError("connection closed")
            done += count
        return bytes(data)

    def close(self) -> None:
        self._socket.close()


class Brokers:
    """The brokers of one cluster, with one connection to each, made when needed and kept.

    Args:
        bootstrap: `host:port,…`.
        cluster_id: Ours; None to take that of the first broker that answers.
        timeout_s: For each connection attempt and each answer.

    Attributes:
        cluster_id: None until a broker has answered.

    Raises:
        BrokerAwayError: From every method.
        EnvironmentFailedError: Another cluster answers on our addresses.
    """

    def __init__(
        self, bootstrap: str, cluster_id: str | None, timeout_s: float, security: Security = PLAINTEXT
    ) -> None:
        self._bootstrap = [(host, int(port)) for host, port in _pairs(bootstrap)]
        self.cluster_id = cluster_id
        self._timeout_s = timeout_s
        self._security = security
        self._open: dict[tuple[str, int], Connection] = {}
        self._addresses: dict[int, tuple[str, int]] = {}

    def call(self, node: int, request: Any, response: Any, version: int) -> Any:
        """Asks one broker by its node id."""
        if node not in self._addresses:
            self.metadata([])
        if node not in self._addresses:
            raise BrokerAwayError(f"broker {node} is not in the cluster")
        try:
            return self._call(self._addresses[node], request, response, version)
        except RefusedError:
            raise
        except BrokerAwayError as error:
            raise BrokerAwayError(f"broker {node}: {error}") from error

    def call_any(self, request: Any, response: Any, version: int) -> Any:
        """Asks the first broker that answers."""
        away: list[str] = []
        for address in self._bootstrap:
            try:
                return self._call(address, request, response, version)
            except RefusedError:
                raise
            except BrokerAwayError as error:
                away.append(str(error))
        raise BrokerAwayError("; ".join(away))

    def metadata(self, topics: list[str] | None) -> Any:
        """The MetadataResponse for these topics (None: for all there are); learns the brokers' addresses."""
        answer = self.call_any(_metadata_request(topics), MetadataResponse, METADATA_VERSION)
        self._addresses = {broker.node_id: (broker.host, broker.port) for broker in answer.brokers}
        return answer

    def metadata_of(self, node: int, topics: list[str]) -> Any:
        """The same as one broker sees it."""
        return self.call(node, _metadata_request(topics), MetadataResponse, METADATA_VERSION)

    def nodes(self) -> list[int]:
        """Node ids that the cluster knows as alive."""
        self.metadata([])
        return sorted(self._addresses)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _call(self, address: tuple[str, int], request: Any, response: Any, version: int) -> Any:
        kept = self._open.get(address)
        if kept is not None:
            try:
                return kept.call(request, response, version)
            except BrokerAwayError:
                del self._open[address]  # it was restarted since: once more, on a new connection
        connection = self._connect(address)
        try:
            return connection.call(request, response, version)
        except BrokerAwayError:
            del self._open[address]
            raise

    def _connect(self, address: tuple[str, int]) -> Connection:
        connection = Connection(*address, self._timeout_s, self._security)
        found = connection.call(_metadata_request([]), MetadataResponse, METADATA_VERSION).cluster_id
        self.cluster_id = self.cluster_id or found
        if found != self.cluster_id:
            connection.close()
            raise EnvironmentFailedError(
                f"{connection.name} answers for cluster {found}, not for ours ({self.cluster_id}): "
                "a broker of another run is left on this address"
            )
        self._open[address] = connection
        return connection


def _pairs(bootstrap: str) -> Iterator[tuple[str, str]]:
    for address in bootstrap.split(","):
        host, _, port = address.rpartition(":")
        yield host, port


def _metadata_request(topics: list[str] | None) -> Any:
    """For these topics; for every topic when it is None."""
    wanted = None if topics is None else [MetadataRequest.MetadataRequestTopic(name=name) for name in topics]
    return MetadataRequest(topics=wanted, allow_auto_topic_creation=False)
