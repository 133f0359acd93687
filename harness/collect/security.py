"""How a connection is encrypted, and who we say we are: Kafka's client properties → kafka-python's.

A properties file is what Kafka's own tools take (`--command-config`). What is not in the table below is refused by
name: a property passed over in silence could mean a connection that is less safe than its owner thinks.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kafka.net.sasl import get_sasl_mechanism

from harness.errors import Problem, PropertiesError

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_LOGIN = re.compile(r"^\s*[\w.]*\.(PlainLoginModule|ScramLoginModule)\s+required\b(?P<options>.*?);\s*$", re.DOTALL)
_EXPORT = (
    "export it: keytool -importkeystore -srckeystore STORE -destkeystore S.p12 -deststoretype PKCS12, "
    "then openssl pkcs12 -in S.p12 -out S.pem"
)
_OPTION = re.compile(r"""(\w+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|(\S+))""")


@dataclass(frozen=True, slots=True)
class Security:
    """What a connection needs beside an address.

    Args:
        options: kafka-python's names → values; a password among them is never printed.
    """

    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def mechanism(self) -> str | None:
        """Of SASL; None without."""
        return self.options.get("sasl_mechanism") if self._protocol.startswith("SASL") else None

    @property
    def _protocol(self) -> str:
        return str(self.options.get("security_protocol", "PLAINTEXT"))

    def wrap(self, plain: socket.socket, host: str) -> socket.socket:
        """The socket to talk over: encrypted, if it has to be.

        Raises:
            OSError: Among them ssl.SSLError.
        """
        if not self._protocol.endswith("SSL"):
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.options.get("ssl_check_hostname", True)
        if "ssl_cafile" in self.options:
            context.load_verify_locations(self.options["ssl_cafile"])
        else:
            context.load_default_certs()
        if "ssl_certfile" in self.options:
            own, key = self.options["ssl_certfile"], self.options.get("ssl_keyfile")
            context.load_cert_chain(own, key, self.options.get("ssl_password", ""))
        return context.wrap_socket(plain, server_hostname=host)

    def dialogue(self) -> Any:
        """kafka-python's side of the SASL exchange."""
        return get_sasl_mechanism(self.mechanism)(**self.options)


PLAINTEXT = Security()


def read_properties(path: Path) -> Security:
    """A client's properties file.

    Raises:
        PropertiesError: It cannot be read, or says something that we cannot do; all of it, located.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise PropertiesError([Problem(f"cannot be read: {reason}", str(path))]) from error
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for number, name, value in _lines(text):
        if name not in _PROPERTIES:
            near = get_close_matches(name, _PROPERTIES, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(_PROPERTIES))}"
            problems.append(Problem(f"property '{name}' is not known", str(path), number, 1, name, hint))
            continue
        try:
            found |= _PROPERTIES[name](value, path.parent)
        except ValueError as error:
            problems.append(Problem(f"{name}: {error}", str(path), number))
    problems += [Problem(message, str(path)) for message in ([] if problems else _missing(found))]
    if problems:
        raise PropertiesError(problems)
    return Security(found)


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, name, value) as java.util.Properties reads them: `=` or `:` between, `\\` at the end goes on."""
    begin, whole = 0, ""
    for number, line in enumerate([*text.splitlines(), ""], 1):
        part = line.lstrip()
        if not whole and (not part or part[0] in "#!"):
            continue
        begin = begin if whole else number
        if part.endswith("\\") and not part.endswith("\\\\"):
            whole += part[:-1]
            continue
        name, _, value = re.sub(r"\s*[=:\s]\s*", "\0", whole + part, count=1).partition("\0")
        yield begin, name, value.replace("\\\\", "\\").rstrip()
        whole = ""


def _missing(found: Mapping[str, Any]) -> Iterable[str]:
    protocol = found.get("security_protocol", "PLAINTEXT")
    if protocol.startswith("SASL"):
        if "sasl_mechanism" not in found:
            yield f"security.protocol is {protocol}, but sasl.mechanism is missing ({', '.join(MECHANISMS)})"
        if "sasl_plain_username" not in found:
            yield f"security.protocol is {protocol}, but sasl.jaas.config is missing (username and password)"
    elif "sasl_mechanism" in found or "sasl_plain_username" in found:
        yield f"sasl.… is given, but security.protocol is {protocol}: it would not be used"
    if not protocol.endswith("SSL") and any(name.startswith("ssl_") for name in found):
        yield f"ssl.… is given, but security.protocol is {protocol}: nothing would be encrypted"


def _one_of(name: str, known: Iterable[str]) -> Callable[[str, Path], dict[str, Any]]:
    def read(value: str, _: Path) -> dict[str, Any]:
        if value not in known:
            raise ValueError(f"'{value}' is not one of {', '.join(known)}")
        return {name: value}

    return read


def _file(name: str) -> Callable[[str, Path], dict[str, Any]]:
    def read(value: str, folder: Path) -> dict[str, Any]:
        path = folder / value  # an absolute one stays what it is
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        if b"-----BEGIN " not in path.read_bytes():
            raise ValueError(f"{path} is not PEM; {_EXPORT}")
        return {name: str(path)}

    return read


def _text(name: str) -> Callable[[str, Path], dict[str, Any]]:
    return lambda value, _: {name: value}


def _pem(value: str, _: Path) -> dict[str, Any]:
    if value.upper() != "PEM":
        raise ValueError(f"{value} cannot be read here; {_EXPORT}")
    return {}


def _identification(value: str, _: Path) -> dict[str, Any]:
    if value.lower() not in ("", "https"):
        raise ValueError(f"'{value}' is neither 'https' nor empty (the host's name is not checked)")
    return {"ssl_check_hostname": bool(value)}


def _jaas(value: str, _: Path) -> dict[str, Any]:
    login = _LOGIN.match(value)
    if login is None:
        raise ValueError("only PlainLoginModule and ScramLoginModule are understood: MODULE required … ;")
    options = {name: _unquoted(*texts) for name, *texts in _OPTION.findall(login["options"])}
    if strange := sorted(options.keys() - {"username", "password"}):
        raise ValueError(f"option '{strange[0]}' is not known; known are username, password")
    if missing := sorted({"username", "password"} - options.keys()):
        raise ValueError(f"{missing[0]} is missing")
    return {"sasl_plain_username": options["username"], "sasl_plain_password": options["password"]}


def _unquoted(double: str, single: str, bare: str) -> str:
    return re.sub(r"\\(.)", r"\1", double or single) or bare


_PROPERTIES: Mapping[str, Callable[[str, Path], dict[str, Any]]] = {
    "security.protocol": _one_of("security_protocol", PROTOCOLS),
    "sasl.mechanism": _one_of("sasl_mechanism", MECHANISMS),
    "sasl.jaas.config": _jaas,
    "ssl.truststore.location": _file("ssl_cafile"),
    "ssl.truststore.type": _pem,
    "ssl.keystore.location": _file("ssl_certfile"),
    "ssl.keystore.type": _pem,
    "ssl.key.password": _text("ssl_password"),
    "ssl.endpoint.identification.algorithm": _identification,
}
"""Kafka's name → kafka-python's names and values. A keystore in PEM holds certificate and key, as Java wants it."""
