"""The names of error codes: what a client is told by a refused request or a replaced reply.

On the wire an error is Kafka's number, an SQLSTATE, an HTTP status or an SMTP code. People name them:
`NOT_COORDINATOR`, `serialization_failure`, `SERVICE_UNAVAILABLE`. Both are understood, and evidence carries both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from http import HTTPStatus

from faults.errors import StepError
from faults.names import PROTOCOL_WORDS, StepProtocol

_SINCE_RENAMED = {
    -1: "UNKNOWN_SERVER_ERROR",
    6: "NOT_LEADER_OR_FOLLOWER",
    10: "MESSAGE_TOO_LARGE",
    17: "INVALID_TOPIC_EXCEPTION",
    39: "INVALID_REPLICA_ASSIGNMENT",
}
"""Where kafka-python still has the name of an old Kafka; both are understood."""

_NEWER = {
    128: "INVALID_REGULAR_EXPRESSION",
    129: "REBOOTSTRAP_REQUIRED",
    130: "STREAMS_INVALID_TOPOLOGY",
    131: "STREAMS_INVALID_TOPOLOGY_EPOCH",
    132: "STREAMS_TOPOLOGY_FENCED",
    133: "SHARE_SESSION_LIMIT_REACHED",
    134: "GROUP_DELETION_FAILED",
    135: "STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED",
    136: "CONTROLLER_ID_NOT_REGISTERED",
}
"""Of Kafka 4.4, and not in kafka-python's table."""

_NO_ERROR_CLASSES = {"00", "01", "02"}
"""SQLSTATE classes of success, warning and no data."""

_SHAPES: Mapping[StepProtocol, tuple[str, str]] = {
    "kafka": (r"-1|[1-9]\d{0,4}", "a Kafka error is a name such as 'NOT_COORDINATOR', or its number"),
    "postgres": (
        r"[0-9A-Z]{5}",
        "an SQL error is a name such as 'serialization_failure', or an SQLSTATE such as '40001'",
    ),
    "http": (r"[45]\d\d", "an HTTP error is a status from 400 to 599, or its name, such as 'SERVICE_UNAVAILABLE'"),
    "smtp": (r"[45]\d\d", "an SMTP error is a code from 400 to 599, such as '451'"),
}


def error_code(error: str | int, protocol: StepProtocol = "kafka") -> str:
    """An error by its name or number, as the `error` of a rule: `NOT_COORDINATOR` → `16`.

    Raises:
        StepError: The protocol has no such error; says what was meant, if that can be guessed.
    """
    text = str(error).strip()
    shape, what = _SHAPES[protocol]
    upper = text.upper()
    by_name = {name.upper(): (code, name) for code, names in _names(protocol).items() for name in names}
    if upper in by_name:
        return by_name[upper][0]
    if re.fullmatch(shape, upper) and _is_known(upper, protocol):
        return upper
    close = get_close_matches(upper, by_name, n=1, cutoff=0.6)
    meant = f"did you mean {by_name[close[0]][1]!r}?" if close else what
    raise StepError(f"{text!r} is no error of {PROTOCOL_WORDS[protocol]}: {meant}")


def error_name(code: str, protocol: StepProtocol = "kafka") -> str:
    """The name of an error's code, as its protocol has it; empty where it has none."""
    names = _names(protocol).get(code, ())
    return names[0] if names else ""


def known_errors(protocol: StepProtocol = "kafka") -> tuple[str, ...]:
    """The names of all errors of a protocol; SMTP has none."""
    return tuple(names[0] for names in _names(protocol).values())


def _is_known(code: str, protocol: StepProtocol) -> bool:
    """Numbers of later versions go on the wire as they are, but a Kafka number that no client knows proves nothing."""
    if protocol == "kafka":
        return code in _names("kafka")
    return protocol != "postgres" or code[:2] not in _NO_ERROR_CLASSES


@cache
def _names(protocol: StepProtocol) -> Mapping[str, tuple[str, ...]]:
    """Code → its names, the protocol's own first. The libraries are loaded when they are asked."""
    if protocol == "kafka":
        return _names_of_kafka()
    if protocol == "postgres":
        return _names_of_postgres()
    if protocol == "http":
        return {str(int(status)): (status.name,) for status in HTTPStatus if status >= 400}
    return {}


def _names_of_kafka() -> Mapping[str, tuple[str, ...]]:
    from kafka.errors import kafka_errors

    names = {code: (error.message,) for code, error in kafka_errors.items() if code}
    for code, own in (_SINCE_RENAMED | _NEWER).items():
        names[code] = (own, *(old for old in names.get(code, ()) if old != own))
    return {str(code): each for code, each in sorted(names.items())}


def _names_of_postgres() -> Mapping[str, tuple[str, ...]]:
    from psycopg import errors

    found: dict[str, tuple[str, ...]] = {}
    for error in vars(errors).values():
        code = getattr(error, "sqlstate", None)
        if isinstance(error, type) and isinstance(code, str) and code[:2] not in _NO_ERROR_CLASSES:
            # SerializationFailure is PostgreSQL's serialization_failure.
            found.setdefault(code, (re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", error.__name__).lower(),))
    return found
