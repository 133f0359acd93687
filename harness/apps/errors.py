"""What can go wrong inside an app, by what the app must do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.apps.clients.base import Delivery


class AppError(Exception):
    """Base of the errors that an app handles; the message is one line."""


class ConfigRefusedError(AppError):
    """The configuration cannot be run: exit 64. Usual cause: a property that the client does not know."""


class RestartNeededError(AppError):
    """This process cannot go on safely, a successor can: exit 75. Usual cause: it was fenced."""


class AbortNeededError(AppError):
    """The open transaction must be aborted and its batch done again."""


class CommitFailedError(AppError):
    """An offset commit was not confirmed; it may or may not have happened. Usual cause: a rebalance."""


class EffectFailedError(AbortNeededError):
    """Something outside Kafka was not confirmed; it may or may not have happened.

    Args:
        done: What became of those before it.
    """

    def __init__(self, message: str, done: Sequence[Delivery] = ()) -> None:
        super().__init__(message)
        self.done = tuple(done)
