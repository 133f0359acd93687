"""What a diagnosis is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from harness.collect.security import PLAINTEXT, Security
from harness.diagnose.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be looked at.

    Args:
        bootstrap: `host:port,…`.
        topics: At least one; a table is compared with the last of them, which feeds it.
        by: What makes a record the same as another.
        table: A query whose first column is the identity of each row; None without a table.
        dsn: Of its database; never written down.
        groups: Whose positions are wanted; empty for every group that has one in these topics. If there is exactly
            one, it is what moves records into the table.
    """

    bootstrap: str
    topics: tuple[str, ...]
    by: Identity
    table: str | None = None
    dsn: str | None = field(default=None, repr=False)
    groups: tuple[str, ...] = ()
    security: Security = PLAINTEXT

    @property
    def mover(self) -> str | None:
        """The group that moves records into the table, if it is known."""
        return self.groups[0] if len(self.groups) == 1 else None

    def to_json(self) -> Mapping[str, Any]:
        """All of it but secrets and addresses of the database."""
        return {
            "bootstrap": self.bootstrap,
            "topics": list(self.topics),
            "by": str(self.by),
            "table": self.table,
            "groups": list(self.groups),
        }

    @property
    def fingerprint(self) -> str:
        """The same for the same command."""
        return hashlib.sha256(orjson.dumps(self.to_json(), option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]
