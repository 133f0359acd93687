"""What a step may be called, and what it matches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.protocol.api_key import ApiKey

from faults import StepError, known_steps, step_alternatives

FROM_BROKERS = {
    "LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown", "WriteTxnMarkers", "Vote",
    "BeginQuorumEpoch", "EndQuorumEpoch", "AlterPartition", "Envelope", "FetchSnapshot", "BrokerRegistration",
    "BrokerHeartbeat", "AllocateProducerIds", "ControllerRegistration", "AssignReplicasToDirs",
    "UpdateRaftVoter", "InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState",
    "DeleteShareGroupState", "ReadShareGroupStateSummary",
}  # fmt: skip


def test_commit_is_what_makes_a_batch_durable_in_any_configuration() -> None:
    assert step_alternatives("commit") == [{"api": "EndTxn", "committed": True}, {"api": "OffsetCommit"}]


def test_commit_and_abort_are_told_apart() -> None:
    assert step_alternatives("EndTxn(commit)") == [{"api": "EndTxn", "committed": True}]
    assert step_alternatives("EndTxn(abort)") == [{"api": "EndTxn", "committed": False}]
    assert step_alternatives("EndTxn") == [{"api": "EndTxn"}]


def test_a_caller_cannot_change_what_a_step_means() -> None:
    step_alternatives("commit")[0]["api"] = "Produce"
    assert step_alternatives("commit")[0]["api"] == "EndTxn"


def test_every_request_of_a_client_is_a_step_under_kafkas_own_name() -> None:
    assert {key.name for key in ApiKey} - FROM_BROKERS == set(known_steps()) - {
        "commit",
        "EndTxn(commit)",
        "EndTxn(abort)",
    }


@pytest.mark.parametrize(
    ("wrong", "meant"), [("produce", "Produce"), ("EndTxn(comit)", "EndTxn(commit)"), ("Comit", "commit")]
)
def test_a_slip_gets_a_suggestion(wrong: str, meant: str) -> None:
    with pytest.raises(StepError, match=rf"did you mean '{meant}'".replace("(commit)", r"\(commit\)")):
        step_alternatives(wrong)


@pytest.mark.parametrize(("step", "protocol"), [("COMMIT", "SQL"), ("POST", "HTTP"), ("DATA", "SMTP")])
def test_steps_of_other_protocols_are_refused_by_name(step: str, protocol: str) -> None:
    with pytest.raises(StepError, match=f"'{step}' is one of {protocol}"):
        step_alternatives(step)


@given(st.text())
def test_any_word_is_a_step_or_a_clear_error(word: str) -> None:
    if word in known_steps():
        assert step_alternatives(word)
    else:
        with pytest.raises(StepError):
            step_alternatives(word)
