"""Errors by name and by number."""

from pathlib import Path

import pytest

from faults import StepError, StepProtocol, error_code, error_name, known_errors

KAFKA_4 = Path(__file__).parent / "kafka-errors-4.4.0.txt"
"""Printed from Kafka's own `Errors`."""


def test_kafkas_errors_are_known_by_the_names_that_kafka_has_for_them() -> None:
    own = dict(line.split() for line in KAFKA_4.read_text().splitlines())
    assert {code: error_name(code) for code in own} == own
    assert {error_code(name) for name in own.values()} == set(own)


@pytest.mark.parametrize(
    ("error", "protocol", "code", "name"),
    [
        ("NOT_COORDINATOR", "kafka", "16", "NOT_COORDINATOR"),
        (16, "kafka", "16", "NOT_COORDINATOR"),
        ("-1", "kafka", "-1", "UNKNOWN_SERVER_ERROR"),
        ("not_leader_for_partition", "kafka", "6", "NOT_LEADER_OR_FOLLOWER"),
        ("serialization_failure", "postgres", "40001", "serialization_failure"),
        ("57p01", "postgres", "57P01", "admin_shutdown"),
        ("ZZ123", "postgres", "ZZ123", ""),
        ("SERVICE_UNAVAILABLE", "http", "503", "SERVICE_UNAVAILABLE"),
        (599, "http", "599", ""),
        (451, "smtp", "451", ""),
    ],
)
def test_a_name_and_a_number_mean_the_same(error: str | int, protocol: StepProtocol, code: str, name: str) -> None:
    assert (error_code(error, protocol), error_name(code, protocol)) == (code, name)


@pytest.mark.parametrize(
    ("error", "protocol", "complaint"),
    [
        ("NOT_CORDINATOR", "kafka", "'NOT_CORDINATOR' is no error of Kafka: did you mean 'NOT_COORDINATOR'?"),
        ("NONE", "kafka", "is no error of Kafka"),
        ("0", "kafka", "or its number"),
        ("9999", "kafka", "or its number"),
        ("00000", "postgres", "an SQLSTATE such as '40001'"),
        ("serialisation_failure", "postgres", "did you mean 'serialization_failure'?"),
        ("200", "http", "a status from 400 to 599"),
        ("250", "smtp", "a code from 400 to 599"),
        ("", "smtp", "a code from 400 to 599"),
    ],
)
def test_what_is_no_error_is_refused(error: str, protocol: StepProtocol, complaint: str) -> None:
    with pytest.raises(StepError) as refusal:
        error_code(error, protocol)
    assert complaint in str(refusal.value)


@pytest.mark.parametrize("protocol", ["kafka", "postgres", "http"])
def test_every_known_name_has_a_code_of_its_own(protocol: StepProtocol) -> None:
    names = known_errors(protocol)
    assert len({error_code(name, protocol) for name in names}) == len(names) > 30
