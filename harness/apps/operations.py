"""A batch as a ledger operation: announced before it happens, ended with what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.apps.clients.base import Delivery
from harness.apps.effects import Effect, Outside
from harness.apps.errors import AppError, EffectFailedError
from harness.ledger.writer import LedgerWriter

Step = dict[str, Any]


@dataclass(slots=True)
class Ending:
    """How an operation ends if it ends badly: `unknown`, unless the app proves that it did not happen."""

    outcome: Literal["unknown", "failed"] = "unknown"
    do: list[Step] = field(default_factory=list)


@contextmanager
def batch_operation(ledger: LedgerWriter, do: Sequence[Step], txn: str | None = None) -> Iterator[Ending]:
    """Announces a batch and ends it: ok, or on an `AppError` (which goes on) as `Ending` says.

    Any other exception leaves it without an end, which the ledger reads as unknown.
    """
    number = ledger.begin("batch", do, txn=txn)
    ending = Ending()
    try:
        yield ending
    except AppError as error:
        ledger.end(number, ending.outcome, do=ending.do, error=str(error))
        raise
    ledger.end(number, "ok", do=ending.do)


def send_step(place: str, identities: Sequence[tuple[str | None, str | None, int | None]]) -> Step:
    ids, keys, seqs = zip(*identities, strict=True) if identities else ((), (), ())
    return {"send": place, "id": list(ids), "key": list(keys), "seq": list(seqs)}


def ack_step(place: str, ids: Sequence[str | None], deliveries: Sequence[Delivery]) -> Step:
    """Those of the announced sends that were acknowledged, and where they are."""
    done = [(id, each.part, each.pos) for id, each in zip(ids, deliveries, strict=True) if each.error is None]
    return {
        "ack": place,
        "id": [id for id, _, _ in done],
        "part": [part for _, part, _ in done],
        "pos": [pos for _, _, pos in done],
    }


def commit_step(group: str, place: str, offsets: Mapping[int, int]) -> Step:
    """Args:
    offsets: partition → offset of the next record to read.
    """
    return {"commit": group, "offsets": [[place, part, pos] for part, pos in sorted(offsets.items())]}


def first_error(deliveries: Sequence[Delivery], ids: Sequence[str | None]) -> str | None:
    """The first record that was not acknowledged, in words; None when all were."""
    for id, delivery in zip(ids, deliveries, strict=True):
        if delivery.error is not None:
            return f"{id} was not acknowledged: {delivery.error}"
    return None


def write_outside(
    target: Outside, place: str, effects: Sequence[Effect], ending: Ending, txn: str | None = None
) -> None:
    """Does the announced effects; those that were confirmed are told in the end of their operation, all or not.

    Raises:
        EffectFailedError: Not all were confirmed.
    """
    ids = [effect.id for effect in effects]
    try:
        ending.do.append(ack_step(place, ids, target.write(effects, txn)))
    except EffectFailedError as error:
        ending.do.append(ack_step(place, ids[: len(error.done)], error.done))
        raise
