"""What a supervisor does about an app that has ended. Pure.

Without a policy of its own an app gets a successor when it asks for one (exit status 75: it was fenced, or its client
can do no more), and nothing else that ends it is made good.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.scenario.model import Restart

EXIT_FINISHED = 0
EXIT_REFUSED = 64
EXIT_RESTART = 75
RESTARTS_MAX = 5
RESTART_DELAY_S = 0.2


@dataclass(frozen=True, slots=True)
class Ruling:
    """
    Args:
        restart_after_s: When its successor is started; None: it stays away, which is no surprise.
    """

    restart_after_s: float | None


def rule_on(policy: Restart | None, code: int, restarts: int, *, by_a_fault: bool) -> Ruling | str:
    """What becomes of an instance.

    Args:
        code: As `Popen.returncode`: negative for a signal.
        restarts: How often it was started again before.
        by_a_fault: A fault ended it, and does not say when it is started again.

    Returns:
        The ruling; or, in words that go on from the name of the process, why its end makes the repeat inconclusive.
    """
    asks = code == EXIT_RESTART
    if policy is None:
        wanted, most, delay_s = asks, RESTARTS_MAX, RESTART_DELAY_S
    else:
        wanted = policy.policy == "always" or (policy.policy == "on-failure" and code != EXIT_FINISHED)
        most, delay_s = policy.most, policy.delay_s
    if code == EXIT_REFUSED:
        return "was refused its configuration"
    if wanted and restarts < most:
        return Ruling(delay_s)
    if by_a_fault:
        return Ruling(None)
    if wanted:
        what = "asked for a successor" if asks else "ended"
        return f"{what} more than {most} times"
    if policy is not None and asks:
        return Ruling(None)
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    return f"ended unexpectedly with {how}"
