"""A client's properties file → what a connection needs: Kafka's names, nothing passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collect.security import PLAINTEXT, read_properties
from harness.errors import PropertiesError

PEM = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="s3\\"cr;et";'
TEXT = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_text(PEM)
    (tmp_path / "store.jks").write_bytes(b"\xfe\xed\xfe\xed")
    return tmp_path


def read(folder: Path, text: str) -> dict[str, object]:
    path = folder / "client.properties"
    path.write_text(text)
    return dict(read_properties(path).options)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(PropertiesError) as caught:
        read(folder, text)
    return str(caught.value)


def test_nothing_is_plaintext(folder: Path) -> None:
    assert read(folder, "# only a comment\n\n") == {}
    assert PLAINTEXT.mechanism is None


def test_tls(folder: Path) -> None:
    text = """
    security.protocol=SSL
    ssl.truststore.location = ca.pem
    ssl.truststore.type: PEM
    ssl.keystore.location ca.pem
    ssl.key.password=  with = signs
    ssl.endpoint.identification.algorithm=
    """
    assert read(folder, text) == {
        "security_protocol": "SSL",
        "ssl_cafile": str(folder / "ca.pem"),
        "ssl_certfile": str(folder / "ca.pem"),
        "ssl_password": "with = signs",
        "ssl_check_hostname": False,
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl(folder: Path, mechanism: str) -> None:
    login = LOGIN.replace("plain.Plain", "scram.Scram") if mechanism.startswith("SCRAM") else LOGIN
    text = f"security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\nsasl.jaas.config={login}\n"
    path = folder / "client.properties"
    path.write_text(text)
    security = read_properties(path)
    assert security.mechanism == mechanism
    assert security.options["sasl_plain_username"] == "alice"
    assert security.options["sasl_plain_password"] == 's3"cr;et'
    assert security.dialogue().auth_bytes()
    assert "s3" not in repr(security)


def test_a_value_over_several_lines(folder: Path) -> None:
    text = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=a.PlainLoginModule required \\\n"
    found = read(folder, text + '    username="bob" \\\n    password=secret;\n')
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("bob", "secret")


@given(TEXT, TEXT)
def test_any_password(tmp_path_factory: pytest.TempPathFactory, user: str, password: str) -> None:
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"').replace("\\", "\\\\") for text in (user, password)]
    login = f'x.PlainLoginModule required username="{quoted[0]}" password="{quoted[1]}";'
    text = f"security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config={login}\n"
    found = read(tmp_path_factory.mktemp("any"), text)
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == (user, password)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("security.protocl=SSL", "client.properties:1:1: property 'security.protocl' is not known"),
        ("security.protocl=SSL", "did you mean 'security.protocol'?"),
        ("\nretries=3", "client.properties:2:1: property 'retries' is not known"),
        ("security.protocol=TLS", "security.protocol: 'TLS' is not one of PLAINTEXT, SSL"),
        ("security.protocol=SSL\nssl.truststore.location=no.pem", "ssl.truststore.location: there is no file"),
        ("security.protocol=SSL\nssl.truststore.location=store.jks", "store.jks is not PEM; export it: keytool"),
        ("security.protocol=SSL\nssl.truststore.type=JKS", "JKS cannot be read here; export it: keytool"),
        ("security.protocol=SSL\nssl.endpoint.identification.algorithm=ldap", "'ldap' is neither"),
        ("ssl.truststore.location=ca.pem", "ssl.… is given, but security.protocol is PLAINTEXT"),
        ("security.protocol=SASL_SSL", "but sasl.mechanism is missing"),
        ("security.protocol=SASL_SSL\nsasl.mechanism=PLAIN", "but sasl.jaas.config is missing"),
        ("sasl.mechanism=PLAIN", "sasl.… is given, but security.protocol is PLAINTEXT: it would not be used"),
        ("security.protocol=SASL_SSL\nsasl.mechanism=GSSAPI", "'GSSAPI' is not one of PLAIN"),
        ("sasl.jaas.config=x.Krb5LoginModule required;", "only PlainLoginModule and ScramLoginModule"),
        ('sasl.jaas.config=x.PlainLoginModule required username="a";', "password is missing"),
        ('sasl.jaas.config=x.PlainLoginModule required username="a" password="b" debug=1;', "option 'debug'"),
    ],
)
def test_mistakes(folder: Path, text: str, said: str) -> None:
    assert said in refused(folder, text)


def test_all_mistakes_at_once_and_no_password_among_them(folder: Path) -> None:
    said = refused(folder, f"one=1\ntwo=2\nsasl.jaas.config={LOGIN}\nsecurity.protocol=TLS\n")
    assert all(part in said for part in ("'one'", "'two'", "'TLS'"))
    assert "s3" not in said


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(PropertiesError, match=r"nowhere: cannot be read: No such file"):
        read_properties(tmp_path / "nowhere")
