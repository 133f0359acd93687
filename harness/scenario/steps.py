"""The protocol steps that a trigger may name, by their own names, and who takes which.

`commit` is neutral: what makes an app's batch durable in Kafka, `EndTxn(commit)` inside a transaction and
`OffsetCommit` otherwise, so that one fault means the same in every cell. Selectors stand in parentheses and name
what the scenario names: `Produce(orders-0)`, `EndTxn(commit, processor-1)`, `POST(/billing)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from faults.errors import StepError
from faults.names import Step, StepProtocol
from harness.scenario.words import did_you_mean, refusal, shown, split_hint

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

STEPS_OF_BROKERS = frozenset(
    {
        "AddPartitionsToTxn",
        "AllocateProducerIds",
        "AlterPartition",
        "ApiVersions",
        "BeginQuorumEpoch",
        "BrokerHeartbeat",
        "BrokerRegistration",
        "EndQuorumEpoch",
        "Fetch",
        "OffsetForLeaderEpoch",
        "Vote",
        "WriteTxnMarkers",
    }
)
"""What brokers ask of one another; what one asks of itself goes over no link."""

_SQL = frozenset({"BEGIN", "COMMIT", "INSERT", "ROLLBACK"})
_HTTP = frozenset({"POST"})
_SMTP = frozenset({"DATA", "EHLO", "MAIL", "QUIT", "RCPT"})
OUTSIDE_KAFKA: Mapping[str, frozenset[str]] = {"table": _SQL, "service": _HTTP, "mailbox": _SMTP}
"""Kind of place → the steps of an app that writes there."""

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
        | STEPS_OF_BROKERS
        | _SQL
        | _HTTP
        | _SMTP
    )
)

_SELECTED = re.compile(r"([A-Za-z]+)(?:\([^()]*\))?")
_BARE = sorted({step.partition("(")[0] for step in KNOWN_STEPS})
STEP_PATTERN = rf"(?:{'|'.join(_BARE)})(?:\([^()]+\))?"


def parse_step(text: str) -> Step:
    """The step of a text like `Produce(orders-0)`.

    Raises:
        PydanticCustomError: There is none, or it has no such selector.
    """
    found = _SELECTED.fullmatch(text)
    if text not in KNOWN_STEPS and not (found and found[1] in _BARE):
        hint = did_you_mean(text, KNOWN_STEPS) or f"steps: {', '.join(KNOWN_STEPS)}"
        raise refusal(f"unknown step {shown(text)}", hint)
    try:
        return Step.parse(text)
    except StepError as error:
        what, hint = split_hint(str(error))
        raise refusal(what, hint) from None


def protocol_of(step: str) -> StepProtocol:
    """Whose step it is; `step` has been parsed before."""
    return Step.parse(step).protocol


def kind_of_step(step: str) -> str:
    """The step without the selectors that only narrow it down: `EndTxn(commit, processor-1)` → `EndTxn(commit)`."""
    parsed = Step.parse(step)
    if parsed.committed is None:
        return parsed.name
    return f"EndTxn({'commit' if parsed.committed else 'abort'})"


def steps_of(app: App, outside: frozenset[str] = frozenset()) -> frozenset[str]:
    """The steps that can happen on the lanes of `app`, given how it is configured.

    Args:
        outside: The kinds of the places outside Kafka that it writes (`table`, `service`, `mailbox`).
    """
    transactional = app.commit == "in_transaction"
    steps = _ANY_CLIENT
    if app.kind != "sink":
        steps |= _PRODUCING | (_IDEMPOTENT if app.idempotent else frozenset())
        steps |= _TRANSACTIONAL if transactional else frozenset()
    if app.kind != "producer":
        steps |= _CONSUMING | (_COMMITTING_OFFSETS_IN_TRANSACTION if transactional else _COMMITTING_OFFSETS)
    if app.resume == "transaction":
        steps |= _COMMITTING_OFFSETS_IN_TRANSACTION | frozenset({"OffsetFetch"})
    if app.kind != "producer" or transactional:
        steps |= _COMMIT
    return steps.union(*(OUTSIDE_KAFKA[kind] for kind in outside))
