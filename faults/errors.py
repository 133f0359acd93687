"""Every error of this package. None of them means "the fault did not act": that is what evidence is for.

::

    FaultError
    ├── ProxyError             eosproxy, or the Toxiproxy inside it
    │   ├── ProxyGoneError     it cannot be reached, does not answer in time, or was replaced by another one
    │   ├── ProxyMissingError  there is no eosproxy program that could be started
    │   ├── ProxyRefusedError  it understood and said no (4xx); carries its status and its own words
    │   └── ProxyFailedError   it failed (5xx), or answered something that is not of its API
    ├── ToxicError             a toxic is not what was asked for: what follows would not be under that fault
    ├── HealError              a fault could not be taken back; what runs on is not trustworthy
    ├── ProcessError           a process may not be signalled by this user
    └── StepError              a step or an error code that does not exist, or that cannot be as it was asked for
"""

from __future__ import annotations


class FaultError(Exception):
    """Base of all errors of `faults`; its text says what, where, and what now."""


class ProxyError(FaultError):
    """Something about eosproxy."""


class ProxyGoneError(ProxyError):
    """The proxy does not answer. Usual causes: it died, it hangs, the URL is wrong."""


class ProxyMissingError(ProxyError):
    """There is no eosproxy program. Usual causes: it was never built, and Go is not installed."""


class ProxyRefusedError(ProxyError):
    """The proxy said no.

    Args:
        asked: The request, as `POST /eos/rules`.
        status: The HTTP status, 400 to 499.
        words: The proxy's own words.
    """

    def __init__(self, asked: str, status: int, words: str) -> None:
        self.status = status
        self.words = words
        super().__init__(f"eosproxy refused {asked}: {words} (status {status})")


class ProxyFailedError(ProxyError):
    """The proxy failed, or something else listens at its address."""


class ToxicError(FaultError):
    """A toxic is not listed as it was asked for."""


class HealError(FaultError):
    """A fault is still there after its heal."""


class ProcessError(FaultError):
    """A process may not be signalled. Usual cause: it belongs to another user."""


class StepError(FaultError, ValueError):
    """A step's name is wrong, or what is asked of it is."""
