"""The protocol steps that a trigger may name, by their own names.

`commit` is neutral: what makes an app's batch durable in Kafka, `EndTxn(commit)` inside a transaction and
`OffsetCommit` otherwise, so that one fault means the same in every cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.scenario.model import App

_PRODUCING = frozenset({"Produce"})
_IDEMPOTENT = frozenset({"InitProducerId"})
_TRANSACTIONAL = frozenset({"AddPartitionsToTxn", "EndTxn", "EndTxn(abort)", "EndTxn(commit)"})
_CONSUMING = frozenset(
    {
        "Fetch",
        "Heartbeat",
        "JoinGroup",
        "LeaveGroup",
        "ListOffsets",
        "OffsetFetch",
        "SyncGroup",
    }
)
_COMMITTING_OFFSETS = frozenset({"OffsetCommit"})
_COMMITTING_OFFSETS_IN_TRANSACTION = frozenset({"AddOffsetsToTxn", "TxnOffsetCommit"})
_ANY_CLIENT = frozenset({"ApiVersions", "FindCoordinator", "Metadata"})
_COMMIT = frozenset({"commit"})
_NEW_GROUP_PROTOCOL = frozenset({"ConsumerGroupHeartbeat"})
"""The apps join their groups by the classic protocol: that this never happens is said where it is asked for."""

KNOWN_STEPS: tuple[str, ...] = tuple(
    sorted(
        _PRODUCING
        | _TRANSACTIONAL
        | _CONSUMING
        | _COMMITTING_OFFSETS
        | _COMMITTING_OFFSETS_IN_TRANSACTION
        | _ANY_CLIENT
        | _COMMIT
        | _IDEMPOTENT
        | _NEW_GROUP_PROTOCOL
    )
)


def steps_of(app: App) -> frozenset[str]:
    """The steps that can happen on the lanes of `app`, given how it is configured."""
    transactional = app.commit == "in_transaction"
    steps = _ANY_CLIENT
    if app.kind != "sink":
        steps |= _PRODUCING | (_IDEMPOTENT if app.idempotent else frozenset())
        steps |= _TRANSACTIONAL if transactional else frozenset()
    if app.kind != "producer":
        steps |= _CONSUMING | (_COMMITTING_OFFSETS_IN_TRANSACTION if transactional else _COMMITTING_OFFSETS)
    if app.kind != "producer" or transactional:
        steps |= _COMMIT
    return steps
