"""What a step may be called, and what it matches."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.protocol.api_key import ApiKey

from faults import Step, StepError, known_steps, step_alternatives

LEFT_BY_KAFKA_4 = {"LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown"}
SELECTED = {"commit", "EndTxn(commit)", "EndTxn(abort)"}

names = st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True)


def test_commit_is_what_makes_a_batch_durable_in_any_configuration() -> None:
    assert step_alternatives("commit") == [{"api": "EndTxn", "committed": True}, {"api": "OffsetCommit"}]


def test_commit_and_abort_are_told_apart() -> None:
    assert step_alternatives("EndTxn(commit)") == [{"api": "EndTxn", "committed": True}]
    assert step_alternatives("EndTxn(abort)") == [{"api": "EndTxn", "committed": False}]
    assert step_alternatives("EndTxn") == [{"api": "EndTxn"}]


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("EndTxn(commit, pay-1)", {"api": "EndTxn", "committed": True, "transactional_id": "pay-1"}),
        ("Produce(orders)", {"api": "Produce", "topic": "orders"}),
        ("Produce(orders-0)", {"api": "Produce", "topic": "orders", "partition": 0}),
        ("Produce(run-7-0)", {"api": "Produce", "topic": "run-7", "partition": 0}),
        ("Produce(run-7-*)", {"api": "Produce", "topic": "run-7"}),
        (
            "TxnOffsetCommit(orders-2, pay)",
            {"api": "TxnOffsetCommit", "topic": "orders", "partition": 2, "transactional_id": "pay"},
        ),
        ("OffsetCommit( orders )", {"api": "OffsetCommit", "topic": "orders"}),
        ("InitProducerId(pay)", {"api": "InitProducerId", "transactional_id": "pay"}),
        ("COMMIT", {"api": "COMMIT", "protocol": "postgres"}),
        ("ROLLBACK TO", {"api": "ROLLBACK TO", "protocol": "postgres"}),
        ("POST", {"api": "POST", "protocol": "http"}),
        ("POST(/charges)", {"api": "POST", "protocol": "http", "path": "/charges"}),
        ("DELETE", {"api": "DELETE", "protocol": "postgres"}),
        ("DELETE(/)", {"api": "DELETE", "protocol": "http", "path": "/"}),
        ("DATA", {"api": "DATA", "protocol": "smtp"}),
    ],
)
def test_selectors_and_protocols(text: str, matches: dict[str, object]) -> None:
    assert step_alternatives(text) == [matches]


def test_a_caller_cannot_change_what_a_step_means() -> None:
    step_alternatives("commit")[0]["api"] = "Produce"
    assert step_alternatives("commit")[0]["api"] == "EndTxn"


def test_every_request_that_kafka_has_is_a_step_under_its_own_name() -> None:
    assert {key.name for key in ApiKey} - LEFT_BY_KAFKA_4 <= set(known_steps()) - SELECTED


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("produce", "did you mean 'Produce'?"),
        ("Comit", "did you mean 'commit'?"),
        ("COMIT", "did you mean 'COMMIT' of SQL?"),
        ("Post", "did you mean 'POST' of HTTP?"),
        ("EndTxn(comit)", "is 'commit' or 'abort', not 'comit': did you mean 'EndTxn(commit)'?"),
        ("Prodcue(orders-0)", "did you mean 'Produce'?"),
        ("END", "there is no step 'END': SQL's END is 'COMMIT' here"),
        ("fly", "steps are 'commit', "),
        ("EndTxn(my-id)", "the first selector of EndTxn is 'commit' or 'abort'"),
        ("EndTxn(commit, a, b)", "a selector too many: 'b'; its selectors: commit or abort, transactional id"),
        ("Fetch(orders)", "a selector too many: 'orders'; Fetch has no selectors"),
        ("commit(orders)", "commit has no selectors"),
        ("Produce()", "an empty selector; its selectors: topic or topic-partition, transactional id"),
        ("Produce(orders,)", "an empty selector"),
        ("POST(charges)", "a path begins with a slash"),
        ("Produce(orders", "is no step: did you mean 'Produce'?"),
    ],
)
def test_a_slip_says_what_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(StepError) as refusal:
        step_alternatives(wrong)
    assert meant in str(refusal.value)


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "Fetch", "topic": "orders"},
        {"name": "Produce", "committed": True},
        {"name": "Produce", "partition": 0},
        {"name": "COMMIT", "path": "/"},
        {"name": "Heartbeat", "transactional_id": "t"},
        {"name": "Fly"},
    ],
)
def test_a_step_cannot_be_selected_by_what_it_does_not_have(asked: dict[str, object]) -> None:
    with pytest.raises(StepError):
        Step(**asked)  # type: ignore[arg-type]


def test_a_topic_may_be_put_in_the_place_of_another_whatever_its_name() -> None:
    step = replace(Step.parse("Produce(orders)"), topic="orders.x-1")
    assert step.alternatives() == [{"api": "Produce", "topic": "orders.x-1"}]
    assert str(step) == "Produce(orders.x-1-*)"


@given(topic=names, partition=st.none() | st.integers(0, 9), transactional_id=st.none() | names)
def test_a_step_is_read_back_from_its_text(topic: str, partition: int | None, transactional_id: str | None) -> None:
    step = Step(name="Produce", topic=topic, partition=partition, transactional_id=transactional_id)
    assert Step.parse(str(step)) == step


@given(st.text() | st.text("EndTxn()Produce,-0commit ", max_size=20))
def test_any_text_is_a_step_or_a_clear_error(text: str) -> None:
    try:
        alternatives = step_alternatives(text)
    except StepError as error:
        assert str(error)
    else:
        assert alternatives
        assert Step.parse(str(Step.parse(text))) == Step.parse(text)
