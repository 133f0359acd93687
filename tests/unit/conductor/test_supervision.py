"""What a supervisor does about an app that ended."""

from __future__ import annotations

import pytest

from harness.conductor.supervision import EXIT_FINISHED, EXIT_REFUSED, EXIT_RESTART, RESTARTS_MAX, Ruling, rule_on
from harness.scenario import Restart

KILLED, BROKEN = -9, 1
STAYS_AWAY = Ruling(None)


def policy(word: str, most: int = 3) -> Restart:
    return Restart.model_validate({"policy": word, "delay": "500ms", "most": most})


@pytest.mark.parametrize(
    ("word", "code", "by_a_fault", "comes_back"),
    [
        ("on-failure", KILLED, True, True),
        ("on-failure", KILLED, False, True),
        ("on-failure", BROKEN, False, True),
        ("on-failure", EXIT_RESTART, False, True),
        ("on-failure", EXIT_FINISHED, True, False),
        ("always", EXIT_FINISHED, True, True),
        ("always", KILLED, False, True),
        ("never", KILLED, True, False),
        ("never", EXIT_RESTART, False, False),
    ],
)
def test_a_policy(word: str, code: int, by_a_fault: bool, comes_back: bool) -> None:
    expected = Ruling(0.5) if comes_back else STAYS_AWAY
    assert rule_on(policy(word), code, 0, by_a_fault=by_a_fault) == expected


def test_without_a_policy_only_who_asks_gets_a_successor() -> None:
    assert rule_on(None, EXIT_RESTART, RESTARTS_MAX - 1, by_a_fault=False) == Ruling(0.2)
    assert rule_on(None, KILLED, 0, by_a_fault=True) == STAYS_AWAY
    assert rule_on(None, KILLED, 0, by_a_fault=False) == "ended unexpectedly with signal 9"
    assert rule_on(None, BROKEN, 0, by_a_fault=False) == "ended unexpectedly with exit status 1"


def test_a_supervisor_gives_up() -> None:
    asked = "asked for a successor more than 5 times"
    assert rule_on(None, EXIT_RESTART, RESTARTS_MAX, by_a_fault=False) == asked
    assert rule_on(policy("on-failure"), BROKEN, 3, by_a_fault=False) == "ended more than 3 times"
    assert rule_on(policy("always", most=0), KILLED, 0, by_a_fault=True) == STAYS_AWAY, "a fault asked for it"


def test_what_no_successor_mends_is_not_tried_again() -> None:
    for restart in (None, policy("always"), policy("never")):
        assert rule_on(restart, EXIT_REFUSED, 0, by_a_fault=False) == "was refused its configuration"


def test_never_covers_no_defect() -> None:
    assert rule_on(policy("never"), BROKEN, 0, by_a_fault=False) == "ended unexpectedly with exit status 1"
