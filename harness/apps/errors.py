"""What can go wrong inside an app, by what the app must do about it."""

from __future__ import annotations


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


class StoreFailedError(AppError):
    """A database transaction was not confirmed; it may or may not have happened."""
