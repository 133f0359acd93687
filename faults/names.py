"""The names of steps, and what each one means on the wire.

A step is named as its own protocol names the request: Kafka's `Produce`, `OffsetCommit`, `EndTxn`; SQL's `COMMIT`;
HTTP's `POST`; SMTP's `DATA`. In parentheses stand selectors, the ones that the step has, in this order::

    EndTxn(commit)               or abort: the two are told apart
    EndTxn(commit, my-id)        of one transactional id
    Produce(orders)              that names a topic; also TxnOffsetCommit, AddPartitionsToTxn and OffsetCommit
    Produce(orders-0)            that names one partition, written as Kafka writes it
    Produce(orders-0, my-id)     in a transaction of that id
    InitProducerId(my-id)        also AddOffsetsToTxn
    POST(/charges)               of a path that begins so

A topic whose own name ends in a hyphen and a number is written with its partition, `Produce(run-7-0)`, or with `*` for
all of them, `Produce(run-7-*)`. `commit` is what makes an app's batch durable in Kafka, whatever its configuration:
`EndTxn(commit)` in a transaction, else `OffsetCommit`. SQL's END is COMMIT too, and WITH is the command behind it.
`DELETE` is SQL's; HTTP's is written with its path, `DELETE(/)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from faults.errors import StepError

StepProtocol = Literal["kafka", "postgres", "http", "smtp"]
"""Whose steps a hop can tell apart."""

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
_ASKED_BY_BROKERS = """
    WriteTxnMarkers Vote BeginQuorumEpoch EndQuorumEpoch AlterPartition Envelope FetchSnapshot BrokerRegistration
    BrokerHeartbeat AllocateProducerIds ControllerRegistration AssignReplicasToDirs UpdateRaftVoter
    InitializeShareGroupState ReadShareGroupState WriteShareGroupState DeleteShareGroupState
    ReadShareGroupStateSummary
"""
_SQL = """
    ALTER ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE DELETE DISCARD DO
    DROP EXECUTE EXPLAIN FETCH GRANT IMPORT INSERT LISTEN LOAD LOCK MERGE MOVE NOTIFY PREPARE REASSIGN REFRESH REINDEX
    RELEASE RESET REVOKE ROLLBACK SAVEPOINT SECURITY SELECT SET SHOW TABLE TRUNCATE UNLISTEN UPDATE VACUUM VALUES
"""
_SQL_OF_TWO_WORDS = ("COMMIT PREPARED", "PREPARE TRANSACTION", "ROLLBACK PREPARED", "ROLLBACK TO")
_CALLED = {"END": "COMMIT", "ABORT": "ROLLBACK", "START TRANSACTION": "BEGIN"}
"""What SQL has two names for is one step."""
_HTTP = "GET HEAD POST PUT PATCH OPTIONS DELETE"
_SMTP = "HELO EHLO LHLO MAIL RCPT DATA BDAT QUIT RSET NOOP VRFY EXPN ETRN HELP AUTH STARTTLS"

_NAMES: Mapping[StepProtocol, tuple[str, ...]] = {
    "kafka": tuple((_ASKED_BY_CLIENTS + _ASKED_BY_BROKERS).split()),
    "postgres": (*_SQL.split(), *_SQL_OF_TWO_WORDS),
    "http": tuple(_HTTP.split()),
    "smtp": tuple(_SMTP.split()),
}
_PLAIN: Mapping[str, StepProtocol] = {
    name: protocol for protocol, names in _NAMES.items() for name in names if (protocol, name) != ("http", "DELETE")
}
"""Name → protocol, without selectors."""

PROTOCOL_WORDS: Mapping[StepProtocol, str] = {"kafka": "Kafka", "postgres": "SQL", "http": "HTTP", "smtp": "SMTP"}

_PARTITIONS = {"Produce", "OffsetCommit", "TxnOffsetCommit", "AddPartitionsToTxn"}
_TRANSACTIONAL_IDS = {"Produce", "TxnOffsetCommit", "AddPartitionsToTxn", "AddOffsetsToTxn", "InitProducerId", "EndTxn"}
_OUTCOMES = {"commit": True, "abort": False}
_EXAMPLES = ("commit", "EndTxn(commit)", "EndTxn(abort)")

_TEXT = re.compile(r"\s*([^()\s](?:[^()]*[^()\s])?)\s*(?:\(([^()]*)\))?\s*")
_PARTITION = re.compile(r"(.+)-(\d+|\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, as `Step.parse` reads it from its text; what is None is not selected by.

    Args:
        name: `EndTxn`, `COMMIT`, `POST`; or `commit`.
        committed: Of EndTxn.
        transactional_id: Of the requests that carry one.
        topic: Its name on the cluster.
        partition: Only with a topic.
        path: How the path of an HTTP request begins.

    Raises:
        StepError: There is no such step, or it has no such selector.
    """

    name: str
    committed: bool | None = None
    transactional_id: str | None = None
    topic: str | None = None
    partition: int | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if self.name != "commit" and self.name not in _PLAIN and not (self.name == "DELETE" and self.path):
            raise StepError(f"there is no step {self.name!r}{_suggestion(self.name)}")
        for given, has, word in (
            (self.committed, self.name == "EndTxn", "an outcome"),
            (self.transactional_id, self.name in _TRANSACTIONAL_IDS, "a transactional id"),
            (self.topic, self.name in _PARTITIONS, "a topic"),
            (self.partition, self.topic is not None, "a partition without a topic"),
            (self.path, self.name in _NAMES["http"], "a path"),
        ):
            if given is not None and not has:
                raise StepError(f"{self.name} cannot be selected by {word}{_selectors_of(self.name)}")

    @classmethod
    def parse(cls, text: str) -> Step:
        """Read a step from its text.

        Raises:
            StepError: There is no such step, or it has no such selector; says what was meant, if that can be guessed.
        """
        parts = _TEXT.fullmatch(text)
        if not parts:
            raise StepError(f"{text!r} is no step{_suggestion(text)}")
        name, inside = parts[1], parts[2]
        if inside is None:
            return cls(name=name)
        if name not in _PLAIN and name not in _EXAMPLES and name != "DELETE":
            raise StepError(f"there is no step {name!r}{_suggestion(name)}")
        selectors = [each.strip() for each in inside.split(",")]
        if "" in selectors:
            raise StepError(f"{text!r} has an empty selector{_selectors_of(name)}")
        return cls(name=name, **_read(text, name, selectors))

    @property
    def protocol(self) -> StepProtocol:
        """On which hops it can come."""
        if self.name == "commit":
            return "kafka"
        return "http" if self.path is not None else _PLAIN[self.name]

    def alternatives(self) -> list[dict[str, Any]]:
        """What matches it, as the `match` of a rule: any of them."""
        if self.name == "commit":
            return [{"api": "EndTxn", "committed": True}, {"api": "OffsetCommit"}]
        selectors = {
            "committed": self.committed,
            "transactional_id": self.transactional_id,
            "topic": self.topic,
            "partition": self.partition,
            "path": self.path,
        }
        protocol = {} if self.protocol == "kafka" else {"protocol": self.protocol}
        return [{"api": self.name} | protocol | {key: value for key, value in selectors.items() if value is not None}]

    def __str__(self) -> str:
        selectors = [self.path, self.transactional_id]
        if self.committed is not None:
            selectors.insert(0, "commit" if self.committed else "abort")
        if self.topic is not None:
            partition = "*" if self.partition is None else self.partition
            plain = self.partition is None and not _PARTITION.fullmatch(self.topic)
            selectors.insert(0, self.topic if plain else f"{self.topic}-{partition}")
        given = ", ".join(selector for selector in selectors if selector is not None)
        return f"{self.name}({given})" if given else self.name


def step_of(step: str | Step) -> Step:
    """The step itself, or the one of this text.

    Raises:
        StepError: See `Step.parse`.
    """
    return step if isinstance(step, Step) else Step.parse(step)


def known_steps(protocol: StepProtocol = "kafka") -> tuple[str, ...]:
    """Every name of a protocol's steps; of Kafka's the neutral one first, then the two kinds of EndTxn."""
    return (*_EXAMPLES, *_NAMES["kafka"]) if protocol == "kafka" else _NAMES[protocol]


def step_alternatives(step: str) -> list[dict[str, Any]]:
    """What matches a step, as the `match` of a rule: any of the alternatives.

    `"Produce(orders-0)"` → `[{"api": "Produce", "topic": "orders", "partition": 0}]`; `"commit"` →
    `[{"api": "EndTxn", "committed": True}, {"api": "OffsetCommit"}]`.

    Raises:
        StepError: See `Step.parse`.
    """
    return Step.parse(step).alternatives()


def _read(text: str, name: str, selectors: list[str]) -> dict[str, Any]:
    """The selectors of a step's text, as the arguments of a Step."""
    left, read = list(selectors), dict[str, Any]()
    if name == "EndTxn":
        outcome = left.pop(0)
        if outcome not in _OUTCOMES:
            raise StepError(f"the first selector of EndTxn is 'commit' or 'abort', not {outcome!r}{_suggestion(text)}")
        read["committed"] = _OUTCOMES[outcome]
    elif name in _PARTITIONS:
        read |= _partition(left.pop(0))
    elif name in _NAMES["http"]:
        read["path"] = left.pop(0)
        if not read["path"].startswith("/"):
            raise StepError(f"a path begins with a slash, as in '{name}(/charges)', not {read['path']!r}")
    if left and name in _TRANSACTIONAL_IDS:
        read["transactional_id"] = left.pop(0)
    if left:
        raise StepError(f"{text!r} has a selector too many: {left[0]!r}{_selectors_of(name)}")
    return read


def _partition(selector: str) -> dict[str, Any]:
    parts = _PARTITION.fullmatch(selector)
    if not parts:
        return {"topic": selector}
    return {"topic": parts[1], "partition": None if parts[2] == "*" else int(parts[2])}


def _selectors_of(name: str) -> str:
    words = []
    if name == "EndTxn":
        words.append("commit or abort")
    if name in _PARTITIONS:
        words.append("topic or topic-partition")
    if name in _TRANSACTIONAL_IDS:
        words.append("transactional id")
    if name in _NAMES["http"]:
        words.append("path")
    return f"; its selectors: {', '.join(words)}" if words else f"; {name} has no selectors"


def _suggestion(step: str) -> str:
    """Where several protocols have a similar name, the one written alike comes first, then Kafka's."""
    if called := _CALLED.get(step.upper()):
        return f": SQL's {step.upper()} is {called!r} here"
    known = [*_EXAMPLES, *_PLAIN]
    if close := get_close_matches(step, known, n=1, cutoff=0.6) or _alike(step.lower(), known):
        meant = close[0]
        protocol = PROTOCOL_WORDS[_PLAIN.get(meant, "kafka")]
        return f": did you mean {meant!r}" + ("?" if protocol == "Kafka" else f" of {protocol}?")
    return (
        "; steps are 'commit', 'EndTxn(commit)', 'EndTxn(abort)', Kafka's own names such as 'Produce', SQL commands"
        " such as 'COMMIT', HTTP methods such as 'POST' and SMTP verbs such as 'DATA'"
    )


def _alike(lower: str, known: Iterable[str]) -> list[str]:
    by_lower: dict[str, str] = {}
    for name in known:
        by_lower.setdefault(name.lower(), name)
    return [by_lower[name] for name in get_close_matches(lower, by_lower, n=1, cutoff=0.6)]
