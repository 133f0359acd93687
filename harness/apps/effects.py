"""What apps do outside Kafka: rows, calls and e-mails, one for each record, all behind one small interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from harness.apps.clients.base import Delivery, Incoming
from harness.apps.config import Mailbox, Service, Table
from harness.apps.errors import EffectFailedError
from harness.apps.records import identity

TRIES = 5
CALL_S = 2.0
_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
EFFECT_S = TRIES * (3 * CALL_S + _LONGEST_PAUSE_S)
"""One effect with all of its tries takes no longer: for hangs."""


class Effect(NamedTuple):
    """What is to be done for one record.

    Args:
        src: `orders/0/17`.
        record: As it was read.
    """

    id: str | None
    key: str | None
    seq: int | None
    src: str
    record: Incoming


class Outside(Protocol):
    """Something outside Kafka that takes effects."""

    def write(self, effects: Sequence[Effect], txn: str | None = None) -> list[Delivery]:
        """One effect after the other; when this returns, all are confirmed.

        Args:
            txn: The Kafka transaction in which it is done.

        Returns:
            One delivery an effect: part 0, and the number that it has there.

        Raises:
            EffectFailedError: One was not confirmed, and none after it was tried.
            RestartNeededError: It was refused, and always will be.
            ConfigRefusedError: There is no such place.
        """

    def limit_s(self, effects: int) -> float:
        """So long may it take to write so many, whatever happens."""

    def close(self) -> None: ...


def effects_of(records: Sequence[Incoming], place: str) -> list[Effect]:
    """Args:
    place: Where they were read.
    """
    return [Effect(*identity(each), f"{place}/{each.part}/{each.pos}", each) for each in records]


def outside(target: Table | Service | Mailbox, writer: str, on_retry: Callable[[str], None]) -> Outside:
    """
    Args:
        writer: The process that does it.
        on_retry: Told why something is tried once more.
    """
    match target:
        case Table():
            from harness.apps.store import Store

            return Store(target, writer)
        case Service():
            from harness.apps.calls import Calls

            return Calls(target, writer, on_retry)
        case Mailbox():
            from harness.apps.mails import Mails

            return Mails(target, writer, on_retry)


class UnconfirmedError(Exception):
    """One try of one effect was not confirmed; another may be."""


def one_by_one(
    effects: Sequence[Effect], do: Callable[[Effect], Delivery], on_retry: Callable[[str], None]
) -> list[Delivery]:
    """Does them in their order, each up to five times, waiting a little longer after each failure.

    Args:
        do: Raises UnconfirmedError for what is worth another try.

    Raises:
        EffectFailedError: The fifth try of one was not confirmed either.
    """
    done: list[Delivery] = []

    def told(state: RetryCallState) -> None:
        assert state.outcome is not None
        on_retry(f"{effects[len(done)].id}: {state.outcome.exception()}")

    tries = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(_PAUSE_S, _LONGEST_PAUSE_S),
        retry=retry_if_exception_type(UnconfirmedError),
        before_sleep=told,
        reraise=True,
    )
    for effect in effects:
        try:
            done.append(tries(do, effect))
        except UnconfirmedError as error:
            raise EffectFailedError(f"{effect.id} was not confirmed in {TRIES} tries: {error}", done) from error
    return done
