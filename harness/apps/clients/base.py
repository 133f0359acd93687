"""What the apps need of a Kafka client, and no more.

An adapter turns every error of its client into what the app must do about it: `RestartNeededError`,
`AbortNeededError`, `CommitFailedError`. Blocking calls are bounded by the client where it can, else by the
watchdog.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol


class Outgoing(NamedTuple):
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class Delivery(NamedTuple):
    """What became of one send: its place in the log, or an error (part and pos -1)."""

    part: int
    pos: int
    error: str | None = None


class Incoming(NamedTuple):
    topic: str
    part: int
    pos: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


class Rebalance(NamedTuple):
    kind: Literal["assigned", "revoked", "lost"]
    parts: tuple[int, ...]


class Polled(NamedTuple):
    """What one poll brought: first the rebalances happened, then the records were read.

    Records of partitions that were revoked or lost and come back are read again from the committed offset.
    """

    rebalances: tuple[Rebalance, ...]
    records: tuple[Incoming, ...]


class Settings(NamedTuple):
    """Settings of one client: as the client takes them, and by Kafka's names, to be recorded."""

    native: dict[str, Any]
    recorded: dict[str, Any]


class ProducerClient(Protocol):
    transaction_timeout_s: float

    def init_transactions(self) -> None:
        """Fences predecessors. Raises RestartNeededError."""

    def begin(self) -> None: ...

    def send(self, topic: str, records: Sequence[Outgoing]) -> list[Delivery]:
        """Sends all, waits until each is acknowledged or given up; one delivery a record, in order."""

    def send_offsets(self, topic: str, offsets: Mapping[int, int], membership: object) -> None: ...

    def commit(self) -> None: ...

    def abort(self) -> None:
        """Raises RestartNeededError on any error: what became of it is then for a successor to settle."""

    def close(self) -> None: ...


class ConsumerClient(Protocol):
    def subscribe(self, topic: str) -> None:
        """Raises RestartNeededError."""

    def poll(self, limit: int, timeout_s: float) -> Polled: ...

    def membership(self) -> object:
        """The group metadata that fences a zombie (KIP-447): take it with the poll, never later.

        Raises:
            CommitFailedError: Not a member now; what was polled belongs to others.
        """

    def group_metadata(self) -> object:
        """The same as it is now, of whoever is a member or not. Without a member id it fences nobody."""

    def committed(self, topic: str, part: int) -> int | None:
        """The group's committed offset; None where it never committed. Waits for a transaction that is to end.

        Raises:
            RestartNeededError: It could not be asked for.
        """

    def commit(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Commits synchronously. Raises CommitFailedError."""

    def rewind(self) -> None:
        """Back to the committed offsets of what is assigned. Raises RestartNeededError."""

    def close(self) -> None:
        """Leaves the group."""


class ClientLibrary(Protocol):
    def version(self) -> str:
        """`kafka-python 3.0.12`."""

    def producer_settings(
        self, bootstrap: str, transactional_id: str | None, properties: Mapping[str, Any]
    ) -> Settings:
        """Our defaults, overridden by the scenario's properties. Raises ConfigRefusedError."""

    def consumer_settings(self, bootstrap: str, group: str, properties: Mapping[str, Any]) -> Settings: ...

    def producer(self, settings: Settings) -> ProducerClient: ...

    def consumer(self, settings: Settings) -> ConsumerClient: ...
