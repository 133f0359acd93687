"""A service's or a mailbox's sightings: every call or message that it accepted, in its order."""

from __future__ import annotations

import re
from typing import Any

from harness.collect.files import Sightings
from harness.collect.log import Deadline
from harness.services import Resources, ServiceGoneError

_SOURCE = re.compile(r"(.+)/([0-9]{1,18})/([0-9]{1,18})")


def read_service(url: str, resource: str, deadline: Deadline, out: Sightings) -> None:
    """Writes the sightings of one resource.

    Args:
        url: Of the HTTP side of its service, past every hop.

    Raises:
        ServiceGoneError: It does not answer, has no such resource, or `deadline` passed.
    """
    for page in Resources(url).read(resource):
        out.write(_line(page))
        if deadline.passed:
            raise ServiceGoneError("the time for it is over")


def _line(page: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        **page,
        "src": [_source(text) for text in page["src"]],
        "accepted": [bool(accepted) for accepted in page["accepted"]],
    }


def _source(text: str | None) -> list[Any] | None:
    """`orders/0/17` as [place, partition, offset]; None when it is not that: whoever calls may write what he likes."""
    found = _SOURCE.fullmatch(text or "")
    return [found[1], int(found[2]), int(found[3])] if found else None
