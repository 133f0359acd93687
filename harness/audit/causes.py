"""Why a record is there twice, or not at all, in the words that findings and scenarios (`cause:`) use.

The SQL decides which one applies; a word that is not in this list is a bug there. docs/ledger.md lists them.
"""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    # duplicate, duplicate-processing: from the batches
    BROKER = "the broker did not deduplicate"
    """Same producer id, epoch and sequence."""
    APPLICATION = "the application sent again"
    """Same producer id and epoch, another sequence; or two operations of one process sent it."""
    CLIENT = "the client sent again under a new epoch"
    """One operation, one producer id, two epochs."""
    ABORT_OR_ZOMBIE = "reprocessed after an abort or by a zombie"
    """Same producer id (so the same transactional id), two epochs."""
    IDEMPOTENCE_OFF = "idempotence was off: a retry was stored twice"
    """One operation, no producer id."""
    # … and, where the producer ids differ or there are none, from who tried to send
    PRODUCER_RESTART = "a restarted producer sent again"
    PRODUCERS = "several producers sent it"
    PROCESSOR_RESTART = "reprocessed after a restart"
    OTHER_INSTANCE = "reprocessed by another instance"
    SAME_PROCESS = "reprocessed by the same process"
    # any duplicate
    UPSTREAM = "it was repeated upstream already"
    ABORTED_INPUT = "an aborted copy of it was processed too"
    UNTOLD = "the evidence does not tell"
    # sink-duplicate
    SINK_RESTART = "processed again after a restart: the rows were committed, the offset was not"
    SINK_OTHER_INSTANCE = "processed again by another instance: the rows were committed, the offset was not"
    SINK_SAME_PROCESS = "processed again by the same process"
    # lost-write
    NOT_IN_LOG = "acknowledged, but not in the log"
    ABORTED_AFTER_ALL = "the commit returned ok, but the log says it was aborted"
    NEVER_ACKNOWLEDGED = "the commit returned ok, but the send was never acknowledged"
    # lost-processing, sink-loss: the group's committed offset is past the record, and …
    OFFSET_FIRST = "the offset was committed before the output was written"
    NOT_CONFIRMED = "the offset was committed although the output was not confirmed"
    CONFIRMED_IN_VAIN = "its output was confirmed, but is not there"
    SKIPPED = "the group went past it without reading it"
    PAST = "the committed offset is past it"
    """Nothing more can be said, because a writer left no complete ledger."""
