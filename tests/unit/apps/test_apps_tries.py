"""How often an effect is tried, and what is told of those before it when it is given up."""

from __future__ import annotations

import time

import pytest

from harness.apps.clients.base import Delivery, Incoming
from harness.apps.effects import TRIES, Effect, UnconfirmedError, effects_of, one_by_one
from harness.apps.errors import AbortNeededError, EffectFailedError, RestartNeededError


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def effects(count: int) -> list[Effect]:
    headers = [{"eos.id": f"r{n}".encode(), "eos.seq": b"3"} for n in range(count)]
    return effects_of([Incoming("orders.k3f9", 1, n, b"k", b"{}", headers[n]) for n in range(count)], "orders")


class Outside:
    """Confirms nothing on these tries, counted over all effects."""

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.tried: list[str | None] = []

    def __call__(self, effect: Effect) -> Delivery:
        self.tried.append(effect.id)
        if len(self.tried) in self.failing:
            raise UnconfirmedError("no answer")
        return Delivery(0, len(self.tried))


def test_an_effect_says_what_it_is_for() -> None:
    first, second = effects(2)
    assert (first.id, first.key, first.seq, first.src) == ("r0", "k", 3, "orders/1/0")
    assert second.src == "orders/1/1"


def test_each_is_tried_until_it_is_confirmed(pauses: list[float]) -> None:
    outside, told = Outside(2, 3), list[str]()
    assert one_by_one(effects(3), outside, told.append) == [Delivery(0, 1), Delivery(0, 4), Delivery(0, 5)]
    assert outside.tried == ["r0", "r1", "r1", "r1", "r2"]
    assert told == ["r1: no answer"] * 2
    assert len(pauses) == 2
    assert 0 < pauses[0] < pauses[1] <= 1


def test_one_that_is_never_confirmed_ends_the_batch(pauses: list[float]) -> None:
    outside = Outside(*range(3, 100))
    with pytest.raises(EffectFailedError, match=rf"r2 was not confirmed in {TRIES} tries: no answer") as failed:
        one_by_one(effects(4), outside, lambda _: None)
    assert failed.value.done == (Delivery(0, 1), Delivery(0, 2))
    assert outside.tried == ["r0", "r1"] + ["r2"] * TRIES, "and none after it was tried"
    assert isinstance(failed.value, AbortNeededError), "inside a transaction it asks for an abort"
    assert len(pauses) == TRIES - 1


def test_what_is_refused_for_good_is_not_tried_again(pauses: list[float]) -> None:
    def refuse(effect: Effect) -> Delivery:
        raise RestartNeededError(f"refuses {effect.id}")

    with pytest.raises(RestartNeededError, match="refuses r0"):
        one_by_one(effects(2), refuse, lambda _: None)
    assert pauses == []
