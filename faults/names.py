"""The names of steps, and what each one means on the wire.

A step is named as Kafka names its request: `Produce`, `OffsetCommit`, `EndTxn`. `EndTxn(commit)` and
`EndTxn(abort)` are told apart. `commit` is what makes an app's batch durable in Kafka, whatever its
configuration: `EndTxn(commit)` in a transaction, else `OffsetCommit`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from faults.errors import StepError

_ASKED_BY_CLIENTS = """
    Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup Heartbeat
    LeaveGroup SyncGroup DescribeGroups ListGroups SaslHandshake ApiVersions CreateTopics DeleteTopics
    DeleteRecords InitProducerId OffsetForLeaderEpoch AddPartitionsToTxn AddOffsetsToTxn EndTxn
    TxnOffsetCommit DescribeAcls CreateAcls DeleteAcls DescribeConfigs AlterConfigs AlterReplicaLogDirs
    DescribeLogDirs SaslAuthenticate CreatePartitions CreateDelegationToken RenewDelegationToken
    ExpireDelegationToken DescribeDelegationToken DeleteGroups ElectLeaders IncrementalAlterConfigs
    AlterPartitionReassignments ListPartitionReassignments OffsetDelete DescribeClientQuotas
    AlterClientQuotas DescribeUserScramCredentials AlterUserScramCredentials DescribeQuorum
    UpdateFeatures DescribeCluster DescribeProducers UnregisterBroker DescribeTransactions
    ListTransactions ConsumerGroupHeartbeat ConsumerGroupDescribe GetTelemetrySubscriptions PushTelemetry
    ListConfigResources DescribeTopicPartitions ShareGroupHeartbeat ShareGroupDescribe ShareFetch
    ShareAcknowledge AddRaftVoter RemoveRaftVoter StreamsGroupHeartbeat StreamsGroupDescribe
    DescribeShareGroupOffsets AlterShareGroupOffsets DeleteShareGroupOffsets
"""

APIS = tuple(_ASKED_BY_CLIENTS.split())
"""What a client may ask of a Kafka 4.4 broker. What brokers ask each other never passes a lane."""

_COMMIT = {"api": "EndTxn", "committed": True}
_ABORT = {"api": "EndTxn", "committed": False}

_SPECIAL: dict[str, list[dict[str, Any]]] = {
    "commit": [_COMMIT, {"api": "OffsetCommit"}],
    "EndTxn(commit)": [_COMMIT],
    "EndTxn(abort)": [_ABORT],
}

_NOT_KAFKA = {
    "COMMIT": "SQL",
    "BEGIN": "SQL",
    "ROLLBACK": "SQL",
    "POST": "HTTP",
    "PUT": "HTTP",
    "GET": "HTTP",
    "DATA": "SMTP",
    "RCPT": "SMTP",
}


def known_steps() -> tuple[str, ...]:
    """Every name of a step: the neutral one first, then the two kinds of EndTxn, then Kafka's own names."""
    return (*_SPECIAL, *APIS)


def step_alternatives(step: str) -> list[dict[str, Any]]:
    """What matches a step, as the `match` of a rule: any of the alternatives.

    `"Fetch"` → `[{"api": "Fetch"}]`; `"commit"` →
    `[{"api": "EndTxn", "committed": True}, {"api": "OffsetCommit"}]`.

    Raises:
        StepError: There is no such step, or it is one of SQL, HTTP or SMTP.
    """
    if step in _SPECIAL:
        return [dict(alternative) for alternative in _SPECIAL[step]]
    if step in APIS:
        return [{"api": step}]
    if step in _NOT_KAFKA:
        raise StepError(
            f"step {step!r} is one of {_NOT_KAFKA[step]}: step faults act on Kafka links only"
            " (the commit of an app's batch in Kafka is 'commit', in lower case)"
        )
    raise StepError(f"there is no step {step!r}{_suggestion(step)}")


def _suggestion(step: str) -> str:
    by_lower = {name.lower(): name for name in known_steps()}
    close = get_close_matches(step.lower(), by_lower, n=1, cutoff=0.6)
    if close:
        return f": did you mean {by_lower[close[0]]!r}?"
    return "; steps are 'commit', 'EndTxn(commit)', 'EndTxn(abort)' and Kafka's own names, such as 'Produce'"
