"""A listener with TLS and SASL of a real broker, and rights that are missing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from faults import ProcessHandle
from harness.cli import commands
from harness.collect import Observer
from harness.environment import ClusterSpec, Environment, open_environment
from harness.environment.tools import find_java
from harness.scenario.model import Topic

PORT = 29999
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
SPEC = ClusterSpec(
    nodes=1,
    lanes=1,
    broker={
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:root",
        "listener.name.secured.ssl.keystore.type": "PKCS12",
        "listener.name.secured.ssl.keystore.password": "password",
        "listener.name.secured.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.secured.plain.sasl.jaas.config": f'{LOGIN} user_root="secret" user_guest="welcome";',
    },
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key store of the broker's, and the certificate in it."""
    folder = tmp_path_factory.mktemp("tls")
    folder.chmod(0o755)
    store = [
        "-keystore",
        str(folder / "broker.p12"),
        "-storetype",
        "PKCS12",
        "-storepass",
        "password",
        "-alias",
        "broker",
    ]
    made = ["-dname", "CN=broker", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "2"]
    names = ["-ext", "SAN=" + ",".join(f"IP:127.{block}.1.1" for block in range(16, 240))]
    java = find_java().tool
    assert java is not None
    keytool = str(java.path.resolve().with_name("keytool"))
    subprocess.run([keytool, "-genkeypair", *store, *made, *names], check=True, capture_output=True, timeout=60)
    exported = ["-rfc", "-file", str(folder / "ca.pem")]
    subprocess.run([keytool, "-exportcert", *store, *exported], check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def secured(certificate: Path) -> Iterator[Environment]:
    """A cluster of one, whose broker was given another listener; with a topic `orders` of two records."""
    with open_environment(SPEC) as environment:
        with_listener(environment, certificate / "broker.p12")
        observer = Observer(environment.bootstrap_direct, environment.cluster_id)
        observer.create_topics({"orders": Topic(partitions=1, replication=1)})
        observer.close()
        producer = Producer({"bootstrap.servers": environment.bootstrap_direct})
        for key in ("order-1", "order-2"):
            producer.produce("orders", b"", key=key)
        assert producer.flush(20) == 0
        yield environment


def with_listener(environment: Environment, store: Path) -> None:
    pid, _ = environment.process("broker 1")
    (properties,) = [
        path for path in Path(psutil.Process(pid).cwd()).glob("*.properties") if "listeners=" in path.read_text()
    ]
    added = [f"listener.name.secured.ssl.keystore.location={store}"]
    for line in properties.read_text().splitlines():
        name, _, value = line.partition("=")
        more = {
            "listeners": f"{value},SECURED://{address(environment)}",
            "advertised.listeners": f"{value},SECURED://{address(environment)}",
            "listener.security.protocol.map": f"{value},SECURED:SASL_SSL",
        }
        added.append(f"{name}={more[name]}" if name in more else line)
    properties.write_text("\n".join(added) + "\n")
    environment.mark_down("broker 1")
    assert ProcessHandle(*environment.process("broker 1")).crash().bit
    environment.start_broker(1)
    environment.mark_up("broker 1")


def address(environment: Environment) -> str:
    return f"{environment.bootstrap_direct.rpartition(':')[0]}:{PORT}"


def run(
    environment: Environment, folder: Path, *more: str, user: str = "root", password: str = "secret", **changed: str
) -> Result:
    properties = {
        "security.protocol": "SASL_SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "ca.pem",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": f'{LOGIN} username="{user}" password="{password}";',
    } | {name.replace("_", "."): value for name, value in changed.items()}
    file = folder / "client.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items() if value))
    asked = ["--bootstrap", address(environment), "--topic", "orders", "--config", str(file), *more]
    return CliRunner().invoke(commands, ["diagnose", *asked])


@pytest.fixture
def folder(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return certificate


def test_through_tls_and_sasl(secured: Environment, folder: Path) -> None:
    done = run(secured, folder)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "CLEAN: no finding in orders"), done.stderr
    assert done.stdout.startswith("orders: 2 records in 1 partition")


def test_a_wrong_password(secured: Environment, folder: Path) -> None:
    done = run(secured, folder, password="wrong")
    assert done.exit_code == 4
    assert f"{address(secured)} refuses SASL PLAIN: Authentication failed" in done.stderr


def test_a_mechanism_that_it_does_not_have(secured: Environment, folder: Path) -> None:
    done = run(secured, folder, sasl_mechanism="SCRAM-SHA-256")
    assert done.exit_code == 4
    assert "does not offer SASL SCRAM-SHA-256; it offers PLAIN" in done.stderr


def test_a_certificate_of_nobody_we_trust(secured: Environment, folder: Path) -> None:
    done = run(secured, folder, ssl_truststore_location="", ssl_truststore_type="")
    assert done.exit_code == 4
    assert f"the certificate of {address(secured)} is not trusted (self-signed certificate" in done.stderr


def test_without_tls_where_it_is_needed(secured: Environment, folder: Path) -> None:
    done = CliRunner().invoke(commands, ["diagnose", "--bootstrap", address(secured), "--topic", "orders"])
    assert done.exit_code == 4
    assert "does its listener need --config (TLS, SASL)?" in done.stderr


def test_tls_where_there_is_none(secured: Environment, folder: Path) -> None:
    done = run(secured, folder, "--bootstrap", secured.bootstrap_direct)
    assert done.exit_code == 4
    assert f"{secured.bootstrap_direct} does not" in done.stderr


def test_rights_that_are_missing(secured: Environment, folder: Path) -> None:
    """A guest sees no topic; then he sees it and may not read it; then he may, and knows nothing of groups."""
    guest = {"user": "guest", "password": "welcome"}
    done = run(secured, folder, **guest)
    assert done.exit_code == 2
    assert "--topic orders: the cluster has no such topic, or we may not see it" in done.stderr

    admin = AdminClient({"bootstrap.servers": secured.bootstrap_direct})

    def permit(operation: AclOperation) -> None:
        resource = (ResourceType.TOPIC, "orders", ResourcePatternType.LITERAL)
        binding = AclBinding(*resource, "User:guest", "*", operation, AclPermissionType.ALLOW)
        admin.create_acls([binding])[binding].result(20)

    permit(AclOperation.DESCRIBE)
    done = run(secured, folder, **guest)
    assert done.exit_code == 4
    assert "orders/0: " in done.stderr and "needed are: Describe and Read on the topics" in done.stderr
    permit(AclOperation.READ)
    done = run(secured, folder, **guest)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "CLEAN: no finding in orders"), done.stderr
